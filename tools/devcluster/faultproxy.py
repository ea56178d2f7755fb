"""A proxy before the API server that answers with errors, drops connections, and cuts watches.

A client that is given its kubeconfig meets what a real network and a loaded API server do to it, on
request and countably. What no fault is meant for passes unchanged, credentials included.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
import re
import ssl
import threading
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import aiohttp
import yaml
from aiohttp import web

from devcluster.certificates import CertificateAuthority
from devcluster.ports import LOOPBACK

T = TypeVar("T")

WATCH = "WATCH"
"""Instead of GET, for a request that watches."""
WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

_OURS = frozenset({"host", "connection", "transfer-encoding", "content-length", "keep-alive"})
"""Headers that belong to one connection, not to the request."""
_REASONS = {
    401: "Unauthorized",
    404: "NotFound",
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


@dataclass
class Fault:
    """What happens to which requests."""

    status: int
    """The answer's HTTP status; 0 drops the connection instead, without an answer."""
    verbs: frozenset[str] = frozenset()
    """HTTP methods, and WATCH; empty: all."""
    path: str = ""
    """A regular expression that is searched in path and query; empty: all."""
    probability: float = 1.0
    times: int | None = None
    """How often at most; None: no bound."""
    after: bool = False
    """Whether the API server gets and executes the request, and only its answer is replaced."""
    in_stream: bool = False
    """For watches: 200, and then the error as an event, as an API server says 410."""
    headers: Mapping[str, str] = field(default_factory=dict)
    done: int = 0
    """How often so far."""

    def meets(self, verb: str, path: str, chance: random.Random) -> bool:
        """Whether this request is one of those; then it counts."""
        if self.times is not None and self.done >= self.times:
            return False
        if (self.verbs and verb not in self.verbs) or not re.search(self.path, path):
            return False
        if chance.random() >= self.probability:
            return False
        self.done += 1
        return True

    def body(self) -> dict[str, Any]:
        """The ``metav1.Status`` of the answer."""
        reason = _REASONS.get(self.status, "")
        body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return {**body, "message": "injected fault", "reason": reason, "code": self.status}


OnWrite = Callable[[int], bool]
"""Called with the number of a write since ``watch_writes``, from 1, before it is passed on; True drops it."""


class FaultProxy:
    """Serves TLS on a loopback port from a thread of its own, for as long as the block lasts."""

    def __init__(self, folder: Path, kubeconfig: Path, seed: int = 0) -> None:
        """Args:
        folder: for certificates and the kubeconfig.
        kubeconfig: of the API server and the user; credentials of a token, since a client certificate
            would end here.
        seed: of the faults' probabilities.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.kubeconfig = folder / "kubeconfig"
        """The same user, through the proxy."""
        self.requests = 0
        """How many came, answered or not."""
        self.faults: list[Fault] = []
        self.hidden: tuple[str, str] | None = None
        """Which events watches lose: a regular expression of the path, and a type such as DELETED."""
        self._original = yaml.safe_load(kubeconfig.read_text())
        cluster = self._original["clusters"][0]["cluster"]
        self._server: str = cluster["server"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._upstream = ssl.create_default_context(cadata=authority)
        self._own = CertificateAuthority(folder / "pki")
        self._pair = self._own.serving("proxy", (LOOPBACK, "localhost"))
        self._chance = random.Random(seed)
        self._watches: set[asyncio.Transport] = set()
        self._before: OnWrite | None = None
        self._after: OnWrite | None = None
        self._writes = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._call(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # --- what tests ask for

    def inject(self, *faults: Fault) -> None:
        """From now on these, and no others."""
        self.faults = list(faults)

    def clear(self) -> None:
        """No faults any more."""
        self.faults, self.hidden, self._before, self._after = [], None, None, None

    def cut_watches(self) -> int:
        """Breaks all watches that are open, as a dying load balancer does; returns how many."""

        async def cut() -> int:
            cut = list(self._watches)
            for transport in cut:
                transport.abort()
            return len(cut)

        return self._call(cut())

    def watch_writes(self, before: OnWrite | None = None, after: OnWrite | None = None) -> None:
        """Calls these at each write: before the API server gets it, and before the client gets the answer.

        They are called in the proxy's thread, which waits for them.
        """
        self._writes, self._before, self._after = 0, before, after

    # --- how it does it

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    async def _start(self) -> None:
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            connector=aiohttp.TCPConnector(ssl=self._upstream, limit=0),
        )
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self._pair.certificate, self._pair.key)
        await web.TCPSite(self._runner, LOOPBACK, 0, ssl_context=context).start()
        port = self._runner.addresses[0][1]
        content = json.loads(json.dumps(self._original))
        authority = base64.b64encode(self._own.pair.certificate.read_bytes()).decode()
        content["clusters"][0]["cluster"] = {
            "server": f"https://{LOOPBACK}:{port}",
            "certificate-authority-data": authority,
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))

    async def _stop(self) -> None:
        for transport in self._watches:
            transport.abort()
        await self._runner.cleanup()
        await self._session.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests += 1
        watches = request.query.get("watch") in ("true", "1")
        verb = WATCH if watches else request.method
        fault = next((f for f in self.faults if f.meets(verb, request.path_qs, self._chance)), None)
        number = 0
        if verb in WRITES:
            self._writes += 1
            number = self._writes
            if self._before is not None and self._before(number):
                return self._drop(request)
        if fault is not None and not fault.after:
            return await self._answer(request, fault)
        try:
            response = await self._pass_on(request, watches=watches, answered=fault is None, number=number)
        except (aiohttp.ClientError, OSError):
            return self._drop(request)  # the API server is not there: neither are we
        if fault is not None:
            return await self._answer(request, fault)
        return response

    async def _pass_on(
        self, request: web.Request, *, watches: bool, answered: bool, number: int
    ) -> web.StreamResponse:
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _OURS}
        body = await request.read()
        url = f"{self._server}{request.path_qs}"
        call = self._session.request(request.method, url, headers=headers, data=body or None)
        async with call as upstream:
            if watches:
                return await self._stream(request, upstream)
            content = await upstream.read()
            if number and self._after is not None and self._after(number):
                return self._drop(request)
            kept = {k: v for k, v in upstream.headers.items() if k.lower() not in _OURS}
            if not answered:
                return web.Response()
            return web.Response(status=upstream.status, headers=kept, body=content)

    async def _stream(self, request: web.Request, upstream: aiohttp.ClientResponse) -> web.StreamResponse:
        transport = request.transport
        if not isinstance(transport, asyncio.Transport):
            return web.Response(status=500)
        kept = {k: v for k, v in upstream.headers.items() if k.lower() not in _OURS}
        response = web.StreamResponse(status=upstream.status, headers=kept)
        self._watches.add(transport)
        try:
            await response.prepare(request)
            rest = b""
            async for chunk in upstream.content.iter_any():
                lines, end, rest = (rest + chunk).rpartition(b"\n")
                if told := self._without_hidden(request.path_qs, lines + end):
                    await response.write(told)
            await response.write_eof()
        except (aiohttp.ClientError, OSError):
            transport.abort()
        finally:
            self._watches.discard(transport)
        return response

    def _without_hidden(self, path: str, events: bytes) -> bytes:
        if self.hidden is None or not re.search(self.hidden[0], path):
            return events
        start = f'{{"type":"{self.hidden[1]}"'.encode()
        return b"".join(each for each in events.splitlines(keepends=True) if not each.startswith(start))

    async def _answer(self, request: web.Request, fault: Fault) -> web.StreamResponse:
        if fault.status == 0:
            return self._drop(request)
        if fault.in_stream:
            event = {"type": "ERROR", "object": fault.body()}
            return web.json_response(event, dumps=lambda value: json.dumps(value) + "\n")
        return web.json_response(fault.body(), status=fault.status, headers=fault.headers)

    @staticmethod
    def _drop(request: web.Request) -> web.Response:
        if isinstance(request.transport, asyncio.Transport):
            request.transport.abort()
        return web.Response(status=502)

"""A client of the bench's own: many objects at once, with an administrator's certificate."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import yaml

Object = dict[str, Any]
T = TypeVar("T")
IN_FLIGHT = 32
WATCHES = 8
"""Connections beside those: each watch has one for itself."""
LONGEST_LINE = 4 * 2**20
"""Bytes of one event of a watch."""
AGENT = "stowage-bench"
GROUP = "/apis/stowage.dev/v1alpha1"
MERGE = "application/merge-patch+json"


class Client(AbstractAsyncContextManager["Client"]):
    """Raises aiohttp.ClientResponseError with the server's message where it refuses."""

    def __init__(self, kubeconfig: Path, agent: str = AGENT) -> None:
        self._agent = agent
        content = yaml.safe_load(kubeconfig.read_text())
        self._cluster, self._user = content["clusters"][0]["cluster"], content["users"][0]["user"]

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(ssl=self._context(), limit=IN_FLIGHT + WATCHES)
        headers = {"User-Agent": self._agent, "Accept": "application/json"}
        self._session = aiohttp.ClientSession(self._cluster["server"], connector=connector, headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(
        self, method: str, path: str, body: Object | None = None, kind: str = "", accept: str = ""
    ) -> Object:
        """One request."""
        headers = {"Content-Type": kind or "application/json", **({"Accept": accept} if accept else {})}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            content = await answer.json(content_type=None)
            if answer.status >= 300:
                raise aiohttp.ClientResponseError(
                    answer.request_info, (), status=answer.status, message=content.get("message", "")
                )
            found: Object = content
            return found

    async def patch(self, path: str, change: Object) -> Object:
        """A merge patch."""
        return await self.send("PATCH", path, change, MERGE)

    async def forgiving(self, method: str, path: str, body: Object) -> None:
        """A request about something that may be gone by now; a patch is a merge patch."""
        try:
            await self.send(method, path, body, MERGE if method == "PATCH" else "")
        except aiohttp.ClientResponseError as error:
            if error.status not in (404, 409):
                raise

    async def create(self, path: str, objects: Iterable[Object]) -> None:
        """Creates all of them, so many at a time as there are connections."""
        await self.each(objects, lambda one: self.send("POST", path, one))

    async def each(self, items: Iterable[T], act: Callable[[T], Awaitable[object]]) -> None:
        """Does something with all of them, so many at a time as there are connections."""
        source = iter(items)

        async def work() -> None:
            for item in source:
                await act(item)

        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))

    async def watch(self, path: str, version: str, accept: str = "") -> AsyncIterator[Object]:
        """The events of a watch, from a resourceVersion on, until the server ends it."""
        join = "&" if "?" in path else "?"
        request = self._session.get(
            f"{path}{join}watch=1&resourceVersion={version}&allowWatchBookmarks=true",
            headers={"Accept": accept} if accept else None,
            timeout=aiohttp.ClientTimeout(total=None),
            read_bufsize=LONGEST_LINE,
        )
        async with request as answer:
            async for line in answer.content:
                yield json.loads(line)

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=_pem(self._cluster, "certificate-authority"))
        with tempfile.TemporaryDirectory() as folder:  # load_cert_chain takes files only
            pair = Path(folder) / "pair.pem"
            pair.touch(0o600)
            pair.write_text(_pem(self._user, "client-certificate") + _pem(self._user, "client-key"))
            context.load_cert_chain(pair)
        return context


def _pem(section: dict[str, str], name: str) -> str:
    if f"{name}-data" in section:
        return base64.b64decode(section[f"{name}-data"]).decode()
    return Path(section[name]).read_text()

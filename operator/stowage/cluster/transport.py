"""One HTTP request to the API server: JSON in, JSON or an error of ours out.

The library does TLS, proxies, credentials and the connection pool; its generated models are not used.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any
from urllib.request import getproxies

import aiohttp
import orjson
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.config import ConfigException

from stowage import __version__
from stowage.cluster.errors import ClusterError, Retry, Unauthorized, error_from_status
from stowage.cluster.ports import Body

REQUEST_TIMEOUT = 30.0
"""Seconds for one request with its answer; the API server itself gives up after 60."""

USER_AGENT = f"stowage/{__version__}"

_SHOWN = 300
"""How many characters of an answer that isn't JSON, from a proxy, are worth showing."""


@dataclass(frozen=True)
class Request:
    """What to ask, and how errors call it."""

    method: str
    path: str
    title: str
    """Verb, resource and object: ``get pods shop/chat``."""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    content_type: str = "application/json"


class Transport:
    """Sends requests; close it."""

    def __init__(self, configuration: Configuration, *, timeout: float = REQUEST_TIMEOUT) -> None:
        untyped: Any = configuration
        # Trusted, the environment also means ~/.netrc, which aiohttp reads in a thread for each request, and
        # whose password could stand in for our credentials.
        kwargs = {"request_class": _GatedRequest, "trust_env": bool(getproxies())}
        untyped.client_session_kwargs = kwargs
        self._client: Any = ApiClient(configuration)  # its methods have no types
        self._client.user_agent = USER_AGENT
        self._timeout = timeout

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def send(self, request: Request, gate: Callable[[], None] | None = None) -> Body:
        """Send the request and return the answer's JSON.

        Args:
            gate: called when the connection stands, right before the bytes of the body go, and with them
                those of the head. If it raises a ClusterError, this raises it, and nothing was sent.
        """
        limits = aiohttp.ClientTimeout(total=self._timeout)
        token = _gate.set(gate)
        try:
            with _translated(request, self._timeout):
                answer = await self._start(request, limits)
                content = await answer.read()
        finally:
            _gate.reset(token)
        if answer.status >= 300:
            raise _refusal(answer, content, request)
        return _decode(content, request)

    async def lines(self, request: Request, *, inactivity: float) -> AsyncGenerator[Body, None]:
        """Send the request and yield each line of the answer as JSON, until the server ends it.

        It also ends after ``inactivity`` seconds without a line: a connection that a firewall dropped
        looks exactly like a quiet cluster. Raises Retry when not even the answer's head came by then.
        """
        limits = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=inactivity)
        with _translated(request, inactivity):
            async with self._streaming(request, limits) as response:
                async for line in _split(response.content):
                    yield _decode(line, request)

    @asynccontextmanager
    async def _streaming(
        self, request: Request, limits: aiohttp.ClientTimeout
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        answer = await self._start(request, limits)
        connection = answer.response.connection
        transport = connection.transport if connection is not None else None
        try:
            if answer.status >= 300:
                raise _refusal(answer, await answer.read(), request)
            yield answer.response
        finally:
            # close() and not release(): what is left of an endless answer must not go back into the pool.
            # TLS would take leave of the server first, which on a busy machine outlives the loop.
            answer.response.close()
            if transport is not None:
                transport.abort()

    async def _start(self, request: Request, limits: aiohttp.ClientTimeout) -> Any:
        """The library's RESTResponse, its body not read yet."""
        content_type, body = encoded(request)
        method, url, headers, _, _ = await self._client.param_serialize(
            request.method,
            request.path,
            query_params=[(key, value) for key, value in request.query.items() if value],
            # Uncompressed, as Kubernetes' own controllers ask: gzip costs both sides more than the network.
            header_params={
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "Content-Type": content_type,
            },
            auth_settings=["BearerToken"],
        )
        return await self._client.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=limits
        )


_YAML = "application/apply-patch+yaml"
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def encoded(request: Request) -> tuple[str, Body | str | None]:
    """Content type and body for the library, which writes JSON of what isn't text yet.

    What is applied is read as YAML, whose escapes know no surrogate pairs: JSON in ASCII, as the library
    writes it, is refused as soon as a text has an emoji. So such characters stand as they are, and only
    those that YAML doesn't allow are escaped. The parameter keeps the library from writing JSON once more.
    """
    if request.content_type != _YAML:
        return request.content_type, request.body
    text = orjson.dumps(request.body).decode()
    return f"{_YAML}; charset=utf-8", _NOT_IN_YAML.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


_gate: ContextVar[Callable[[], None] | None] = ContextVar("gate", default=None)


class _GatedRequest(aiohttp.ClientRequest):
    """Asks the gate right before anything is written: waiting for a connection can take long."""

    async def write_bytes(self, writer: Any, conn: Any, content_length: int | None = None) -> None:
        gate = _gate.get()
        gated: Any = _GatedWriter(writer, gate) if gate else writer
        await super().write_bytes(gated, conn, content_length)


class _GatedWriter:
    """A stream writer whose first bytes need the gate's leave. aiohttp holds the head back until then."""

    def __init__(self, writer: Any, gate: Callable[[], None]) -> None:
        self._writer = writer
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._writer, name)

    async def write(self, *arguments: Any, **options: Any) -> None:
        self._gate()
        await self._writer.write(*arguments, **options)

    async def write_eof(self, chunk: bytes = b"") -> None:
        if chunk:
            self._gate()
        await self._writer.write_eof(chunk)


@contextmanager
def _translated(request: Request, seconds: float) -> Iterator[None]:
    """Make everything that a network does an error of ours."""
    try:
        yield
    except TimeoutError as error:
        raise Retry(f"{request.title}: nothing came for {seconds:g} s") from error
    except ConfigException as error:
        raise Unauthorized(f"{request.title}: can't renew the credentials: {error}") from error
    except (aiohttp.ClientError, OSError) as error:
        if isinstance(error.__cause__, ClusterError):
            raise error.__cause__ from None
        raise Retry(f"{request.title}: {error or type(error).__name__}") from error


async def _split(stream: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """The whole lines of a stream, however long: aiohttp's readline refuses those that exceed its buffer."""
    rest = b""
    while chunk := await _next_chunk(stream):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line:
                yield line


async def _next_chunk(stream: aiohttp.StreamReader) -> bytes:
    """What came next; nothing at the end, and when nothing came for too long."""
    try:
        return await stream.readany()
    except TimeoutError:
        return b""


def _decode(content: bytes, request: Request) -> Body:
    """Parse an object; anything else comes from something that stands between us and the API server."""
    try:
        body: Any = orjson.loads(content)
    except ValueError as error:
        raise Retry(f"{request.title}: the answer isn't JSON: {_shown(content)}") from error
    if not isinstance(body, dict):
        raise Retry(f"{request.title}: the answer isn't an object: {_shown(content)}")
    return body


def _refusal(answer: Any, content: bytes, request: Request) -> ClusterError:
    """The error for an answer with a ``metav1.Status``; a proxy's other text becomes its message."""
    try:
        body: Any = orjson.loads(content)
    except ValueError:
        body = None
    status = body if isinstance(body, dict) else {"message": _shown(content)}
    retry_after = answer.headers.get("Retry-After")
    return error_from_status(answer.status, status, request.title, retry_after=retry_after)


def _shown(content: bytes) -> str:
    return content[:_SHOWN].decode(errors="replace").strip()

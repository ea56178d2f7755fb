"""Around the application: too large bodies are refused, connections end with it, requests are counted."""

from __future__ import annotations

from typing import Any

from prometheus_client import Counter, Gauge
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onnx_server.drain import Draining
from onnx_server.errors import RequestError

TOO_LARGE = 413

REQUESTS = Counter("onnx_server_requests", "Inference requests by HTTP status.", ["code"])
IN_FLIGHT = Gauge("onnx_server_requests_in_flight", "Inference requests that are being answered.")


class Limits:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, draining: Draining, max_bytes: int) -> None:
        self._app = app
        self._draining = draining
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        inference = scope["path"].endswith("/infer")
        answer = _Answer(send, self._draining)
        body = _Body(receive, self._max_bytes)
        if inference:
            IN_FLIGHT.inc()
        try:
            body.check_announced(scope)
            await self._app(scope, body.receive, answer.send)
        except RequestError as error:  # from here: the application answers those of its own
            response = JSONResponse({"error": str(error)}, status_code=error.status)
            await response(scope, receive, answer.send)
        finally:
            if inference:
                IN_FLIGHT.dec()
                REQUESTS.labels(code=str(answer.status)).inc()


class _Body:
    """Counts what comes in."""

    def __init__(self, receive: Receive, max_bytes: int) -> None:
        self._receive = receive
        self._max_bytes = max_bytes
        self._received = 0

    def check_announced(self, scope: Scope) -> None:
        """Raises RequestError where the header already says that it is too much."""
        length = dict(scope["headers"]).get(b"content-length", b"0")
        self._check(int(length) if length.isdigit() else 0)

    async def receive(self) -> Message:
        """The next part. Raises RequestError as soon as it is too much."""
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._check(self._received)
        return message

    def _check(self, length: int) -> None:
        if length > self._max_bytes:
            raise RequestError(
                f"the request is larger than {self._max_bytes} bytes; send smaller batches", status=TOO_LARGE
            )


class _Answer:
    """Knows the status, and closes the connection while the server ends, so that clients go elsewhere."""

    def __init__(self, send: Send, draining: Draining) -> None:
        self._send = send
        self._draining = draining
        self.status = 499
        """That of a client that went away, until an answer is begun."""

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._draining.begun or self.status == TOO_LARGE:  # whose rest is not read
                MutableHeaders(scope=message)["connection"] = "close"
        await self._send(message)

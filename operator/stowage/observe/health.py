"""Probes and metrics over HTTP.

They are served by a thread of their own: a blocked event loop could not say that it is blocked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from stowage.observe import metrics

Check = Callable[[], str | None]
"""None where all is well, else a sentence. Called by the thread: it may only read."""

LOOP_SECONDS = 30.0
"""For how long the event loop may not turn before that is called stuck."""
CLIENT_SECONDS = 10.0
"""For how long a client may take over its request."""


class Health:
    """``/healthz`` fails when only a restart helps; ``/readyz`` also while the cluster isn't seen whole;
    ``/metrics`` are Prometheus'.

    An answer that fails, or one that is asked for with ``?verbose``, names each check and what it found. A
    port of 0 serves nothing.
    """

    def __init__(self, host: str, port: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.ready = False
        """Whether everything has been listed once."""
        self._host, self._port = host, port
        self._clock = clock
        self._beat = clock()
        self._live: dict[str, Check] = {"event-loop": self._loop}
        self._ready: dict[str, Check] = {"caches": self._caches}
        self._server: _Server | None = None

    def beat(self) -> None:
        """The event loop turns."""
        self._beat = self._clock()

    def add(self, name: str, check: Check, *, live: bool) -> None:
        """Adds a check.

        Args:
            live: whether a restart helps; else only readiness depends on it.
        """
        (self._live if live else self._ready)[name] = check

    def answer(self, path: str) -> tuple[int, str]:
        """HTTP status and text for a path and its query."""
        parts = urlsplit(path)
        checks = {"/healthz": self._live, "/readyz": {**self._live, **self._ready}}.get(parts.path)
        if checks is None:
            return 404, "try /healthz, /readyz or /metrics\n"
        found = {name: check() for name, check in checks.items()}
        failed = any(found.values())
        if not failed and "verbose" not in parts.query:
            return 200, "ok\n"
        lines = [f"[-]{name} failed: {why}" if why else f"[+]{name} ok" for name, why in found.items()]
        verdict = f"{parts.path[1:]} check {'failed' if failed else 'passed'}"
        return (503 if failed else 200), "\n".join([*lines, verdict, ""])

    async def __aenter__(self) -> Self:
        """Starts to serve.

        Raises:
            OSError: the port can't be had.
        """
        if self._port:
            try:
                self._server = _Server((self._host, self._port), self)
            except OSError as error:
                why = (error.strerror or str(error)).lower()
                raise OSError(f"can't serve probes on {self._host}:{self._port}: {why}") from None
            threading.Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _loop(self) -> str | None:
        silent = self._clock() - self._beat
        return f"it hasn't turned for {silent:.0f} s" if silent > LOOP_SECONDS else None

    def _caches(self) -> str | None:
        return None if self.ready else "listing the cluster's objects"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], health: Health) -> None:
        self.health = health
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Without HTTPServer's look-up of the host's name, which can take long and is used nowhere."""
        TCPServer.server_bind(self)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = CLIENT_SECONDS
    server: _Server

    def do_GET(self) -> None:
        if urlsplit(self.path).path == "/metrics":
            self._send(200, metrics.expose(), metrics.CONTENT_TYPE)
        else:
            status, text = self.server.health.answer(self.path)
            self._send(status, text.encode(), "text/plain; charset=utf-8")

    do_HEAD = do_GET  # noqa: N815 - as above

    def _send(self, status: int, content: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """Probes are not worth a line."""

    def version_string(self) -> str:
        return "stowage"

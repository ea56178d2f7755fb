"""Liveness and readiness over HTTP."""

from __future__ import annotations

import contextlib
from types import TracebackType
from typing import Self

from aiohttp import web


class Health:
    """``/healthz`` answers while the event loop turns; ``/readyz`` once everything has been listed.

    A port of 0 serves nothing.
    """

    def __init__(self, host: str, port: int) -> None:
        self.ready = False
        self._host, self._port = host, port
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        if self._port:
            app = web.Application()
            app.router.add_get("/healthz", self._healthz)
            app.router.add_get("/readyz", self._readyz)
            self._runner = web.AppRunner(app, access_log=None)
            await self._runner.setup()
            await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            with contextlib.suppress(RuntimeError):
                await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        if self.ready:
            return web.Response(text="ok\n")
        return web.Response(status=503, text="listing the cluster's objects\n")

"""A client of the bench's own: many objects at once, with an administrator's certificate."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
from collections.abc import Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

Object = dict[str, Any]
IN_FLIGHT = 32
AGENT = "stowage-bench"
GROUP = "/apis/stowage.dev/v1alpha1"


class Client(AbstractAsyncContextManager["Client"]):
    """Raises aiohttp.ClientResponseError with the server's message where it refuses."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        self._cluster, self._user = content["clusters"][0]["cluster"], content["users"][0]["user"]

    async def __aenter__(self) -> Client:
        connector = aiohttp.TCPConnector(ssl=self._context(), limit=IN_FLIGHT)
        headers = {"User-Agent": AGENT, "Accept": "application/json"}
        self._session = aiohttp.ClientSession(self._cluster["server"], connector=connector, headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def send(self, method: str, path: str, body: Object | None = None, kind: str = "") -> Object:
        """One request."""
        headers = {"Content-Type": kind or "application/json"}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            content = await answer.json(content_type=None)
            if answer.status >= 300:
                raise aiohttp.ClientResponseError(
                    answer.request_info, (), status=answer.status, message=content.get("message", "")
                )
            found: Object = content
            return found

    async def create(self, path: str, objects: Iterable[Object]) -> None:
        """Creates all of them, so many at a time as there are connections."""
        await asyncio.gather(*(self.send("POST", path, each) for each in objects))

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

"""A real API server for the whole folder, and a wire to it that can be cut."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from devcluster.cluster import LocalCluster
from devcluster.testing import ephemeral_cluster
from stowage.cluster.client import KubernetesCluster
from stowage.cluster.ports import Cluster

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def local_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """One control plane for all tests; each test has a namespace of its own."""
    with ephemeral_cluster(tmp_path_factory.mktemp("cluster-client") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def namespace(local_cluster: LocalCluster) -> str:
    """A new namespace."""
    name = f"test-{next(_numbers)}"
    local_cluster.kubectl("create", "namespace", name)
    return name


@pytest.fixture(autouse=True)
def _no_leaks() -> Iterator[None]:
    """Make what a test left open complain in that very test."""
    yield
    gc.collect()


@pytest.fixture
def run(local_cluster: LocalCluster) -> Callable[[Callable[[Cluster], Awaitable[None]]], None]:
    """Runs a coroutine with a connected client."""

    def runner(scenario: Callable[[Cluster], Awaitable[None]]) -> None:
        async def main() -> None:
            async with KubernetesCluster.connect(kubeconfig=local_cluster.kubeconfig) as cluster:
                await scenario(cluster)

        asyncio.run(main())

    return runner


class Wire:
    """A TCP proxy in front of the API server; TLS goes through it untouched."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self.connections = 0

    async def connect(self) -> None:
        """Let connections through."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections at once and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0.05)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        self._writers -= {writer, far_writer}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while content := await reader.read(65536):
                writer.write(content)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@pytest.fixture
def kubeconfig_with(local_cluster: LocalCluster, tmp_path: Path) -> Callable[..., Path]:
    """Makes kubeconfigs that differ from the administrator's in server or user."""

    def make(*, server: str = "", user: dict[str, Any] | None = None) -> Path:
        content = yaml.safe_load(local_cluster.kubeconfig.read_text())
        if server:
            content["clusters"][0]["cluster"]["server"] = server
        if user is not None:
            content["users"][0]["user"] = user
        path = tmp_path / f"kubeconfig-{next(_numbers)}"
        path.write_text(yaml.safe_dump(content))
        return path

    return make


@pytest.fixture
def wired(
    local_cluster: LocalCluster, kubeconfig_with: Callable[..., Path]
) -> Callable[[], contextlib.AbstractAsyncContextManager[tuple[Wire, Path]]]:
    """Opens a wire to the API server, with the kubeconfig that leads through it."""
    content = yaml.safe_load(local_cluster.kubeconfig.read_text())
    address = urlsplit(content["clusters"][0]["cluster"]["server"])

    @contextlib.asynccontextmanager
    async def open_wire() -> AsyncIterator[tuple[Wire, Path]]:
        wire = Wire(address.hostname or "", address.port or 443)
        await wire.connect()
        try:
            yield wire, kubeconfig_with(server=f"https://127.0.0.1:{wire.port}")
        finally:
            await wire.cut()

    return open_wire


@pytest.fixture
def service_account(local_cluster: LocalCluster, namespace: str) -> str:
    """The token of a ServiceAccount that may do nothing."""
    local_cluster.kubectl("-n", namespace, "create", "serviceaccount", "powerless")
    return local_cluster.kubectl("-n", namespace, "create", "token", "powerless").stdout.strip()

"""The Cluster port on a real API server."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, MutableSequence, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TypeVar

from stowage.api.meta import FIELD_MANAGER
from stowage.cluster.circuit import Circuit
from stowage.cluster.configuration import load_configuration
from stowage.cluster.errors import ClusterError, Gone, Retry, Unauthorized, error_from_status
from stowage.cluster.ports import PAGE_SIZE, PLACEMENT_POLICIES, Body, Listing, ResourceType, WatchEvent
from stowage.cluster.transport import REQUEST_TIMEOUT, Request, Transport

T = TypeVar("T")

READ_DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of a read. A write is tried once: only the queue knows if it is still wanted."""

INACTIVITY = 70.0
"""Seconds of silence after which a watch is taken for dead and ends.

Bookmarks come about once a minute, but only if anything changed: measured on 1.36, the first one of a quiet
resource came after two minutes. So silence is no error.
"""

WATCH_SECONDS = (300, 600)
"""For how long the server is asked to hold a watch; spread, so that not all end at once (as client-go)."""


def _anything_goes() -> None:
    """The default write gate: always open."""


def _nobody_counts(verb: str, resource: str, result: str) -> None:
    """The default that is told of each write: verb, resource with subresource, ok or status or error."""


class KubernetesCluster:
    """A Kubernetes API server, on one event loop. ``stowage.cluster.ports.Cluster`` documents the methods."""

    def __init__(
        self,
        transport: Transport,
        *,
        before_write: Callable[[], None] = _anything_goes,
        after_write: Callable[[str, str, str], None] = _nobody_counts,
        read_delays: Sequence[float] = READ_DELAYS,
        inactivity: float = INACTIVITY,
    ) -> None:
        self.before_write = before_write
        self.after_write = after_write
        self.circuit = Circuit(self._probe)
        """Whether the API server is away. Reads are not tried again meanwhile; run it, or it never is."""
        self._transport = transport
        self._read_delays = read_delays
        self._inactivity = inactivity

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        context: str | None = None,
        *,
        kubeconfig: Path | None = None,
        before_write: Callable[[], None] = _anything_goes,
        after_write: Callable[[str, str, str], None] = _nobody_counts,
        request_timeout: float = REQUEST_TIMEOUT,
        read_delays: Sequence[float] = READ_DELAYS,
        inactivity: float = INACTIVITY,
    ) -> AsyncIterator[KubernetesCluster]:
        """Find the cluster as kubectl does, else as a pod does; the connections close with the block.

        Raises:
            NotConfigured: nothing says where the cluster is. That it answers is not checked.
        """
        transport = Transport(await load_configuration(context, kubeconfig), timeout=request_timeout)
        try:
            yield cls(
                transport,
                before_write=before_write,
                after_write=after_write,
                read_delays=read_delays,
                inactivity=inactivity,
            )
        finally:
            await transport.close()

    async def get(self, resource: ResourceType, name: str, namespace: str = "") -> Body | None:
        """Read one object."""
        path = resource.path(namespace, name)
        try:
            return await self._read(Request("GET", path, _title("get", resource, namespace, name)))
        except Gone:
            return None

    async def list(
        self,
        resource: ResourceType,
        *,
        decode: Callable[[Body], T],
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        limit: int = PAGE_SIZE,
    ) -> Listing[T]:
        """Read all objects, page by page."""
        query = {"labelSelector": label_selector, "fieldSelector": field_selector, "limit": str(limit)}
        title = _title("list", resource, namespace)
        items: MutableSequence[T] = []
        while True:
            page = await self._read(Request("GET", resource.path(namespace), title, query))
            items.extend(map(decode, page.get("items") or ()))
            metadata = page.get("metadata", {})
            if not metadata.get("continue"):
                return Listing(items, str(metadata.get("resourceVersion", "")))
            query["continue"] = metadata["continue"]

    async def watch(
        self,
        resource: ResourceType,
        *,
        resource_version: str,
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """Follow what changes."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(random.randint(*WATCH_SECONDS)),
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        title = _title("watch", resource, namespace)
        request = Request("GET", resource.path(namespace), title, query)
        async with aclosing(self._transport.lines(request, inactivity=self._inactivity)) as lines:
            try:
                async for line in lines:
                    yield _watch_event(line, title)
            except ClusterError as error:
                self.circuit.doubt(error)
                raise

    async def apply(
        self, resource: ResourceType, body: Body, *, force: bool = True, subresource: str = ""
    ) -> Body:
        """Server-side apply."""
        namespace, name = _identity(body)
        return await self._write(
            Request(
                "PATCH",
                resource.path(namespace, name, subresource),
                _title("apply", resource, namespace, name, subresource),
                {"fieldManager": FIELD_MANAGER, "force": "true" if force else "false"},
                body,
                content_type="application/apply-patch+yaml",
            )
        )

    async def merge(self, resource: ResourceType, body: Body, *, subresource: str = "") -> Body:
        """JSON merge patch."""
        namespace, name = _identity(body)
        return await self._write(
            Request(
                "PATCH",
                resource.path(namespace, name, subresource),
                _title("merge", resource, namespace, name, subresource),
                {"fieldManager": FIELD_MANAGER},
                body,
                content_type="application/merge-patch+json",
            )
        )

    async def create(self, resource: ResourceType, body: Body) -> Body:
        """Create an object."""
        namespace, name = _identity(body)
        title = _title("create", resource, namespace, name)
        query = {"fieldManager": FIELD_MANAGER}
        return await self._write(Request("POST", resource.path(namespace), title, query, body))

    async def delete(self, resource: ResourceType, name: str, namespace: str = "", *, uid: str) -> bool:
        """Delete this very object. Returns whether it is gone; else somebody's finalizer keeps it for now."""
        options = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        title = _title("delete", resource, namespace, name)
        try:
            left = await self._write(Request("DELETE", resource.path(namespace, name), title, body=options))
        except Gone:
            return True
        return left.get("kind") == "Status"

    async def _write(self, request: Request) -> Body:
        self.before_write()
        verb, _, rest = request.title.partition(" ")
        try:
            stored = await self._send(request, self.before_write)
        except ClusterError as error:
            self.after_write(verb, rest.partition(" ")[0], str(error.status or "error"))
            raise
        self.after_write(verb, rest.partition(" ")[0], "ok")
        return stored

    async def _read(self, request: Request) -> Body:
        """Try a few times: a list that is read page by page would else start again for one lost packet."""
        for delay in self._read_delays:
            try:
                return await self._send(request)
            except Unauthorized:
                raise
            except Retry as error:
                await asyncio.sleep(max(delay * random.uniform(0.5, 1.5), error.retry_after or 0.0))
                if self.circuit.is_open:
                    raise
        return await self._send(request)

    async def _send(self, request: Request, gate: Callable[[], None] | None = None) -> Body:
        try:
            return await self._transport.send(request, gate)
        except ClusterError as error:
            self.circuit.doubt(error)
            raise

    async def _probe(self) -> None:
        """Reads one object of ours: that needs the network, the API server, its roles and its etcd. One of
        the cluster's, since an operator that is limited to namespaces may read no others."""
        path = PLACEMENT_POLICIES.path()
        await self._transport.send(
            Request("GET", path, _title("list", PLACEMENT_POLICIES, ""), {"limit": "1"})
        )


def _identity(body: Body) -> tuple[str, str]:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata.get("name", metadata.get("generateName", ""))


def _title(verb: str, resource: ResourceType, namespace: str, name: str = "", subresource: str = "") -> str:
    """How errors call a request: ``apply deployments.apps/status shop/chat``."""
    what = f"{resource.qualified}/{subresource}" if subresource else resource.qualified
    where = f"{namespace}/{name}" if namespace and name else name or namespace
    return f"{verb} {what} {where}".rstrip()


def _watch_event(line: Body, title: str) -> WatchEvent:
    kind, body = line.get("type"), line.get("object")
    if isinstance(body, dict):
        if kind in ("ADDED", "MODIFIED", "DELETED", "BOOKMARK"):
            return WatchEvent(kind, body)
        if kind == "ERROR":
            raise error_from_status(int(body.get("code") or 500), body, title)
    raise Retry(f"{title}: {kind!r} is no event of a watch")

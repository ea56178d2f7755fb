"""Writing children: only what differs, and never what is somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b

import orjson

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.meta import FIELD_MANAGER
from stowage.api.reasons import Code
from stowage.cluster.errors import Conflict, Retry, Terminal
from stowage.cluster.ports import DEPLOYMENTS, Body, Cluster, ResourceType
from stowage.cluster.reflector import Key
from stowage.control.own_writes import OwnWrites
from stowage.control.projections import Child, project_child
from stowage.control.store import AnyStore, Store
from stowage.placement.reasons import Reason
from stowage.render.children import strategy
from stowage.render.equality import difference
from stowage.render.pin import applied, pin


class ChildRefusedError(Exception):
    """A child can't be written until a person or another object changes something."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.message)
        self.reason = reason


Agreed = dict[tuple[str, str, str], bytes]
"""By plural, namespace and name: the mark of what was rendered and of the live child that agreed with it."""


class Children:
    """Applies children through one cluster, remembering what the server returned."""

    def __init__(
        self, cluster: Cluster, own_writes: OwnWrites, may_upgrade: Callable[[], bool], agreed: Agreed
    ) -> None:
        """Args:
        own_writes: told of what is written here.
        may_upgrade: asked before pods are exchanged only since the catalog changed, where the object
            wants that.
        agreed: remembered from one step to the next.
        """
        self._cluster = cluster
        self._own_writes = own_writes
        self._may_upgrade = may_upgrade
        self._agreed = agreed

    async def apply(
        self, store: Store[Child], workload: InferenceDeployment, body: Body, *, expected: bool = False
    ) -> bool:
        """Makes the live child equal to the rendered one; returns whether that took a write.

        Args:
            expected: whether there was such a child. One that the store doesn't know is then looked up, as it
                may only lack our label.

        Raises:
            ChildRefusedError: the name is taken by somebody else's object, or the server refuses ours.
        """
        namespace, name = workload.metadata.namespace, body["metadata"]["name"]
        live = store.items.get((namespace, name))
        if live is None and expected:
            live = await self._look(store.resource, namespace, name)
        if live is None:
            try:
                # Unforced: what somebody else has under this name conflicts, at the least in its selector.
                await self._write(store, body, force=False)
                return True
            except (Conflict, ChildRefusedError):
                live = await self._look(store.resource, namespace, name)
                if live is None:
                    raise
        _check_owner(store.resource, workload, name, live)
        wanted = self._wanted(store.resource, workload, body, live)
        if wanted is None:
            return False
        await self._write(store, wanted)
        return True

    def _wanted(
        self, resource: ResourceType, workload: InferenceDeployment, rendered: Body, live: Child
    ) -> Body | None:
        """What to apply, its pods pinned; None where the live one agrees with it."""
        key = resource.plural, workload.metadata.namespace, rendered["metadata"]["name"]
        mark = _mark(rendered, live)
        if self._agreed.get(key) == mark:
            return None
        found = live.body
        wanted = self._pinned(workload, rendered, found) if resource == DEPLOYMENTS else rendered
        if difference(wanted, found, FIELD_MANAGER) is not None:
            return wanted
        if wanted is rendered:
            self._agreed[key] = mark
        return None

    async def _write(self, store: Store[Child], body: Body, *, force: bool = True) -> None:
        key = body["metadata"]["namespace"], body["metadata"]["name"]
        with self._own_writes.write(store, key) as stored:
            try:
                stored(await self._cluster.apply(store.resource, body, force=force))
            except Terminal as error:
                # Also what RBAC, a quota or an admission policy forbids: the team must learn of it.
                raise ChildRefusedError(Reason(Code.APPLY_FAILED, str(error))) from error

    def _pinned(self, workload: InferenceDeployment, body: Body, live: Body) -> Body:
        pinned = pin(body, live, automatic=False)
        if pinned is body or workload.spec.runtime_upgrade != "Automatic" or not self._may_upgrade():
            return pinned
        return body

    async def scale(self, store: Store[Child], namespace: str, name: str, replicas: int) -> None:
        """Gives a Deployment of ours another number of replicas, and changes nothing else of it, but that it
        loses no pod to a roll."""
        child = store.items.get((namespace, name))
        if child is None:
            return
        found = child.body
        kept = applied(found, FIELD_MANAGER)
        body = {
            **{k: found[k] for k in ("apiVersion", "kind")},
            **kept,
            "metadata": {**kept.get("metadata", {}), "namespace": namespace, "name": name, "uid": child.uid},
            "spec": {**kept.get("spec", {}), "replicas": replicas, "strategy": strategy()},
        }
        await self._write(store, body)

    async def delete(self, store: Store[Child], namespace: str, name: str) -> None:
        """Deletes a child of ours; one that is gone is success."""
        await delete(self._cluster, store, (namespace, name))

    async def _look(self, resource: ResourceType, namespace: str, name: str) -> Child | None:
        """The live child, whatever its labels; a list of one, as no other right is needed for that."""
        found = await self._cluster.list(
            resource, decode=dict, namespace=namespace, field_selector=f"metadata.name={name}"
        )
        for item in found.items:
            return project_child({"apiVersion": resource.api_version, "kind": resource.kind, **item})
        return None


async def delete(cluster: Cluster, store: AnyStore, key: Key) -> None:
    """Deletes an object that the store knows, and has the store know it; one that is gone is success."""
    known = store.items.get(key)
    if known is None:
        return
    namespace, name = key
    if await cluster.delete(store.resource, name, namespace, uid=known.uid):
        store.gone(key, known.uid)


def _mark(rendered: Body, live: Child) -> bytes:
    """Tells any two pairs from each other."""
    return blake2b(orjson.dumps(rendered) + live.packed.digest, digest_size=16).digest()


def _check_owner(resource: ResourceType, workload: InferenceDeployment, name: str, live: Child) -> None:
    if live.owner_uid == workload.metadata.uid:
        return
    if live.owner_kind == workload.kind and live.owner_name == workload.name:
        raise Retry(f"{resource.kind} {name} belongs to a deleted {workload.kind} of that name and is going")
    raise ChildRefusedError(
        Reason(
            Code.NAME_CONFLICT,
            f"{resource.kind} {workload.metadata.namespace}/{name} exists and isn't Stowage's; "
            f"delete or rename it, or rename this {workload.kind}",
        )
    )

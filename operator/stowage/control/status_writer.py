"""Writing the status of an object, so that nothing is left in it that isn't meant."""

from __future__ import annotations

from typing import Any

from stowage.cluster.ports import Body, Cluster, ResourceType
from stowage.cluster.reflector import Key


async def apply_status(cluster: Cluster, kind: ResourceType, key: Key, version: str, wire: Body) -> Body:
    """Applies a status and returns the object as stored.

    What no manager owns item by item survives an apply: so it is with all that was applied while a CRD had
    another schema for the list (structured-merge-diff, ReconcileFieldSetWithSchema: after a change from
    atomic to map, the manager owns "just the top-level field and none of the subfields"). The lists that
    hold such items are then written as wholes.

    Raises:
        Conflict: ``version`` isn't the live resourceVersion.
    """
    status = _filled(wire)
    stored = await cluster.apply(kind, _body(kind, key, version, status), subresource="status")
    if not (wrong := _left_over(status, stored.get("status") or {})):
        return stored
    live = stored["metadata"]["resourceVersion"]
    return await cluster.merge(kind, _body(kind, key, live, wrong), subresource="status")


def _body(kind: ResourceType, key: Key, version: str, status: Body) -> Body:
    metadata = {"namespace": key[0], "name": key[1], "resourceVersion": version}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "status": status}


def _left_over(meant: Body, stored: Body) -> Body:
    """The lists that have items which aren't meant; but conditions, to which others may add their own."""
    lists = {name for name, value in stored.items() if isinstance(value, list) and name != "conditions"}
    return {n: meant.get(n) for n in lists if any(each not in meant.get(n, ()) for each in stored[n])}


def _filled(value: Any) -> Any:
    """The value without empty lists, which kubectl describe would show as fields without a value."""
    if isinstance(value, dict):
        return {
            name: _filled(each) if isinstance(each, dict | list) else each
            for name, each in value.items()
            if each != []
        }
    return [_filled(each) if isinstance(each, dict | list) else each for each in value]

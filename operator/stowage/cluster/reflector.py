"""A local copy of one resource, as small projections, that repairs itself.

For resources too many to keep whole (100,000 pods): bodies are projected while they are decoded and
then dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeVar

from stowage.cluster.listwatch import ListWatch
from stowage.cluster.ports import Body, Cluster, Listing, ResourceType, WatchEvent

T = TypeVar("T")

Key = tuple[str, str]
"""Namespace and name; the namespace is empty where objects have none."""


def object_key(body: Body) -> Key:
    """The object's namespace and name."""
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Reflector(ListWatch[tuple[Key, T | None]]):
    """Keeps ``items`` equal to the projections of the cluster's objects while ``run`` runs."""

    def __init__(
        self,
        cluster: Cluster,
        resource: ResourceType,
        *,
        project: Callable[[Body], T | None],
        on_change: Callable[[Key, T | None, T | None], None],
        key: Callable[[Body], Key] = object_key,
        **options: Any,
    ) -> None:
        """Nothing happens before ``run``.

        Args:
            cluster: where the objects are.
            resource: which objects.
            project: makes the small thing to keep; None for an object that is of no interest. What it
                returns is compared with ``==``. An object that it fails on keeps its last projection.
            on_change: called with the key, the old and the new projection; None is "not there". Not called
                where both are equal. Called in the event loop, so it must be quick.
            key: tells objects apart.
            options: as for ``ListWatch``.
        """
        super().__init__(cluster, resource, **options)
        self.repairs = 0
        """How many objects a later list found different from what the watch had told."""
        self._project = project
        self._key = key
        self._on_change = on_change
        self._items: dict[Key, T] = {}

    @property
    def items(self) -> Mapping[Key, T]:
        """The projections: a live view, not a copy. Once ``synced`` they can be trusted."""
        return MappingProxyType(self._items)

    def _replace(self, listing: Listing[tuple[Key, T | None]]) -> None:
        fresh = dict(listing.items)
        changes = sum([self._change(key, None) for key in self._items.keys() - fresh.keys()])
        changes += sum([self._change(key, new) for key, new in fresh.items()])
        if self.synced.is_set():
            self.repairs += changes

    def _observe(self, event: WatchEvent) -> None:
        if event.type == "DELETED":
            self._change(self._key(event.body), None)
        else:
            self._change(*self._decode(event.body))

    def _decode(self, body: Body) -> tuple[Key, T | None]:
        key = self._key(body)
        try:
            return key, self._project(body)
        except Exception as error:
            self._report(error)
            return key, self._items.get(key)

    def _change(self, key: Key, new: T | None) -> bool:
        old = self._items.get(key)
        if old == new:
            return False
        if new is None:
            del self._items[key]
        else:
            self._items[key] = new
        try:
            self._on_change(key, old, new)
        except Exception as error:
            self._report(error)
        return True

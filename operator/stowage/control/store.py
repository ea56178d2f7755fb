"""A local copy of one resource, fed by the events of a watch and repaired by a periodic list.

An object deleted while a watch is broken never yields DELETED, so events alone would keep phantoms.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from stowage.cluster.ports import Body, Listing, ResourceType
from stowage.cluster.reflector import Key, object_key

T = TypeVar("T")

OnChange = Callable[[Key, T | None, T | None], None]

REMEMBERED = 1000
"""Deletions of our own of which no watch has told yet; a watch that broke may never tell of them."""

_log = logging.getLogger(__name__)


def version_of(body: Body) -> int:
    """The resourceVersion as a number; Kubernetes declares them ordered since 1.35, and they were before."""
    text = body["metadata"].get("resourceVersion", "")
    return int(text) if text.isdigit() else 0


def _uid_of(body: Body) -> str:
    return str(body["metadata"].get("uid", ""))


class Store(Generic[T]):
    """Projections by key. An older version of an object never replaces a newer one."""

    def __init__(
        self,
        resource: ResourceType,
        project: Callable[[Body], T],
        on_change: OnChange[T],
        selector: str = "",
        forget: Callable[[Key], None] | None = None,
    ) -> None:
        """Args:
        forget: told of each object that is gone, where ``project`` remembers something of it.
        """
        self.resource = resource
        self.selector = selector
        self.repairs = 0
        self._project = project
        self._on_change = on_change
        self._forget = forget
        self._items: dict[Key, T] = {}
        self._versions: dict[Key, int] = {}
        self._deleted: dict[Key, int] = {}
        self._gone: dict[str, None] = {}  # uids, the oldest first
        self._listed: dict[str, str] = {}

    @property
    def items(self) -> Mapping[Key, T]:
        """The projections: a live view, not a copy."""
        return MappingProxyType(self._items)

    def version(self, key: Key) -> int:
        """The version of what is known; 0 of what isn't."""
        return self._versions.get(key, 0)

    def listed_at(self, namespace: str = "") -> str:
        """The resourceVersion of the last list of a namespace, or of all: where a watch can begin. Empty
        where there was none."""
        return self._listed.get(namespace, "")

    def observe(self, event: str | None, body: Body) -> None:
        """Takes in one event of a watch, or what a write returned."""
        key, version, uid = object_key(body), version_of(body), _uid_of(body)
        if event == "DELETED":
            self._deleted[key] = version
            self._gone.pop(uid, None)
            if self._versions.get(key, 0) <= version:
                self._drop(key)
        elif uid not in self._gone and version > max(self._versions.get(key, 0), self._deleted.get(key, 0)):
            self._keep(key, version, self._read(key, body))

    def gone(self, key: Key, uid: str) -> None:
        """Takes in that this very object was deleted, which the watch tells later, or never where it begins
        after that. Until then it would be taken for what serves."""
        self._gone[uid] = None
        while len(self._gone) > REMEMBERED:
            del self._gone[next(iter(self._gone))]
        self._deleted[key] = self._versions.get(key, 0)
        self._drop(key)

    def decode(self, body: Body) -> tuple[Key, int, T | None]:
        """For ``Cluster.list``: key, version and projection of one object."""
        key = object_key(body)
        if _uid_of(body) in self._gone:
            return key, 0, None
        version = version_of(body)
        if version and version == self._versions.get(key):
            return key, version, self._items.get(key)
        # Items of a list lack these two, and an object without them would differ from what we render.
        whole = {"apiVersion": self.resource.api_version, "kind": self.resource.kind, **body}
        return key, version, self._read(key, whole)

    def replace(
        self, listing: Listing[tuple[Key, int, T | None]], *, first: bool, namespace: str = ""
    ) -> None:
        """Takes a whole list for true, except where events since then know better.

        Args:
            first: what it changes is none that a watch should have told of.
            namespace: the list is of this one only, and says nothing of others.
        """
        self._listed[namespace] = listing.resource_version
        at = int(listing.resource_version) if listing.resource_version.isdigit() else 0
        listed: set[Key] = set()
        changes = 0
        for key, version, item in listing.items:
            listed.add(key)
            if version > max(self._versions.get(key, 0), self._deleted.get(key, 0)):
                changes += self._keep(key, version, item)
        for key in [k for k, v in self._versions.items() if k not in listed and v <= at]:
            if namespace in ("", key[0]):
                changes += self._drop(key)
        self._deleted = {k: v for k, v in self._deleted.items() if v > at or namespace not in ("", k[0])}
        if not first:
            self.repairs += changes

    def forget_namespace(self, namespace: str) -> None:
        """Drops all of a namespace that is gone."""
        self._listed.pop(namespace, None)
        for key in [k for k in self._versions if k[0] == namespace]:
            self._drop(key)
        self._deleted = {k: v for k, v in self._deleted.items() if k[0] != namespace}

    def _read(self, key: Key, body: Body) -> T | None:
        """The projection. One odd object must not blind us to all the others: it keeps its last one."""
        try:
            return self._project(body)
        except Exception as error:
            _log.warning("%s %s can't be read: %r", self.resource.qualified, "/".join(key).lstrip("/"), error)
            return self._items.get(key)

    def _keep(self, key: Key, version: int, item: T | None) -> bool:
        old = self._items.get(key)
        self._versions[key] = version
        if item is None:
            return False
        self._items[key] = item
        if old == item:
            return False
        self._on_change(key, old, item)
        return True

    def _drop(self, key: Key) -> bool:
        self._versions.pop(key, None)
        if self._forget is not None:
            self._forget(key)
        old = self._items.pop(key, None)
        if old is None:
            return False
        self._on_change(key, old, None)
        return True


AnyStore = Store[Any]

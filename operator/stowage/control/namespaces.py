"""What namespaces there are; and the watches of each that the operator was told to serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from stowage.cluster.circuit import Circuit
from stowage.cluster.ports import NAMESPACES, Body, Cluster, ResourceType
from stowage.cluster.reflector import Key, Reflector
from stowage.control import resync
from stowage.control.feed import Feed
from stowage.control.watches import watch
from stowage.control.world import World

RETRY_SECONDS = 5.0
"""How often a namespace that we may not read is asked for: its RoleBinding may be applied after it."""
Broke = Callable[[ResourceType], Callable[[Exception], None]]
"""Makes what is told of the errors of a resource's watch."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace, as it is kept."""

    uid: str
    labels: dict[str, str]
    going: bool
    """Nothing can be made in it any more."""


def project_namespace(body: Body) -> Namespace:
    """A namespace's uid and labels."""
    metadata = body["metadata"]
    return Namespace(
        metadata.get("uid", ""), dict(metadata.get("labels") or {}), "deletionTimestamp" in metadata
    )


class Namespaces:
    """Follows the namespaces, and runs the watches of what is in them where they belong."""

    def __init__(
        self, cluster: Cluster, world: World, broke: Broke, circuit: Circuit, context: str | None
    ) -> None:
        self.reflector: Reflector[Namespace] = Reflector(
            cluster,
            NAMESPACES,
            project=project_namespace,
            on_change=self._change,
            on_error=broke(NAMESPACES),
            pause=circuit.pause,
        )
        self._circuit, self._context, self._broke = circuit, context, broke
        self._cluster, self._world = cluster, world
        self._moved = asyncio.Event()
        """Set when a namespace of the scope came or went."""

    def _change(self, key: Key, old: Namespace | None, new: Namespace | None) -> None:
        del old
        scope = self._world.scope
        if scope.only and key[1] in scope.only:
            scope.there.pop(key[1], None)
            if new is not None:
                scope.there[key[1]] = new.uid
            self._moved.set()
        self._world.namespace_changed(key, None, None if new is None or new.going else new.labels)

    async def watch(self, relisted: Callable[[], None]) -> NoReturn:
        """Feeds the stores until cancelled: the cluster's by watches of its own, and so those of each
        namespace of the scope while the namespace is there, so that one that can't be read troubles no other.

        Args:
            relisted: as for ``watches.watch``.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watches("", relisted), name="watches")
            tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
            while True:
                self._moved.clear()
                await self._part(tasks)
                for name, uid in self._world.scope.there.items():
                    if (name, uid) not in tasks:
                        one = self._one(name, relisted)
                        tasks[name, uid] = group.create_task(one, name=f"watches of {name}")
                await self._moved.wait()

    async def _part(self, tasks: dict[tuple[str, str], asyncio.Task[None]]) -> None:
        """Ends the watches of namespaces that are gone, also of one that was made anew meanwhile."""
        there = self._world.scope.there
        for name, uid in [each for each in tasks if there.get(each[0]) != each[1]]:
            task = tasks.pop((name, uid))
            task.cancel()
            await asyncio.wait([task])
            self._world.leave(name)
            _log.info("namespace %s is gone", name)

    async def _one(self, name: str, relisted: Callable[[], None]) -> None:
        while True:
            if await resync.fill_place(self._cluster, self._world, name):
                break
            await self._circuit.pause(RETRY_SECONDS)
        self._world.scope.watched.add(name)
        _log.info("watching namespace %s", name)
        await self._watches(name, relisted)

    async def _watches(self, place: str, relisted: Callable[[], None]) -> None:
        async with asyncio.TaskGroup() as group:
            for store in self._world.children_in(place):
                on_error = self._broke(store.resource)
                feed = Feed(self._cluster, store, place, on_error, self._circuit.pause)
                group.create_task(feed.run(), name=f"{store.resource.plural} {place}")
            group.create_task(watch(self._world, place, self._context, relisted, self._circuit), name="kopf")

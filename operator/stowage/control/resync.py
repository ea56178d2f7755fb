"""The periodic list: it fills the stores at the start, and later finds what the watches missed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import NoReturn

from stowage.cluster.errors import ClusterError, Forbidden, Gone
from stowage.cluster.ports import Cluster
from stowage.control.store import AnyStore
from stowage.control.world import World
from stowage.observe import metrics

PERIOD_SECONDS = 300.0
DOUBT_SECONDS = 5.0
"""So long doubts are gathered before everything is listed, and so far apart lists are at the least."""
FIRST_RETRY_SECONDS = 2.0
_log = logging.getLogger(__name__)


def _nothing() -> None:
    """The default of who is told: nobody."""


async def fill(cluster: Cluster, world: World) -> None:
    """Lists everything once, waiting for what isn't there yet, such as our own CRDs."""
    for place in world.scope.places():
        await fill_place(cluster, world, place)


async def fill_place(cluster: Cluster, world: World, place: str) -> bool:
    """The same for one place of ``scope.places()``. False for a namespace that we may not read: it must not
    keep the others waiting."""
    for store in world.stores_in(place):
        while True:
            try:
                await _list(cluster, store, place, first=True)
                break
            except Gone:
                _log.warning(
                    "the API server doesn't know %s; install Stowage's CRDs (kubectl apply -f crds/)",
                    store.resource.qualified,
                )
            except ClusterError as error:
                if place and isinstance(error, Forbidden):
                    _refused(world, place, error)
                    return False
                _log.warning("%s", error)
            await asyncio.sleep(FIRST_RETRY_SECONDS)
    if place:
        world.serve(place, readable=True)
    return True


def _refused(world: World, namespace: str, error: Forbidden) -> None:
    world.serve(namespace, readable=False)
    _log.warning("nothing is decided in namespace %s: %s", namespace, error)


class Resync:
    """Lists everything again: now and then, and soon after there was reason to doubt the watches."""

    def __init__(
        self,
        cluster: Cluster,
        world: World,
        period: float = PERIOD_SECONDS,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Args:
        period: seconds between lists that nothing gave reason for.
        pause: waits so many seconds before a list, or otherwise until it is likely to succeed.
        """
        self._pause = pause
        self._cluster = cluster
        self._world = world
        self._period = period
        self._doubt = asyncio.Event()

    def doubt(self) -> None:
        """A watch broke, or began anew: what was deleted meanwhile it will never tell."""
        self._doubt.set()

    async def run(self, on_complete: Callable[[], None] = _nothing) -> NoReturn:
        """Runs until cancelled. What it mends is logged: a watch lost it.

        The first time is early: what was deleted after ``fill`` and before the watches began is in neither.
        """
        self.doubt()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._period):
                    await self._doubt.wait()
            await self._pause(min(self._period, DOUBT_SECONDS))
            self._doubt.clear()
            if await once(self._cluster, self._world):
                on_complete()
            else:
                self.doubt()


async def once(cluster: Cluster, world: World) -> bool:
    """Lists everything again; returns whether all of it could be listed. A namespace that we may not read is
    said and left out."""
    return all([await _again(cluster, world, place) for place in world.scope.watched_places()])


async def _again(cluster: Cluster, world: World, place: str) -> bool:
    complete = True
    for store in world.stores_in(place):
        before = store.repairs
        try:
            await _list(cluster, store, place, first=False)
        except ClusterError as error:
            if place and isinstance(error, Forbidden):
                _refused(world, place, error)
                return True
            complete = False
            _log.warning("resync: %s", error)
        if store.repairs != before:
            metrics.repaired(store.resource.qualified, store.repairs - before)
            _log.warning(
                "resync: %d %s differed from what the watch had told",
                store.repairs - before,
                store.resource.qualified,
            )
    if place and complete:
        world.serve(place, readable=True)
    return complete


async def whole(cluster: Cluster, world: World) -> None:
    """Lists everything again, until all of it could be listed."""
    while True:
        if await once(cluster, world):
            return
        await asyncio.sleep(FIRST_RETRY_SECONDS)


async def _list(cluster: Cluster, store: AnyStore, place: str, *, first: bool) -> None:
    listing = await cluster.list(
        store.resource, decode=store.decode, namespace=place, label_selector=store.selector
    )
    store.replace(listing, first=first, namespace=place)

"""Watches that feed stores without kopf.

The children of 2,000 InferenceDeployments are 6,000 objects that change all the time while pods come and
go; kopf has a worker and a copy for each of them, which was a quarter of the CPU time of a burst.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from stowage.cluster.listwatch import ListWatch
from stowage.cluster.ports import Body, Cluster, Listing, WatchEvent
from stowage.cluster.reflector import Key
from stowage.control.store import AnyStore

Projected = tuple[Key, int, Any]
"""Key, version and projection of one object."""


class Feed(ListWatch[Projected]):
    """Feeds a store, from where its last list ended."""

    def __init__(
        self,
        cluster: Cluster,
        store: AnyStore,
        namespace: str,
        on_error: Callable[[Exception], None],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Args:
        namespace: the store is fed from this one alone; empty: from all.
        """
        super().__init__(
            cluster,
            store.resource,
            on_error=on_error,
            namespace=namespace,
            label_selector=store.selector,
            since=store.listed_at(namespace),
            pause=pause,
        )
        self._store, self._namespace = store, namespace

    def _decode(self, body: Body) -> Projected:
        return self._store.decode(body)

    def _replace(self, listing: Listing[Projected]) -> None:
        # None of it counts as a repair: the error has told that the watch was broken.
        self._store.replace(listing, first=True, namespace=self._namespace)

    def _observe(self, event: WatchEvent) -> None:
        self._store.observe(event.type, event.body)

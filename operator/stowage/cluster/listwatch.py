"""Follows one resource: lists it, watches it, and repairs what a watch lost.

A watch that ended in good order goes on where it ended. After anything else the resource is listed again
and compared, since an object deleted meanwhile would otherwise stay for ever. What is done with what is
seen, a class derived from this one says.
"""

from __future__ import annotations

import asyncio
import logging
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from random import random
from typing import Generic, NoReturn, TypeVar

from stowage.cluster.backoff import full_jitter
from stowage.cluster.errors import Retry
from stowage.cluster.ports import Body, Cluster, Listing, ResourceType, WatchEvent

T = TypeVar("T")

_SHORT = 1.0
"""Seconds that a watch without any event must have lasted to have been a watch."""

_LASTED = 30.0
"""Seconds after which a watch had begun well: what breaks it is a first failure again."""

_log = logging.getLogger(__name__)


class ListWatch(ABC, Generic[T]):
    """Tells of everything that is there and of every change, while ``run`` runs."""

    def __init__(
        self,
        cluster: Cluster,
        resource: ResourceType,
        *,
        on_error: Callable[[Exception], None],
        namespace: str = "",
        label_selector: str = "",
        field_selector: str = "",
        since: str = "",
        backoff: tuple[float, float] = (0.8, 30.0),
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Nothing happens before ``run``.

        Args:
            cluster: where the objects are.
            resource: which objects.
            on_error: told of every error; none of them ends ``run``.
            namespace: only those in it; empty: all.
            label_selector: which objects, chosen by the server.
            field_selector: the same by fields.
            since: the resourceVersion of a list that somebody else took: the watch begins there, and the
                first list is spared.
            backoff: the longest first wait and the longest wait after errors, in seconds.
            pause: waits so many seconds after an error, or otherwise until a list is likely to succeed.
        """
        self.synced = asyncio.Event()
        """Set once everything has been listed."""
        self.contact = time.monotonic()
        """When the API server last answered a list or a watch, in seconds of ``time.monotonic``."""
        self._cluster = cluster
        self._resource = resource
        self._on_error = on_error
        self._namespace, self._labels, self._fields = namespace, label_selector, field_selector
        self._base, self._cap = backoff
        self._pause = pause
        self._version = since
        """Where the watch goes on; empty where only a list helps."""
        self._failures = 0
        self._begun = self._done = self._wanted = 0
        """Lists begun, the last of them that was completed, and which is waited for."""
        self._listed = asyncio.Event()
        self._watching: asyncio.Timeout | None = None

    @abstractmethod
    def _decode(self, body: Body) -> T:
        """What is kept of an object of a list. Must not raise: one odd object must not blind us to all."""

    @abstractmethod
    def _replace(self, listing: Listing[T]) -> None:
        """Takes the cluster's word for everything: what it doesn't list is not there."""

    @abstractmethod
    def _observe(self, event: WatchEvent) -> None:
        """Takes in one event that isn't a bookmark."""

    async def run(self) -> NoReturn:
        """List, watch, and start again after every error, until cancelled."""
        while True:
            try:
                if not self._version:
                    await self._list()
                if self._done < self._wanted:
                    self._version = ""
                    continue
                async with asyncio.timeout(None) as self._watching:
                    await self._follow()
            except Exception as error:
                self._version = ""
                if self._done < self._wanted and isinstance(error, TimeoutError):
                    continue
                self._report(error)
            finally:
                self._watching = None
            self._failures += 1
            await self._pause(full_jitter(self._failures, base=self._base, cap=self._cap, random=random))

    async def refresh(self) -> None:
        """Wait until everything has been listed by a list that begins from now on. The watch begins anew
        from there: a list taken beside it could be older than what it tells."""
        wanted = self._wanted = self._begun + 1
        if self._watching is not None:
            self._watching.reschedule(asyncio.get_running_loop().time())
        while self._done < wanted:
            self._listed.clear()
            await self._listed.wait()

    async def _list(self) -> None:
        self._begun += 1
        listing = await self._cluster.list(
            self._resource,
            decode=self._decode,
            namespace=self._namespace,
            label_selector=self._labels,
            field_selector=self._fields,
        )
        self._replace(listing)
        self._version = listing.resource_version
        self.synced.set()
        self.contact = time.monotonic()
        self._done = self._begun
        self._listed.set()

    async def _follow(self) -> NoReturn:
        """Watch for ever; a watch ends after some minutes, or when it falls silent, which loses nothing."""
        clock = asyncio.get_running_loop().time
        while True:
            started, events = clock(), 0
            try:
                async with aclosing(self._watch()) as watch:
                    async for event in watch:
                        events += 1
                        self._take(event)
            finally:
                if clock() - started >= _LASTED:
                    self._failures = 0
            self.contact = time.monotonic()
            if not events and clock() - started < _SHORT:
                # Going on at once would be a busy loop.
                raise Retry(f"watch {self._resource.qualified}: it ended at once")

    def _watch(self) -> AsyncGenerator[WatchEvent, None]:
        return self._cluster.watch(
            self._resource,
            resource_version=self._version,
            namespace=self._namespace,
            label_selector=self._labels,
            field_selector=self._fields,
        )

    def _take(self, event: WatchEvent) -> None:
        self._failures = 0
        self.contact = time.monotonic()
        self._version = event.resource_version or self._version
        if event.type != "BOOKMARK":
            self._observe(event)

    def _report(self, error: Exception) -> None:
        try:
            self._on_error(error)
        except Exception:
            _log.exception("the callback for errors failed on %r", error)

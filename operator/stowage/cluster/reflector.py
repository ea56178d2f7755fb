"""A local copy of one resource, as small projections, that repairs itself.

For resources too many to keep whole (100,000 pods): bodies are projected while they are decoded and
then dropped. A watch that ended in good order goes on where it ended. After anything else the resource
is listed again and compared, since an object deleted meanwhile would otherwise stay for ever.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from random import random
from types import MappingProxyType
from typing import Generic, NoReturn, TypeVar

from stowage.cluster.backoff import full_jitter
from stowage.cluster.errors import Retry
from stowage.cluster.ports import Body, Cluster, ResourceType, WatchEvent

T = TypeVar("T")

Key = tuple[str, str]
"""Namespace and name; the namespace is empty where objects have none."""

_SHORT = 1.0
"""Seconds that a watch without any event must have lasted to have been a watch."""

_LASTED = 30.0
"""Seconds after which a watch had begun well: what breaks it is a first failure again."""

_log = logging.getLogger(__name__)


def object_key(body: Body) -> Key:
    """The object's namespace and name."""
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


class Reflector(Generic[T]):
    """Keeps ``items`` equal to the projections of the cluster's objects while ``run`` runs."""

    def __init__(
        self,
        cluster: Cluster,
        resource: ResourceType,
        *,
        project: Callable[[Body], T | None],
        on_change: Callable[[Key, T | None, T | None], None],
        on_error: Callable[[Exception], None],
        key: Callable[[Body], Key] = object_key,
        label_selector: str = "",
        field_selector: str = "",
        backoff: tuple[float, float] = (0.8, 30.0),
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Nothing happens before ``run``.

        Args:
            cluster: where the objects are.
            resource: which objects.
            project: makes the small thing to keep; None for an object that is of no interest. What it
                returns is compared with ``==``. An object that it fails on keeps its last projection.
            on_change: called with the key, the old and the new projection; None is "not there". Not called
                where both are equal. Called in the event loop, so it must be quick.
            on_error: told of every error; none of them ends ``run``.
            key: tells objects apart.
            label_selector: which objects, chosen by the server.
            field_selector: the same by fields.
            backoff: the longest first wait and the longest wait after errors, in seconds.
            pause: waits so many seconds after an error, or otherwise until a list is likely to succeed.
        """
        self.synced = asyncio.Event()
        """Set once everything has been listed; from then on ``items`` can be trusted."""
        self.contact = time.monotonic()
        """When the API server last answered a list or a watch, in seconds of ``time.monotonic``."""
        self.repairs = 0
        """How many objects a later list found different from what the watch had told."""
        self._cluster = cluster
        self._resource = resource
        self._project = project
        self._key = key
        self._on_change = on_change
        self._on_error = on_error
        self._labels, self._fields = label_selector, field_selector
        self._base, self._cap = backoff
        self._pause = pause
        self._items: dict[Key, T] = {}
        self._version = ""
        self._failures = 0
        self._begun = self._done = self._wanted = 0
        """Lists begun, the last of them that was completed, and which is waited for."""
        self._listed = asyncio.Event()
        self._watching: asyncio.Timeout | None = None

    @property
    def items(self) -> Mapping[Key, T]:
        """The projections: a live view, not a copy."""
        return MappingProxyType(self._items)

    async def run(self) -> NoReturn:
        """List, watch, and start again after every error, until cancelled."""
        while True:
            try:
                await self._list()
                if self._done < self._wanted:
                    continue
                async with asyncio.timeout(None) as self._watching:
                    await self._follow()
            except Exception as error:
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
        """Take the cluster's word for everything: what it doesn't list is not there."""
        self._begun += 1
        listing = await self._cluster.list(
            self._resource, decode=self._decode, label_selector=self._labels, field_selector=self._fields
        )
        fresh = dict(listing.items)
        changes = sum([self._change(key, None) for key in self._items.keys() - fresh.keys()])
        changes += sum([self._change(key, new) for key, new in fresh.items()])
        self._version = listing.resource_version
        if self.synced.is_set():
            self.repairs += changes
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
            label_selector=self._labels,
            field_selector=self._fields,
        )

    def _take(self, event: WatchEvent) -> None:
        self._failures = 0
        self.contact = time.monotonic()
        self._version = event.resource_version or self._version
        if event.type == "DELETED":
            self._change(self._key(event.body), None)
        elif event.type != "BOOKMARK":
            self._change(*self._decode(event.body))

    def _decode(self, body: Body) -> tuple[Key, T | None]:
        key = self._key(body)
        try:
            return key, self._project(body)
        except Exception as error:
            # One odd object must not blind us to all the others.
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

    def _report(self, error: Exception) -> None:
        try:
            self._on_error(error)
        except Exception:
            _log.exception("the callback for errors failed on %r", error)

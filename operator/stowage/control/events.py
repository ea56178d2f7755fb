"""Posts events beside the reconciles: repeated ones as a series, and not too many about one object.

As client-go does: a repeated event becomes ``series`` of the one that exists, and of each object a token
bucket admits 25 writes at once and one every five minutes. Status says the same as an event, so one that is
dropped or can't be posted is lost for history only.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NoReturn

from stowage.api.inference_deployment import InferenceDeployment
from stowage.cluster.errors import ClusterError, Conflict, Gone, Terminal
from stowage.cluster.ports import EVENTS, Body, Cluster
from stowage.control import announce
from stowage.observe import metrics

BURST = 25
"""Writes about one object at once; client-go's spam filter has the same two numbers."""
REFILL_SECONDS = 300.0
"""For each further one."""
REMEMBERED = 4096
"""Events and objects that are kept in mind, as in client-go."""
WAITING = 1000
"""Events that may wait to be posted; more are dropped, so that an outage costs no memory."""
SERIES_SECONDS = 60.0
"""Between two updates of one series; what happens in between is counted."""
FORGET_SECONDS = 3000.0
"""A repetition after this is a new event: the API server keeps events for an hour by default."""
DRAIN_SECONDS = 1.0
MICROSECONDS = "%Y-%m-%dT%H:%M:%S.%fZ"

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Posted:
    """An event and how often it happened."""

    body: Body
    begun: float
    last: str
    """When it happened last, as an event has it."""
    count: int = 1
    written: float = 0.0
    """When it was last written, on the monotonic clock."""
    waits: bool = True
    """Whether it is in the queue."""

    @property
    def series(self) -> Body:
        """As an event of events.k8s.io/v1 has it."""
        return {"count": self.count, "lastObservedTime": self.last}


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


@dataclass
class EventRecorder:
    """Takes events without waiting; ``run`` posts them."""

    cluster: Cluster
    instance: str
    """The pod's name, for ``reportingInstance``."""
    clock: Callable[[], float] = time.monotonic
    _known: OrderedDict[tuple[str, ...], _Posted] = field(default_factory=OrderedDict)
    _buckets: OrderedDict[str, _Bucket] = field(default_factory=OrderedDict)
    _queue: asyncio.Queue[_Posted] = field(default_factory=lambda: asyncio.Queue(WAITING))
    _numbers: itertools.count[int] = field(default_factory=itertools.count)

    def record(self, workload: InferenceDeployment, kind: str, reason: str, note: str, now: datetime) -> None:
        """Something happened to the deployment.

        Args:
            kind: Normal or Warning.
        """
        key = (workload.metadata.uid, kind, reason, note)
        stamp = now.astimezone(UTC).strftime(MICROSECONDS)
        known = self._known.get(key)
        if known is not None and self.clock() - known.begun < FORGET_SECONDS:
            self._repeat(key, known, stamp)
            return
        number = f"{int(now.timestamp() * 1e6):x}{next(self._numbers) & 0xFFF:03x}"
        body = announce.event(workload, kind, reason, note, stamp, number, self.instance)
        if not self._admits(workload.metadata.uid):
            metrics.event("dropped")
            return
        posted = _Posted(body, self.clock(), stamp)
        if self._enqueue(posted):
            self._known[key] = posted
            _trim(self._known)

    def _repeat(self, key: tuple[str, ...], known: _Posted, stamp: str) -> None:
        known.count += 1
        known.last = stamp
        self._known.move_to_end(key)
        metrics.event("repeated")
        due = known.count == 2 or self.clock() - known.written >= SERIES_SECONDS
        if due and not known.waits and self._admits(key[0]):
            known.waits = self._enqueue(known)

    def _enqueue(self, posted: _Posted) -> bool:
        try:
            self._queue.put_nowait(posted)
        except asyncio.QueueFull:
            metrics.event("dropped")
            return False
        return True

    def _admits(self, uid: str) -> bool:
        """Takes a token of the object's bucket."""
        now = self.clock()
        bucket = self._buckets.setdefault(uid, _Bucket(BURST, now))
        self._buckets.move_to_end(uid)
        _trim(self._buckets)
        bucket.tokens = min(BURST, bucket.tokens + (now - bucket.at) / REFILL_SECONDS)
        bucket.at = now
        if bucket.tokens < 1:
            return False
        bucket.tokens -= 1
        return True

    async def run(self) -> NoReturn:
        """Posts one after another, until cancelled. What can't be posted is not tried again."""
        while True:
            posted = await self._queue.get()
            try:
                await self._post(posted)
            except ClusterError as error:
                metrics.event("failed")
                _log.warning("event not posted: %s", error)
            except Exception:
                metrics.event("failed")
                _log.exception("event not posted")
            finally:
                posted.waits, posted.written = False, self.clock()
                self._queue.task_done()

    async def drain(self) -> None:
        """Waits until all that was recorded is posted, but no longer than a second."""
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._queue.join()
        except TimeoutError:
            _log.warning("%d events were not posted", self._queue.qsize())

    async def _post(self, posted: _Posted) -> None:
        if "uid" in posted.body["metadata"]:
            try:
                await self._count_up(posted)
                return
            except (Conflict, Gone, Terminal):
                posted.body["metadata"].pop("uid")  # it is gone, or was never ours: make it anew
        body = dict(posted.body)
        if posted.count > 1:
            body["series"] = posted.series
        stored = await self.cluster.create(EVENTS, body)
        posted.body["metadata"]["uid"] = stored["metadata"]["uid"]
        metrics.event("created")

    async def _count_up(self, posted: _Posted) -> None:
        """Applies nothing but the series. With the uid, an event that is gone conflicts."""
        metadata = posted.body["metadata"]
        await self.cluster.apply(
            EVENTS,
            {
                "apiVersion": EVENTS.api_version,
                "kind": EVENTS.kind,
                "metadata": {key: metadata[key] for key in ("name", "namespace", "uid")},
                "series": posted.series,
            },
        )


def _trim(remembered: OrderedDict[str, _Bucket] | OrderedDict[tuple[str, ...], _Posted]) -> None:
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)

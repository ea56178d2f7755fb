"""The work queue between watches and workers.

A key waits at most once and never runs twice at a time, so a handler needs no locks for its object and
a thousand changes of one object cost one run. Nothing here knows what a key stands for. Handlers are
expected to look at the world, not at what changed: a run may stand for any number of changes.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Callable, Hashable
from random import random as _random
from typing import Generic, TypeVar

from stowage.cluster.backoff import full_jitter
from stowage.observe.workqueue import WorkQueueMetrics

K = TypeVar("K", bound=Hashable)

BASE_SECONDS = 0.2
"""The longest wait after the first failure of a key."""

CAP_SECONDS = 60.0
"""The longest wait after any failure."""

TERMINAL_FIRST_SECONDS = 5.0
"""After how long a terminal error is first tried again; then three times as long, and so on. An API server
that has just started answers 403 until it knows its roles: that mustn't hold up an object for minutes."""

FAIR_SHARE = 8
"""One key of so many that are given out is one of those that can wait, as long as there are any."""

TERMINAL_SECONDS = 300.0
"""The longest of these waits: the cause (RBAC, a webhook) may have been mended unseen."""


class QueueClosed(Exception):
    """The queue was shut down; there is no more work."""


class WorkQueue(Generic[K]):
    """Keys that wait for a worker, on one event loop. ``len`` counts those that could run now."""

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = _random,
        idle_within: float = 1.0,
        metrics: WorkQueueMetrics | None = None,
    ) -> None:
        """An empty queue.

        Args:
            clock: seconds, never going back. One that doesn't move by itself needs ``poll`` after a move.
            random: gives numbers in [0, 1), for the jitter.
            idle_within: how near a delayed key must be, in seconds, for the queue not to be ``idle``.
            metrics: told of what happens.
        """
        self._metrics = metrics or WorkQueueMetrics("unnamed")
        self._clock = clock
        self._random = random
        self._idle_within = idle_within
        self._waiting: dict[K, float] = {}  # since when, in the order of arrival
        self._unhurried: dict[K, float] = {}  # the same, of those that can wait
        self._given_out = 0
        self._running: dict[K, float] = {}  # since when
        self._again: dict[K, bool] = {}  # added while running, and whether that can wait
        self._due: dict[K, float] = {}
        self._timers: list[tuple[float, int, K]] = []  # a heap; stale where it disagrees with _due
        self._order = itertools.count()
        self._failures: dict[K, int] = {}
        self._changed = asyncio.Event()
        self._held = False
        self._closed = False

    def __len__(self) -> int:
        self._promote()
        return self._depth

    @property
    def _depth(self) -> int:
        return len(self._waiting) + len(self._unhurried)

    @property
    def idle(self) -> bool:
        """Nothing waits, runs, or is due soon: what was asked for has been done."""
        self._promote()
        soon = self._clock() + self._idle_within
        return not (self._depth or self._running) and all(when > soon for when in self._due.values())

    def add(self, key: K, *, can_wait: bool = False) -> None:
        """Run the key as soon as a worker is free; if it runs now, once more afterwards.

        Args:
            can_wait: it comes after those that can't, but for a share, so that a sweep over everything holds
                up nothing that just changed.
        """
        if self._closed:
            return
        # A delayed run was to look at the world later; now it is looked at sooner, and may ask again.
        self._due.pop(key, None)
        if not self._is_waiting(key):
            self._metrics.added()
        if key in self._running:
            self._again[key] = can_wait and self._again.get(key, True)
        else:
            self._wait(key, can_wait)

    def _is_waiting(self, key: K) -> bool:
        return key in self._waiting or key in self._unhurried or key in self._again

    def _wait(self, key: K, can_wait: bool) -> None:
        if not can_wait:
            self._waiting.setdefault(key, self._unhurried.pop(key, self._clock()))
        elif key not in self._waiting:
            self._unhurried.setdefault(key, self._clock())
        self._metrics.depth(self._depth)
        self._changed.set()

    def add_after(self, key: K, seconds: float) -> None:
        """Run the key in so many seconds; of several wishes the earliest counts."""
        if seconds <= 0:
            self.add(key)
        elif not self._closed and not self._is_waiting(key):
            when = self._clock() + seconds
            if when < self._due.get(key, float("inf")):
                self._due[key] = when
                heapq.heappush(self._timers, (when, next(self._order), key))
                self._changed.set()

    def retry(self, key: K, *, at_least: float = 0.0) -> float:
        """Run the key again after its backoff, not before ``at_least`` seconds; returns the wait."""
        self._metrics.retried()
        self._failures[key] = self._failures.get(key, 0) + 1
        wait = full_jitter(self._failures[key], base=BASE_SECONDS, cap=CAP_SECONDS, random=self._random)
        wait = max(wait, at_least)
        self.add_after(key, wait)
        return wait

    def retry_terminal(self, key: K) -> float:
        """Run the key again although the error was terminal, ever later; returns the wait."""
        self._failures[key] = failures = self._failures.get(key, 0) + 1
        wait = min(TERMINAL_SECONDS, TERMINAL_FIRST_SECONDS * 3.0 ** min(failures - 1, 10))
        self.add_after(key, wait)
        return wait

    def forget(self, key: K) -> None:
        """Forget the key's failures: the next one waits as little as the first."""
        self._failures.pop(key, None)

    def hold(self) -> None:
        """Give out no key until ``resume``: nothing that runs now could succeed."""
        self._held = True

    def resume(self) -> None:
        """Give out keys again, those that failed at once: what they failed of is over."""
        self._held = False
        for key in self._failures:
            self.add(key)
        self._failures.clear()
        self._changed.set()

    async def get(self) -> K:
        """Wait for a key and take it; ``done`` must follow.

        Raises:
            QueueClosed: there will be no more.
        """
        while not self._closed:
            self._promote()
            if self._depth and not self._held:
                key, since = self._next()
                now = self._running[key] = self._clock()
                self._metrics.taken(now - since)
                self._metrics.depth(self._depth)
                return key
            await self._sleep_until_due()
        raise QueueClosed

    def _next(self) -> tuple[K, float]:
        """Takes the longest waiting of those whose turn it is."""
        self._given_out += 1
        favoured, other = self._waiting, self._unhurried
        if self._given_out % FAIR_SHARE == 0:
            favoured, other = other, favoured
        lane = favoured or other
        key = next(iter(lane))
        return key, lane.pop(key)

    def done(self, key: K) -> None:
        """The key's run is over."""
        since = self._running.pop(key, None)
        if since is not None:
            self._metrics.finished(self._clock() - since)
        can_wait = self._again.pop(key, None)
        if can_wait is not None and not self._closed:
            self._due.pop(key, None)
            self._wait(key, can_wait)

    def running(self) -> dict[K, float]:
        """For how many seconds each run that is under way has been so; tells the metrics, too."""
        now = self._clock()
        found = {key: now - since for key, since in self._running.items()}
        self._metrics.running(list(found.values()))
        return found

    def poll(self) -> None:
        """Look at the clock again."""
        self._changed.set()

    def shutdown(self) -> None:
        """Drop everything that waits and let ``get`` end; what runs may finish."""
        self._closed = True
        self._waiting.clear()
        self._unhurried.clear()
        self._again.clear()
        self._due.clear()
        self._timers.clear()
        self._metrics.depth(0)
        self._changed.set()

    def _promote(self) -> None:
        """Let what is due wait for a worker."""
        now = self._clock()
        while self._timers and (self._timers[0][0] <= now or self._is_stale(self._timers[0])):
            timer = heapq.heappop(self._timers)
            if not self._is_stale(timer):
                self.add(timer[2])

    def _is_stale(self, timer: tuple[float, int, K]) -> bool:
        when, _, key = timer
        return self._due.get(key) != when

    async def _sleep_until_due(self) -> None:
        """Sleep until something changes or the first delayed key is due."""
        self._changed.clear()
        seconds = self._timers[0][0] - self._clock() if self._timers else None
        # Not wait_for: Python 3.11's loses a cancellation that comes together with what it waits for.
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

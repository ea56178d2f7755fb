"""The pulse of the process: what probes ask, and gauges that must be looked at from time to time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, NoReturn

from stowage.cluster.reflector import Reflector
from stowage.control.election import Elector
from stowage.control.gauges import picture
from stowage.control.queue import WorkQueue
from stowage.control.world import World
from stowage.observe.fleet import FLEET
from stowage.observe.health import Health

BEAT_SECONDS = 1.0
PICTURE_SECONDS = 10.0
RUN_SECONDS = 600.0
"""A run that takes longer is stuck: each of its few requests ends after 30 s."""
WATCH_SECONDS = 180.0
"""A watch that is dead or silent begins anew after 70 s, so within this each was in touch."""
RESYNC_PERIODS = 3
LEASE_SECONDS = 30.0
"""For how long a process that lost the Lease may take to end."""
_log = logging.getLogger(__name__)


class Watchdog:
    """Registers the checks, and keeps what they read up to date."""

    def __init__(
        self,
        health: Health,
        world: World,
        queue: WorkQueue[Any],
        resync_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._health, self._world, self._queue = health, world, queue
        self._clock = clock
        self._resync_limit = RESYNC_PERIODS * max(resync_seconds, 60.0)
        self._resynced = clock()
        self._running: dict[Any, float] = {}
        health.add("workers", self._workers, live=True)
        health.add("resync", self._resync, live=False)

    def watch(self, name: str, reflector: Reflector[Any]) -> None:
        """Readiness depends on this watch."""

        def check() -> str | None:
            silent = self._clock() - reflector.contact
            return f"the API server has said nothing for {silent:.0f} s" if silent > WATCH_SECONDS else None

        self._health.add(f"watch-{name}", check, live=False)

    def elect(self, elector: Elector) -> None:
        """A process that lost the Lease and doesn't end must be restarted."""

        def check() -> str | None:
            late = elector.overdue
            return f"lost the Lease {late:.0f} s ago and is still here" if late > LEASE_SECONDS else None

        self._health.add("leader-election", check, live=True)

    def resynced(self) -> None:
        """Everything was listed again."""
        self._resynced = self._clock()

    async def run(self) -> NoReturn:
        """Beats until cancelled."""
        due = 0.0
        while True:
            self._health.beat()
            self._running = self._queue.running()
            if self._clock() >= due and self._health.ready:
                due = self._clock() + PICTURE_SECONDS
                try:
                    FLEET.picture = picture(self._world)
                except Exception:
                    _log.exception("the metrics of the fleet could not be computed")
            await asyncio.sleep(BEAT_SECONDS)

    def _workers(self) -> str | None:
        key, seconds = max(self._running.items(), key=lambda item: item[1], default=(None, 0.0))
        if seconds <= RUN_SECONDS:
            return None
        return f"{' '.join(filter(None, map(str, key or ())))} has been worked on for {seconds:.0f} s"

    def _resync(self) -> str | None:
        ago = self._clock() - self._resynced
        return f"the last complete list was {ago:.0f} s ago" if ago > self._resync_limit else None

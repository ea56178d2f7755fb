"""From standby to leader to the end: what is gated by the Lease, and in which order it stops.

All tasks are made at the start, and wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from stowage.control.election import Elector
from stowage.control.queue import K, WorkQueue
from stowage.control.workers import run_workers
from stowage.observe import metrics

DRAIN_SECONDS = 2.0
"""How long runs that have begun, and then their events, may take to their end when the process is told to
end. Longer than any takes that is answered; an API server that hangs isn't waited for."""
_log = logging.getLogger(__name__)


class Leading:
    """Lets the workers work while this process is the leader, or always where there is no election."""

    def __init__(self, elector: Elector | None) -> None:
        self._elector = elector
        self._elected = asyncio.Event()
        self._begun = asyncio.Event()
        self._ending = asyncio.Event()
        self._main: asyncio.Task[object] | None = None

    @property
    def begun(self) -> bool:
        """Whether the workers work."""
        return self._begun.is_set()

    def start(
        self,
        group: asyncio.TaskGroup,
        queue: WorkQueue[K],
        handler: Callable[[K], Awaitable[None]],
        workers: int,
        *,
        prepare: Callable[[], Awaitable[None]],
        finish: Callable[[], Awaitable[None]],
    ) -> None:
        """Makes the tasks, for the task that calls this.

        Args:
            prepare: looks at everything afresh and queues it, after the election and before the first run.
            finish: after the last run, before the Lease is given up.
        """
        self._main = asyncio.current_task()
        working = group.create_task(
            run_workers(queue, handler, workers, after=self._begun.wait), name="workers"
        )
        electing = group.create_task(self._elect(), name="election")
        group.create_task(self._begin(prepare), name="begin")
        group.create_task(self._end(queue, working, electing, finish), name="end")

    def stop(self) -> None:
        """For a signal: ends in good order; at once when it comes again, or where nothing has begun."""
        if self._main is None or self._ending.is_set():
            self.cancel()
        self._ending.set()

    def cancel(self) -> None:
        """Ends at once."""
        if self._main is not None:
            self._main.cancel()

    async def _elect(self) -> None:
        if self._elector is None:
            self._elected.set()
            return
        await self._elector.acquire()
        self._elected.set()
        try:
            await self._elector.keep()
        finally:
            metrics.leading(False)

    async def _begin(self, prepare: Callable[[], Awaitable[None]]) -> None:
        await self._elected.wait()
        await prepare()
        metrics.leading(True)
        self._begun.set()

    async def _end(
        self,
        queue: WorkQueue[K],
        working: asyncio.Task[None],
        electing: asyncio.Task[None],
        finish: Callable[[], Awaitable[None]],
    ) -> None:
        await self._ending.wait()
        queue.shutdown()
        if self._begun.is_set():
            try:
                async with asyncio.timeout(DRAIN_SECONDS):
                    await asyncio.wait([working])
                    await finish()
            except TimeoutError:
                _log.warning("what was under way didn't end within %g s and is cut off", DRAIN_SECONDS)
        working.cancel()
        electing.cancel()
        await asyncio.wait([working, electing])
        if self._elector is not None:
            await self._elector.release()
        self.cancel()

"""Ends without a failed request: not ready at once, still answering for a while, then done.

Kubernetes takes a pod out of its Service while it sends SIGTERM, and clients learn of it a little later. What
comes meanwhile is answered, with the connection closed after it.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable
from types import FrameType

import uvicorn

log = logging.getLogger(__name__)


class Draining:
    """Whether the server is ending, and until when it still takes requests."""

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._until: float | None = None

    @property
    def begun(self) -> bool:
        """Whether it is ending."""
        return self._until is not None

    @property
    def over(self) -> bool:
        """Whether it takes no more requests."""
        return self._until is not None and self._clock() >= self._until

    def begin(self) -> None:
        """Begin to end. A second time changes nothing."""
        if self._until is None:
            self._until = self._clock() + self._seconds
            log.info("ending: not ready from now on, requests are taken for %g s more", self._seconds)


class Server(uvicorn.Server):
    """Ends with 0: the first signal drains, a second one ends at once."""

    def __init__(self, config: uvicorn.Config, draining: Draining) -> None:
        super().__init__(config)
        self._draining = draining

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """Called for SIGTERM and SIGINT."""
        if self._draining.begun:
            log.info("a second %s: ending at once", signal.Signals(sig).name)
            self.should_exit = True
            self.force_exit = True
        self._draining.begin()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; true ends it."""
        return await super().on_tick(counter) or self._draining.over

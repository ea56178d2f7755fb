"""Lines in the log while a file comes: enough to see that it moves, and not more."""

from __future__ import annotations

import time
from collections.abc import Callable

EVERY = 10.0
"""Seconds between two lines."""
GIB = 1024**3


class Progress:
    """Of one file."""

    def __init__(
        self,
        name: str,
        had: int,
        total: int | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        had: bytes that were there before.
        total: bytes of the whole file; None where the store doesn't say.
        clock: seconds.
        """
        self._name, self._had, self._now, self._total = name, had, had, total
        self._say, self._clock = say, clock
        self._began = self._told = clock()

    def more(self, count: int) -> None:
        """So many bytes came."""
        self._now += count
        if self._clock() - self._told >= EVERY:
            self._told = self._clock()
            whole = "" if self._total is None else f" of {self._total / GIB:.2f}"
            self._say(f"{self._name}: {self._now / GIB:.2f}{whole} GiB, {self._rate():.0f} MB/s")

    def done(self) -> None:
        """All of it came."""
        self._say(f"{self._name}: complete, {self._now} bytes, {self._rate():.0f} MB/s")

    @property
    def now(self) -> int:
        """Bytes that are there."""
        return self._now

    def _rate(self) -> float:
        seconds = max(self._clock() - self._began, 1e-3)
        return (self._now - self._had) / seconds / 1e6

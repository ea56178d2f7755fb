"""Keeps an outage readable: of many log lines alike a few are shown, and how many were left out."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_SECONDS = 60.0
OURS = 20
"""Warnings of one kind in a window; 200 objects that all fail would else be 200 lines, again and again."""
KOPF = 3
"""The same for kopf, which speaks of each try of each watch."""
KINDS = 1000
"""How many kinds are told apart, so that texts that never repeat cost no memory."""

_VARYING = re.compile(r"\d+|'[^']*'|\"[^\"]*\"")


@dataclass(slots=True)
class _Window:
    begun: float
    shown: int = 0
    left_out: int = 0


class Throttle(logging.Filter):
    """Lets a few warnings and errors of each kind through. Tracebacks and decisions always pass."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[tuple[str, int, str], _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to show the record; the first of a window says how many were left out before."""
        if record.levelno < logging.WARNING or record.exc_info or hasattr(record, "outcome"):
            return True
        kopf = record.name.partition(".")[0] == "kopf"
        # kopf formats its messages itself; what comes before a colon says what kind it is.
        kind = _VARYING.sub("#", record.getMessage().partition(":")[0]) if kopf else str(record.msg)
        key, now = (record.name, record.levelno, kind), self._clock()
        window = self._windows.get(key)
        if window is None or now - window.begun >= WINDOW_SECONDS:
            left_out = window.left_out if window is not None else 0
            if len(self._windows) >= KINDS:
                self._windows.clear()
            window = self._windows[key] = _Window(now)
            if left_out:
                record.msg = f"{record.getMessage()} ({left_out} more lines like this were left out)"
                record.args = ()
        window.shown += 1
        if window.shown <= (KOPF if kopf else OURS):
            return True
        window.left_out += 1
        return False

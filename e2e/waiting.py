"""Waits for what must become true, and says what was seen instead."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 180.0
"""For a loaded machine: it costs nothing where things are right."""
POLL_SECONDS = 0.5


def eventually(
    look: Callable[[], T], wanted: Callable[[T], bool], what: str, timeout: float = PATIENCE_SECONDS
) -> T:
    """Look until what is seen is as wanted, and return it. Fails with what was seen last."""
    deadline = time.monotonic() + timeout
    while True:
        seen = look()
        if wanted(seen):
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not so after {timeout:.0f} s; seen last: {seen}")
        time.sleep(POLL_SECONDS)

"""Turns signals into one exception, and defers them where a half-done action would leak.

Between starting a process and writing down its pid there must be no interruption, or the process
would outlive a command that no longer knows it. ``shielded`` marks such passages.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The user or the system asked this command to end.

    Not an ``Exception``: code that handles failures must not swallow it.
    """


@dataclass
class _Guard:
    """What the signal handler knows."""

    depth: int = 0
    """How many shielded blocks we are in."""
    received: bool = False
    raised: bool = False
    """Only the first signal counts: a second Ctrl-C must not break the cleaning up."""

    def receive(self, _number: int, _frame: FrameType | None) -> None:
        """Handle a signal; called by the interpreter in its main thread."""
        self.received = True
        self.raise_if_due()

    def raise_if_due(self) -> None:
        """Raise for a received signal, unless shielded or done before."""
        if self.received and not self.raised and self.depth == 0:
            self.raised = True
            raise Interrupted


_guard = _Guard()


def install() -> None:
    """Let SIGINT, SIGTERM and SIGHUP raise ``Interrupted`` in the main thread."""
    for number in SIGNALS:
        signal.signal(number, _guard.receive)


def ignore() -> None:
    """Ignore further signals: for the last lines of a command, where all is cleaned up."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def shielded() -> Iterator[None]:
    """Hold signals back until the block has ended. Blocks may nest."""
    _guard.depth += 1
    try:
        yield
    finally:
        _guard.depth -= 1
    _guard.raise_if_due()

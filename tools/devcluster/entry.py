"""Turns interruptions and failures of a command line into messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable

from devcluster import interrupts
from devcluster.errors import DevclusterError

INTERRUPTED = 130


def run_command(
    start: Callable[[], int | None],
    interrupted: str = "what this command had started was ended",
    errors: tuple[type[Exception], ...] = (DevclusterError,),
) -> int:
    """Run a command and return the exit code.

    Args:
        start: imports what it needs itself: an interruption must end with 130 even while Python still loads
            modules. Returns an exit code, or nothing for 0.
        interrupted: what is said of an interruption.
        errors: those that are told without a traceback.
    """
    try:
        interrupts.install()
        return start() or 0
    except interrupts.Interrupted:
        interrupts.ignore()
        print(f"\ninterrupted; {interrupted}", file=sys.stderr)
        return INTERRUPTED
    except errors as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

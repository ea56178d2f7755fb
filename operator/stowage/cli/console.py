"""The terminal, or a pipe that shall not be cut to the width of one."""

from __future__ import annotations

import sys

from rich.console import Console

PIPE_WIDTH = 240


def console() -> Console:
    """A console as wide as the terminal; a pipe is wide."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)

"""``python -m images``."""

from __future__ import annotations

import sys

from devcluster.entry import run_command
from devcluster.errors import DevclusterError


def main() -> None:
    """The commands."""
    from images.cli import app

    app()


if __name__ == "__main__":
    sys.exit(run_command(main, "the next build begins anew", (DevclusterError, OSError)))

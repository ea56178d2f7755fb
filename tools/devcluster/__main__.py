"""``python -m devcluster``."""

from __future__ import annotations

import sys

from devcluster.entry import run_command


def main() -> None:
    """The commands."""
    from devcluster.cli import app

    app()


if __name__ == "__main__":
    sys.exit(run_command(main))

"""``python -m images``: turns interruptions and failures into messages and exit codes."""

from __future__ import annotations

import sys

from devcluster import interrupts
from devcluster.errors import DevclusterError

INTERRUPTED = 130


def main() -> int:
    """Run a command and return the exit code."""
    try:
        interrupts.install()
        # Imported late: an interruption must end with 130 even while Python still loads modules.
        from images.cli import app

        app()
    except interrupts.Interrupted:
        interrupts.ignore()
        print("\ninterrupted; the next build begins anew", file=sys.stderr)
        return INTERRUPTED
    except (DevclusterError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

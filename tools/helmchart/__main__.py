"""``python -m helmchart generate`` and ``python -m helmchart package [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from devcluster.errors import ToolError
from helmchart import ROOT
from helmchart.generated import write
from helmchart.package import package


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    match arguments:
        case ["generate"]:
            write()
        case ["package", *folder] if len(folder) <= 1:
            print(package(Path(folder[0]) if folder else ROOT / "dist"))
        case _:
            print(__doc__, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ToolError as error:
        sys.exit(f"helmchart: {error}")

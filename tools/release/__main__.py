"""``python -m release notes VERSION`` prints release notes; ``check`` finds what has another version."""

from __future__ import annotations

import argparse
import sys

from release.changelog import MissingNotesError, notes, versions


def main() -> int:
    """1: there is nothing to say of the version, or another one is written somewhere."""
    parser = argparse.ArgumentParser(prog="release", description=__doc__)
    parser.add_argument("what", choices=("notes", "check"))
    parser.add_argument("version", help="such as 0.2.0; Unreleased for what is to come")
    given = parser.parse_args()
    try:
        text = notes(given.version)
    except MissingNotesError as error:
        print(error, file=sys.stderr)
        return 1
    if given.what == "notes":
        print(text)
        return 0
    wrong = {where: found for where, found in versions().items() if found != given.version}
    for where, found in wrong.items():
        print(f"{where} says {found}; write {given.version}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())

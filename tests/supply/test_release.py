"""Notes come from the changelog, one version is everywhere, and packing twice gives the same bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from release.changelog import ROOT, MissingNotesError, notes, versions
from stowage import __version__

TEXT = """# Changelog

## Unreleased

## [0.2.0] - 2026-12-01

### Added

- A thing.

## 0.1.0 - 2026-11-01

- The first.
"""


def test_notes_of_a_version() -> None:
    assert notes("0.2.0", TEXT) == "### Added\n\n- A thing."
    assert notes("0.1.0", TEXT) == "- The first."


@pytest.mark.parametrize(
    ("version", "message"),
    [("Unreleased", "is empty; write what changed"), ("9", "there are: Unreleased, 0.2.0, 0.1.0")],
)
def test_nothing_to_say(version: str, message: str) -> None:
    with pytest.raises(MissingNotesError, match=message):
        notes(version, TEXT)


def test_the_changelog_has_something_to_say_of_what_is_to_come() -> None:
    assert notes("Unreleased")


def test_one_version_is_everywhere() -> None:
    assert set(versions().values()) == {__version__}


def test_packing_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the folder, the umask and the time zone; SOURCE_DATE_EPOCH says the time."""
    found = []
    for number, mask in enumerate((0o022, 0o077)):
        out = tmp_path / f"out{number}"
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000", "TZ": ("UTC", "Asia/Tokyo")[number]}
        command = [sys.executable, "-m", "hatchling", "build", "-d", str(out)]
        subprocess.run(command, cwd=ROOT, env=environment, umask=mask, check=True, capture_output=True)
        found.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(out.iterdir())})
    assert found[0] == found[1]
    assert len(found[0]) == 2

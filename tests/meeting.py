"""What the processes of one run tell each other: who has ended, who failed, whose audit logs count."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

MEETING = pytest.StashKey[Path]()
"""In the configuration: the folder that all processes of this run see."""
ENDED = "ended"
FAILED = "failed"
POLL_SECONDS = 0.5


def open_meeting(config: pytest.Config, temporary: Path) -> None:
    """Finds the folder; `temporary` is the root of this process's temporary folders."""
    place = temporary.parent if hasattr(config, "workerinput") else temporary
    config.stash[MEETING] = place / "meeting"
    config.stash[MEETING].mkdir(exist_ok=True)


def leave_word(config: pytest.Config, topic: str, word: str) -> None:
    """Leaves a line."""
    with (config.stash[MEETING] / f"{topic}-{os.getpid()}").open("a") as file:
        file.write(f"{word}\n")


def words(config: pytest.Config, topic: str) -> set[str]:
    """All lines that were left, by whichever process."""
    found = config.stash[MEETING].glob(f"{topic}-*")
    return {line for file in found for line in file.read_text().splitlines()}


def wait_for(config: pytest.Config, tests: Iterable[str], seconds: float) -> None:
    """Waits until these tests have ended, in whichever process."""
    deadline, awaited = time.monotonic() + seconds, set(tests)
    while missing := awaited - words(config, ENDED):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not ended after {seconds:.0f} s: {', '.join(sorted(missing))}")
        time.sleep(POLL_SECONDS)

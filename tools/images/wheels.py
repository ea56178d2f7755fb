"""Fetches the wheels that lock files name, for the image's Python and not for the one that runs here."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from devcluster.children import run
from devcluster.errors import LOG_LINES_SHOWN, BuildError

GLIBC_MINOR = 36
"""Of the base, Debian 12: glibc 2.36. Wheels for a later one don't run there."""


def fetch_wheels(locks: Sequence[Path], folder: Path, *, python: str, machine: str) -> None:
    """Download every wheel that the lock files name, checked against their hashes.

    `python` is such as 3.11 and `machine` as uname -m says it. Raises BuildError with pip's words.
    """
    abi = f"cp{python.replace('.', '')}"
    target = [f"--python-version={python}", "--implementation=cp", f"--abi={abi}", "--abi=abi3", "--abi=none"]
    target += [f"--platform={each}" for each in platforms(machine)]
    fixed = ["--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps", "--only-binary=:all:"]
    for lock in locks:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            *fixed,
            *target,
            "-d",
            str(folder),
            "-r",
            str(lock),
        ]
        answer = run(command)
        if answer.returncode != 0:
            raise BuildError(f"the wheels of {lock.name}", answer.stderr.splitlines()[-LOG_LINES_SHOWN:])


def platforms(machine: str) -> list[str]:
    """The platform tags that run on the base, newest first: pip takes only those that are named to it."""
    newest_first = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC_MINOR, 16, -1)]
    return [*newest_first, f"manylinux2014_{machine}", f"linux_{machine}"]

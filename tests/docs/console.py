"""The console blocks of the documents: runs their ``stowage`` commands and compares or renews what is shown.

As a program it renews the output in the files that it is given; ``make generate`` calls it so.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```console\n(.*?)^```$", re.S | re.M)
ELISION = "..."
"""A line that stands for any number of lines, none included."""


@dataclass(frozen=True)
class Shown:
    """One command of a document and the output that is shown below it."""

    command: str
    """As it stands there, with its line breaks."""
    output: tuple[str, ...]

    @property
    def arguments(self) -> list[str]:
        return shlex.split(self.command.replace("\\\n", " "))

    @property
    def runs(self) -> bool:
        """Whether it can be run here: a command of ours that needs no cluster."""
        words = self.arguments
        return words[0] == "stowage" and (words[1] == "catalog" or "--fleet" in words)


def shown(text: str) -> Iterator[Shown]:
    """The commands of all console blocks of a document."""
    for block in BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = part.splitlines()
            end = next(i for i, line in enumerate(lines) if not line.endswith("\\")) + 1
            yield Shown("\n".join(lines[:end]), tuple(lines[end:]))


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs the command of this tree in its root, without any cluster to talk to."""
    with tempfile.TemporaryDirectory() as home:
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "operator"),
            "KUBECONFIG": f"{home}/none",
            "HOME": home,
        }
        environment.pop("KUBERNETES_SERVICE_HOST", None)
        return subprocess.run(
            [sys.executable, "-m", "stowage", *arguments[1:]],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env=environment,
            timeout=60,
            check=False,
        )


def lines_of(output: str) -> list[str]:
    """Output without the spaces at the ends of its lines, which tables pad."""
    return [line.rstrip() for line in output.rstrip("\n").splitlines()]


def matches(wanted: tuple[str, ...], found: list[str]) -> bool:
    """Whether the output is what is shown."""
    pattern = "".join("(?:.*\n)*?" if line.strip() == ELISION else f"{re.escape(line)}\n" for line in wanted)
    return re.fullmatch(pattern, "".join(f"{line}\n" for line in found)) is not None


def renew(text: str) -> str:
    """The document with the output of today. What is shown with an elision stays as it is."""
    for one in shown(text):
        if one.runs and ELISION not in (line.strip() for line in one.output):
            old = "".join(f"{line}\n" for line in [f"$ {one.command}", *one.output])
            now = lines_of(run(one.arguments).stdout)
            text = text.replace(old, "".join(f"{line}\n" for line in [f"$ {one.command}", *now]))
    return text


if __name__ == "__main__":
    for name in sys.argv[1:]:
        document = Path(name)
        document.write_text(renew(document.read_text(encoding="utf-8")), encoding="utf-8")

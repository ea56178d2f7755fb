"""The state folder of the demo: its processes, its logs, its kubeconfig, and which cluster it uses."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster.errors import ForeignStateError, StepError
from devcluster.interrupts import shielded
from devcluster.locks import exclusive
from devcluster.processes import ProcessTable

DEFAULT_CLUSTER = "local"


class StateFolder:
    """A folder that is ours if it holds a process table, and is only then ever removed."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.processes = ProcessTable(self.path / "processes.json")
        self.kubeconfig = self.path / "kubeconfig"
        self.logs = self.path / "logs"
        self._note = self.path / "demo.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep two commands from working on the same demo. Raises StepError for the second one."""
        lock = self.path.with_suffix(".lock")
        with exclusive(lock, self._refuse):
            yield

    def prepare(self, cluster: str) -> None:
        """Create the folder, keeping what an earlier demo left, and note which cluster it uses.

        Noted before the cluster is made, so that ``down`` knows even after a power cut.
        """
        if self.path.is_dir() and any(self.path.iterdir()) and not self.exists():
            raise ForeignStateError(f"{self.path} is not empty and not a demo's state folder")
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.logs.mkdir(exist_ok=True)
        if not self.exists():
            self.processes.clear()
        self._note.write_text(json.dumps({"cluster": cluster}) + "\n")

    def exists(self) -> bool:
        """Whether there is a demo's state."""
        return self.processes.path.exists()

    @property
    def cluster(self) -> str:
        """Which cluster the demo uses; the local one, which is made of processes, leaves no note."""
        if not self._note.exists():
            return DEFAULT_CLUSTER
        return str(json.loads(self._note.read_text())["cluster"])

    def write_private(self, path: Path, content: str) -> None:
        """Write a file that only its owner can read."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)

    def stop_processes(self) -> None:
        """End all recorded processes."""
        with shielded():
            self.processes.stop()

    def remove(self) -> None:
        """Remove the folder, if it is ours."""
        if self.exists():
            shutil.rmtree(self.path)

    def _refuse(self) -> None:
        raise StepError(f"another command works on {self.path} now; end that one first")

"""Starts processes, records them, and ends exactly those that were recorded.

A pid alone does not name a process: the kernel gives it to another one later. A record therefore
holds the kernel's start time and the boot too, and only a process that matches all three is
ever signalled.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from devcluster.interrupts import shielded

LAUNCHER = Path(__file__).with_name("launch.py")
STOP_GRACE_SECONDS = 10.0
POLL_SECONDS = 0.02

# The parent-death signal follows the thread that forked, so that thread must not end before the
# interpreter does. This one is started at the first use and joined when the interpreter exits.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="devcluster-spawner")

# Pids of processes that this interpreter started: it must reap them, or they stay as zombies.
_children: set[int] = set()


class Lifetime(StrEnum):
    """How long a process lives."""

    EPHEMERAL = "ephemeral"
    """Dies with the process that started it, even when that one is killed: test clusters."""
    DETACHED = "detached"
    """In a session of its own, outlives the command: the demo."""


@dataclass(frozen=True)
class ProcessRecord:
    """A process that we started."""

    name: str
    pid: int
    start_time: int
    """Clock ticks from boot to the process's start: field 22 of /proc/PID/stat."""
    boot: str
    """The kernel's boot id, since start times repeat after a reboot."""

    def is_alive(self) -> bool:
        """Whether this very process still runs; a zombie does not, unless threads of it still do."""
        alive = self.boot == boot_id() and self.start_time == start_time_of(self.pid)
        if not alive and self.pid in _children and os.waitpid(self.pid, os.WNOHANG)[0]:
            _children.remove(self.pid)
        return alive

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the pid belongs to another process by now."""
        if self.is_alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


class ProcessTable:
    """The records of one state folder, in the order in which the processes were started."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def records(self) -> list[ProcessRecord]:
        """Return all records; none when there is no file."""
        try:
            content = self.path.read_text()
        except FileNotFoundError:
            return []
        return [ProcessRecord(**each) for each in json.loads(content)]

    def alive(self) -> list[ProcessRecord]:
        """Return the records of processes that still run."""
        return [each for each in self.records() if each.is_alive()]

    def clear(self) -> None:
        """Write a table without records; its file also marks a state folder as ours."""
        self._write([])

    def add(self, record: ProcessRecord) -> None:
        """Append a record."""
        self._write([*self.records(), record])

    def stop(self, names: Sequence[str] | None = None) -> None:
        """End the recorded processes, the last one first, and forget them."""
        records = self.records()
        chosen = [each for each in records if names is None or each.name in names]
        for record in reversed(chosen):
            stop_process(record)
        if chosen:
            self._write([each for each in records if each not in chosen])

    def _write(self, records: list[ProcessRecord]) -> None:
        """Replace the file in one step, so that a reader never sees half of it."""
        draft = self.path.with_suffix(".new")
        draft.write_text(json.dumps([asdict(each) for each in records], indent=1) + "\n")
        draft.replace(self.path)


@dataclass(frozen=True)
class Command:
    """What to run, and where its output goes."""

    name: str
    arguments: Sequence[str]
    log: Path
    folder: Path
    environment: Mapping[str, str] | None = None
    """The whole environment of the process; None: this one's."""


def start_process(command: Command, table: ProcessTable, lifetime: Lifetime) -> ProcessRecord:
    """Start a process that runs its program only after it has been recorded in `table`."""
    with shielded():
        child = _spawner.submit(_spawn, command, lifetime).result()
        _children.add(child.pid)
        started = start_time_of(child.pid)
        record = ProcessRecord(command.name, child.pid, started or 0, boot_id())
        table.add(record)
        _let_go(child)
        # Looked after by its record from here on; Popen would warn that it outlives the object.
        child.returncode = 0
    return record


def start_child(command: Command) -> subprocess.Popen[bytes]:
    """Start an ephemeral process that no table holds: whoever calls this looks after it, and learns its exit
    code."""
    with shielded():
        child = _spawner.submit(_spawn, command, Lifetime.EPHEMERAL).result()
        _let_go(child)
    return child


def stop_process(record: ProcessRecord, grace: float = STOP_GRACE_SECONDS) -> None:
    """Ask the process to end, and kill it when it has not after `grace` seconds."""
    record.signal(signal.SIGTERM)
    if not wait_until_gone(record, grace):
        record.signal(signal.SIGKILL)
        wait_until_gone(record, grace)


def wait_until_gone(record: ProcessRecord, timeout: float) -> bool:
    """Wait until the process has ended; False when it still runs after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while record.is_alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def start_time_of(pid: int) -> int | None:
    """Return when a process was started, in clock ticks since boot; None for none, or one that has ended.

    A process is a zombie as soon as its first thread has ended. The others may still be at it, and until
    the last one is gone the process holds its ports.
    """
    folder = Path(f"/proc/{pid}")
    try:
        content = (folder / "stat").read_text()
        threads = len(os.listdir(folder / "task"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The second field is the program's name in parentheses, and may itself hold either of them.
    state, *fields = content.rpartition(")")[2].split()
    return None if state in "ZX" and threads <= 1 else int(fields[18])


def boot_id() -> str:
    """Return what names this boot of the kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _spawn(command: Command, lifetime: Lifetime) -> subprocess.Popen[bytes]:
    """Start the launcher. Runs in the spawner thread."""
    launcher = [sys.executable, "-I", "-S", str(LAUNCHER), lifetime.value, str(os.getpid())]
    with command.log.open("ab") as log:
        return subprocess.Popen(
            [*launcher, *command.arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            cwd=command.folder,
            env=command.environment,
            # Also for test clusters: a Ctrl-C in the terminal is for us, who then stop in order.
            start_new_session=True,
        )


def _let_go(child: subprocess.Popen[bytes]) -> None:
    """Tell the launcher that its record is written."""
    assert child.stdin is not None
    try:
        child.stdin.write(b"g")
        child.stdin.close()
    except BrokenPipeError:
        return  # it has ended already, and whoever waits for it finds out

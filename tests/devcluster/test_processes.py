"""Only what was started is ever signalled, and what is ephemeral dies with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster.processes import (
    Command,
    Lifetime,
    ProcessRecord,
    ProcessTable,
    start_process,
    start_time_of,
    stop_process,
    wait_until_gone,
)

TIMEOUT = 60.0


@pytest.fixture
def table(tmp_path: Path) -> Iterator[ProcessTable]:
    table = ProcessTable(tmp_path / "processes.json")
    yield table
    table.stop()


def sleeper(folder: Path, name: str = "sleeper") -> Command:
    return Command(name, ["/bin/sleep", "60"], folder / f"{name}.log", folder)


def test_a_started_process_is_recorded_and_stopped(table: ProcessTable, tmp_path: Path) -> None:
    record = start_process(sleeper(tmp_path), table, Lifetime.DETACHED)
    assert table.records() == table.alive() == [record]
    table.stop()
    assert (record.is_alive(), table.records()) == (False, [])


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"start_time": 1}, id="the pid belongs to a later process"),
        pytest.param({"boot": "another"}, id="the record is from before a reboot"),
    ],
)
def test_a_process_that_only_has_the_pid_is_left_alone(
    table: ProcessTable, tmp_path: Path, change: dict[str, object]
) -> None:
    real = start_process(sleeper(tmp_path), table, Lifetime.DETACHED)
    stale = replace(real, **change)  # type: ignore[arg-type]
    assert not stale.is_alive()
    stop_process(stale)
    stale.signal(signal.SIGKILL)
    assert real.is_alive()


def test_the_last_one_started_is_stopped_first(
    table: ProcessTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("first", "second", "third"):
        start_process(sleeper(tmp_path, name), table, Lifetime.DETACHED)
    stopped: list[str] = []

    def note(record: ProcessRecord) -> None:
        stopped.append(record.name)
        stop_process(record)

    monkeypatch.setattr("devcluster.processes.stop_process", note)
    table.stop(["first", "third"])
    assert stopped == ["third", "first"]
    assert [each.name for each in table.records()] == ["second"]


def test_what_ignores_the_request_is_killed(table: ProcessTable, tmp_path: Path) -> None:
    script = "trap '' TERM; echo ready; while true; do sleep 0.1; done"
    command = Command("stubborn", ["/bin/sh", "-c", script], tmp_path / "log", tmp_path)
    record = start_process(command, table, Lifetime.EPHEMERAL)
    wait_for(lambda: "ready" in command.log.read_text())
    stop_process(record, grace=0.2)
    assert not record.is_alive()


FIRST_THREAD_ENDS = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
ctypes.CDLL(None).pthread_exit(None)
"""


def test_a_process_whose_first_thread_has_ended_still_runs(table: ProcessTable, tmp_path: Path) -> None:
    command = Command("threads", [sys.executable, "-c", FIRST_THREAD_ENDS], tmp_path / "log", tmp_path)
    record = start_process(command, table, Lifetime.EPHEMERAL)
    while "State:\tZ" not in Path(f"/proc/{record.pid}/status").read_text():
        time.sleep(0.02)
    assert record.is_alive()
    table.stop()
    assert not record.is_alive()


def test_a_program_name_with_parentheses_and_spaces_is_read_right(
    table: ProcessTable, tmp_path: Path
) -> None:
    program = tmp_path / "a) R (b"
    program.symlink_to("/bin/sleep")
    command = Command("odd", [str(program), "60"], tmp_path / "log", tmp_path)
    record = start_process(command, table, Lifetime.DETACHED)
    assert record.start_time == start_time_of(record.pid)
    assert record.is_alive()


PARENT = """
import os, sys, threading, time
from pathlib import Path
from devcluster.processes import Command, Lifetime, ProcessTable, start_process
folder = Path(sys.argv[1])
def start():
    command = Command("child", ["/bin/sleep", "60"], folder / "log", folder)
    start_process(command, ProcessTable(folder / "processes.json"), Lifetime(sys.argv[2]))
# From a thread that ends at once: the kernel's signal must follow the interpreter, not the thread.
thread = threading.Thread(target=start)
thread.start()
thread.join()
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize(("lifetime", "survives"), [("ephemeral", False), ("detached", True)])
def test_a_killed_parent_takes_only_ephemeral_children_along(
    table: ProcessTable, tmp_path: Path, lifetime: str, survives: bool
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path), lifetime],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        (record,) = table.records()
        time.sleep(0.3)  # long enough for a signal that follows the thread to arrive
        assert record.is_alive()
        parent.kill()
    assert wait_until_gone(record, 0.5 if survives else TIMEOUT) is not survives


def wait_for(condition: object) -> None:
    assert callable(condition)
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)

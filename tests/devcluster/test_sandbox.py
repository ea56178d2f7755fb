"""A sandbox shows nothing of itself outside, and leaves nothing. Needs root; skipped without."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from devcluster import cgroups, sandbox
from devcluster.packages import find

pytestmark = pytest.mark.skipif(bool(sandbox.obstacle()), reason=f"no sandbox here: {sandbox.obstacle()}")

PATIENCE_SECONDS = 60.0


def run(command: list[str], scratch: Path) -> int:
    return sandbox.run_sandboxed(command, scratch, os.environ)


@pytest.fixture(autouse=True)
def own_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOWAGE_CACHE_DIR", str(tmp_path / "cache"))


def test_the_commands_exit_code_is_returned(tmp_path: Path) -> None:
    assert run(["sh", "-c", "exit 7"], tmp_path / "scratch") == 7


def test_inside_is_another_network_and_empty_folders(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    name = sandbox.NAME_VARIABLE
    script = f"(ip -o -4 address; ls -A /var/lib/kubelet; echo {name}=${name}) >{seen}"

    assert run(["sh", "-c", script], tmp_path / "scratch") == 0

    lines = seen.read_text().splitlines()
    assert [line.split()[1:4] for line in lines[:-1]] == [
        ["lo", "inet", "127.0.0.1/8"],
        ["lo", "inet", f"{sandbox.NODE_ADDRESS}/32"],
    ]
    assert lines[-1].startswith(f"{name}={cgroups.PREFIX}")


def test_mounts_and_settings_made_inside_are_not_seen_outside(tmp_path: Path) -> None:
    place, setting = tmp_path / "place", Path("/proc/sys/kernel/panic")
    place.mkdir()
    before = setting.read_text()
    script = f"mount -t tmpfs none {place} && touch {place}/file && echo 77 > {setting} && grep 77 {setting}"

    assert run(["sh", "-c", script], tmp_path / "scratch") == 0

    assert list(place.iterdir()) == []
    assert setting.read_text() == before


def test_what_a_command_leaves_running_ends_with_it(tmp_path: Path) -> None:
    mark = str(tmp_path / "orphan")
    script = f"{find('setsid')} sh -c 'while :; do sleep 1; done' {mark} & exit 0"

    assert run(["sh", "-c", script], tmp_path / "scratch") == 0

    eventually(lambda: not running(mark))
    assert not (tmp_path / "scratch").exists()
    assert groups(os.getpid()) == []


def test_a_killed_run_leaves_no_process_and_its_group_is_swept_by_the_next(tmp_path: Path) -> None:
    mark = str(tmp_path / "killed")
    code = (
        "import os, sys; from pathlib import Path; from devcluster import sandbox; "
        "command = ['sh', '-c', 'while :; do sleep 1; done', sys.argv[1]]; "
        "sandbox.run_sandboxed(command, Path(sys.argv[2]), os.environ)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    outer = subprocess.Popen([sys.executable, "-c", code, mark, str(tmp_path / "scratch")], env=environment)
    eventually(lambda: any("sandboxinit" not in each for each in running(f"{mark}\0") if each[:2] == "sh"))

    outer.send_signal(signal.SIGKILL)
    outer.wait()

    eventually(lambda: not running(mark))
    assert run(["true"], tmp_path / "scratch") == 0
    eventually(lambda: (cgroups.sweep(), groups(outer.pid) == [])[1])


def running(text: str) -> list[str]:
    """The command lines with a text in them, of processes that are no zombies."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = each.read_bytes().decode()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text in line and int(each.parent.name) != os.getpid():
            found.append(line)
    return found


def groups(pid: int) -> list[Path]:
    return [
        each for each in (root / f"{cgroups.PREFIX}{pid}" for root in cgroups.hierarchies()) if each.exists()
    ]


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)

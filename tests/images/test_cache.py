"""An archive appears when it is complete, once, whatever happens meanwhile."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster.errors import BuildError, ToolError
from images import system
from images.cache import images_folder, publish
from images.system import ensure_programs

TOOLS = Path(__file__).parents[2] / "tools"


def write(draft: Path) -> Path:
    (draft / "file").write_text("made")
    return draft / "file"


def refuse(draft: Path) -> Path:
    raise AssertionError(f"made again in {draft}")


def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    path = publish(tmp_path / "a.tar", write)
    assert publish(path, refuse).read_text() == "made"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.lock", "a.tar"]


def test_a_failed_one_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        publish(tmp_path / "a.tar", refuse)
    assert [each.name for each in tmp_path.iterdir()] == ["a.lock"]
    assert publish(tmp_path / "a.tar", write).is_file()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
        BuildError("wheels", ["OSError: [Errno 28] No space left on device: 'a' -> 'b'"]),
    ],
    ids=["ours", "of a program"],
)
def test_a_full_folder_says_so(tmp_path: Path, error: Exception) -> None:
    def fill(draft: Path) -> Path:
        raise error

    with pytest.raises(BuildError, match=r"no space is left in .*; free some, or set STOWAGE_CACHE_DIR"):
        publish(tmp_path / "a.tar", fill)


SCRIPT = """\
import sys, time
from pathlib import Path
from images.cache import publish

def make(draft):
    (draft / "file").write_text("made")
    with Path(sys.argv[2]).open("a") as log:
        log.write("made\\n")
    print("making", flush=True)
    sys.stdin.read()
    return draft / "file"

print(publish(Path(sys.argv[1]), make), flush=True)
"""


def start(path: Path, log: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(path), str(log)],
        env={**os.environ, "PYTHONPATH": str(TOOLS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_two_at_once_make_it_once(tmp_path: Path) -> None:
    path, log = tmp_path / "a.tar", tmp_path / "log"
    with start(path, log) as first:
        assert line(first) == "making"
        with start(path, log) as second:
            assert line(second) == "another run makes a.tar; waiting for it"
            assert first.communicate("")[0].strip() == str(path)
            assert second.communicate("")[0].strip() == str(path)
    assert log.read_text() == "made\n"


def test_a_killed_one_does_not_stop_the_next(tmp_path: Path) -> None:
    path, log = tmp_path / "a.tar", tmp_path / "log"
    with start(path, log) as killed:
        assert line(killed) == "making"
        killed.send_signal(signal.SIGKILL)
    assert len(list(tmp_path.glob("a.tar.draft-*"))) == 1
    assert publish(path, write).is_file()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.lock", "a.tar", "log"]


def test_the_cache_can_be_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STOWAGE_CACHE_DIR", str(tmp_path))
    assert images_folder() == tmp_path / "images"


def fake(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of one folder, and a lock of our own."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(system, "LOCK", tmp_path / "lock")
    return tmp_path


def test_missing_programs_are_named_where_they_cannot_be_installed(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(programs, "here", "true")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ToolError, match="not installed: b-package, c-package; as root"):
        ensure_programs({"here": "a-package", "no-such-b": "b-package", "no-such-c": "c-package"})
    ensure_programs({"here": "a-package"})


def test_missing_programs_are_installed_by_root_and_said_so(
    programs: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    fake(
        programs,
        "apt-get",
        f'echo "$*" >> {programs}/calls; echo > {programs}/no-such-b; /bin/chmod +x {programs}/no-such-b',
    )
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    ensure_programs({"no-such-b": "b-package"})
    assert capfd.readouterr().out == "installing b-package with apt-get\n"
    calls = (programs / "calls").read_text().splitlines()
    assert [c.removeprefix("-o DPkg::Lock::Timeout=300 ") for c in calls] == [
        "update -q",
        "install -q -y --no-install-recommends b-package",
    ]


def test_a_failed_installation_shows_its_end(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(programs, "apt-get", "echo 'E: no network' >&2; exit 100")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ToolError, match=r"apt-get update failed; install b-package by hand:\nE: no network"):
        ensure_programs({"no-such-b": "b-package"})

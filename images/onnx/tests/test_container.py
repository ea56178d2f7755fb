"""Control groups of both versions, as containers and hosts show them, and what follows for the server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from onnx_server import container
from onnx_server.main import parse

MIB = 1024 * 1024
CORES = 16


@pytest.fixture(autouse=True)
def cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(CORES)))


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text + "\n")
    return folder


VERSION_1 = "5:memory:/pod/one\n4:cpu,cpuacct:/pod/one\n1:name=systemd:/pod/one\n0::/pod/one"
CASES = {
    "version 2, in a container": ("0::/", {"cpu.max": "400000 100000", "memory.max": str(512 * MIB)}, 4, 512),
    "no limit": ("0::/", {"cpu.max": "max 100000", "memory.max": "max"}, CORES, None),
    "parts of a core": ("0::/", {"cpu.max": "250000 100000"}, 2, None),
    "less than a core": ("0::/", {"cpu.max": "20000 100000"}, 1, None),
    "another period": ("0::/", {"cpu.max": "30000 10000"}, 3, None),
    "more than there are": ("0::/", {"cpu.max": "6400000 100000"}, CORES, None),
    "version 2, on the host: the least of all groups": (
        "0::/pod/one",
        {
            "pod/one/cpu.max": "max 100000",
            "pod/cpu.max": "200000 100000",
            "pod/one/memory.max": str(64 * MIB),
        },
        2,
        64,
    ),
    "a group outside of what is seen": ("0::/../../pod", {"cpu.max": "300000 100000"}, 3, None),
    "version 1, in a container": (
        VERSION_1,
        {
            "cpu/cpu.cfs_quota_us": "200000",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": str(256 * MIB),
        },
        2,
        256,
    ),
    "version 1, on the host": (
        VERSION_1,
        {
            "cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
            "cpu,cpuacct/pod/one/cpu.cfs_quota_us": "500000",
            "cpu,cpuacct/pod/one/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "9223372036854771712",
        },
        5,
        None,
    ),
    "nothing to be read": ("", {}, CORES, None),
    "the kernel hides the group": ("", {"cpu.max": "200000 100000"}, 2, None),
}


@pytest.mark.parametrize(("own", "files", "cpus", "mebibytes"), CASES.values(), ids=CASES.keys())
def test_limits(tmp_path: Path, own: str, files: dict[str, str], cpus: int, mebibytes: int | None) -> None:
    root, group = write(tmp_path / "cgroup", files), tmp_path / "own"
    group.write_text(own)
    assert container.cpus(root, group) == cpus
    assert container.memory(root, group) == (mebibytes and mebibytes * MIB)


def test_bound_to_fewer_cores_than_its_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 4})
    root, group = write(tmp_path, {"cpu.max": "800000 100000"}), tmp_path / "own"
    assert container.cpus(root, group) == 2


@pytest.mark.parametrize(
    ("cpus", "memory", "more", "threads", "mebibytes"),
    [
        (4, None, [], 4, 64),
        (1, 512, [], 1, 64),
        (8, 512, [], 8, 8),
        (16, 512, [], 16, 4),
        (1, 16, [], 1, 4),
        (8, 512, ["--threads=2"], 2, 32),
        (8, 512, ["--max-request-mebibytes=100"], 8, 100),
    ],
)
def test_what_follows_for_the_server(
    monkeypatch: pytest.MonkeyPatch,
    cpus: int,
    memory: int | None,
    more: list[str],
    threads: int,
    mebibytes: int,
) -> None:
    monkeypatch.setattr(container, "cpus", lambda: cpus)
    monkeypatch.setattr(container, "memory", lambda: memory and memory * MIB)
    options = parse(["--model-path=/m", "--model-name=m", *more])
    assert (options.threads, options.max_request_mebibytes) == (threads, mebibytes)

"""What the container may use: CPUs and memory, as its control groups limit them.

Source: Linux, Documentation/admin-guide/cgroup-v2.rst (cpu.max, memory.max) and cgroup-v1 (cpu.cfs_quota_us,
cpu.cfs_period_us, memory.limit_in_bytes).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")
UNLIMITED = 2**60
"""Bytes: version 1 writes a number beyond this where there is no limit."""


def cpus(root: Path = CGROUPS, own: Path = OWN_GROUPS) -> int:
    """Whole cores that threads may keep busy, at least one.

    Of 2.5 cores, 2: with three busy threads all of them would be stopped for a part of each period, and the
    slowest requests would be slower for it. Cores that the process is not bound to don't count.
    """
    quotas = [q for folder in _folders(root, own, "cpu") if (q := _quota(folder)) is not None]
    return max(1, int(min([*quotas, float(len(os.sched_getaffinity(0)))])))


def memory(root: Path = CGROUPS, own: Path = OWN_GROUPS) -> int | None:
    """The limit in bytes; None where there is none."""
    limits = []
    for folder in _folders(root, own, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text.isdecimal() and int(text) < UNLIMITED:
                limits.append(int(text))
    return min(limits, default=None)


def _quota(folder: Path) -> float | None:
    """Cores that a group may use."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    if quota.isdecimal() and period.isdecimal() and int(period) > 0:  # not "max", and not -1
        return int(quota) / int(period)
    return None


def _folders(root: Path, own: Path, controller: str) -> Iterator[Path]:
    """Those of the process's group and of all that it lies in. A container's own is most often the root."""
    for line in _read(own).splitlines() or ["0::/"]:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers and controller not in controllers.split(","):
            continue
        bases = [root / controllers, root / controller] if controllers else [root]
        inner = PurePosixPath(path.strip("/"))
        for base in bases:
            yield base
            if ".." not in inner.parts:
                yield from (base / each for each in (inner, *inner.parents))


def _read(file: Path) -> str:
    """The text of a small file; empty where there is none."""
    try:
        return file.read_text().strip()
    except OSError:
        return ""

"""What a process took, by the kernel's account (Linux)."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """Of one process, up to now."""

    cpu_seconds: float
    resident: float
    """MiB now."""
    peak: float
    """MiB at most so far."""


def usage(pid: int) -> Usage:
    """Reads /proc. Raises ProcessLookupError where the process has ended, reaped or not."""
    try:
        return _usage(pid)
    except (FileNotFoundError, KeyError):
        raise ProcessLookupError(f"process {pid} has ended") from None


def _usage(pid: int) -> Usage:
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    status = dict(line.split(":", 1) for line in lines)
    return Usage(
        cpu_seconds=(int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK"),
        resident=int(status["VmRSS"].split()[0]) / 1024,
        peak=int(status["VmHWM"].split()[0]) / 1024,
    )


def wanted_seconds(pid: int) -> float:
    """CPU time that a process has had or waited for so far: on a busy machine one with much to do may
    get little. Source: Documentation/scheduler/sched-stats, /proc/<pid>/schedstat.

    Raises ProcessLookupError where it has ended.
    """
    total = 0
    for task in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended
            ran, waited, _ = task.read_text().split()
            total += int(ran) + int(waited)
    if not total:
        raise ProcessLookupError(f"process {pid} has ended")
    return total / 1e9

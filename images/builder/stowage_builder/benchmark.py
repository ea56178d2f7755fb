"""What a model does on this machine: one request at a time, on so many threads."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stowage_builder.data import DataSet, Input
from stowage_builder.engine import batch_size, open_model

WARM_UP = 20
"""Calls that aren't counted: the first ones allocate and choose kernels."""
CPU_INFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Measured:
    """Latency and rate of one client without pauses."""

    threads: int
    p50: float
    """Seconds."""
    p99: float
    rate: float
    """Requests per second."""
    calls: int

    def to_wire(self) -> dict[str, Any]:
        return {
            "threads": self.threads,
            "p50Seconds": f"{self.p50:.6f}",
            "p99Seconds": f"{self.p99:.6f}",
            "requestsPerSecond": f"{self.rate:.2f}",
            "calls": self.calls,
        }


def benchmark(
    model: Path, data: DataSet, inputs: list[Input], threads: Sequence[int], seconds: float
) -> list[Measured]:
    """Runs single examples (or the model's own batch) for so many seconds on each number of threads."""
    size = batch_size(inputs) if any(each.batch for each in inputs) else 1
    feeds = [feed for feed, _ in zip(data.batches(size), range(256), strict=False)]
    feeds = [f for f in feeds if all(len(array) == size for array in f.values())]
    return [_measure(model, feeds, count, seconds) for count in threads] if feeds else []


def _measure(model: Path, feeds: list[Any], threads: int, seconds: float) -> Measured:
    run = open_model(model, threads)
    for index in range(WARM_UP):
        run(feeds[index % len(feeds)])
    times: list[float] = []
    start = now = time.perf_counter()
    while now - start < seconds or not times:
        run(feeds[len(times) % len(feeds)])
        after = time.perf_counter()
        times.append(after - now)
        now = after
    times.sort()
    return Measured(
        threads=threads,
        p50=times[len(times) // 2],
        p99=times[min(len(times) - 1, int(len(times) * 0.99))],
        rate=len(times) / (now - start),
        calls=len(times),
    )


def processor() -> str:
    """The processor's own name, as far as it says one."""
    if CPU_INFO.exists():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()[:63]
    return platform.machine()

"""What was measured, for people and for comparison with the last time."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.scenarios import Result

RESULTS = Path(__file__).parent / "results"
Record = dict[str, Any]


def record(results: Iterable[Result]) -> Record:
    """The results with where and when they were measured."""
    return {
        "machine": machine(),
        "python": platform.python_version(),
        "at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "yardstick": round(yardstick(), 3),
        "results": {
            r.name: {
                "repetitions": len(r.milliseconds),
                "total": round(r.total, 3),
                "median": round(r.percentile(0.5), 3),
                "p99": round(r.percentile(0.99), 3),
                "clock": r.clock,
                **r.facts,
            }
            for r in results
        },
    }


def machine() -> str:
    """The processor, as far as the system tells it: results of one machine are compared with its own."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()} x {max(1, len(names))}"


def yardstick() -> float:
    """Milliseconds of a fixed piece of Python, the best of several: how fast the machine is just now."""
    return min(_yard() for _ in range(20))


def _yard() -> float:
    start, total = process_time(), 0
    for number in range(20_000):
        total += number % 7
    return (process_time() - start) * 1e3


def last(folder: Path, where: str) -> Record | None:
    """The last record of a machine, where there is one."""
    known = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return next((r for r in reversed(known) if r["machine"] == where), None)


def save(made: Record, folder: Path) -> Path:
    """Writes the record; one file each, named by its time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{made['at'].replace(':', '').replace('-', '')}.json"
    path.write_text(json.dumps(made, indent=2) + "\n")
    return path


def ratio(name: str, made: Record, before: Record | None) -> float | None:
    """The median against the last one, each in terms of its yardstick; below 1 is faster."""
    if before is None or name not in before["results"]:
        return None
    now, then = (r["results"][name]["median"] / r["yardstick"] for r in (made, before))
    return float(now / then) if then else None


def show(made: Record, before: Record | None, console: Console) -> None:
    """Prints the record as a table."""
    table = Table("scenario", title=f"{made['machine']}, Python {made['python']}, ms")
    table.add_column("clock")
    for heading in ("times", "median", "p99", "total", "against last"):
        table.add_column(heading, justify="right")
    table.add_column("what came out")
    known = {"repetitions", "total", "median", "p99", "clock"}
    for name, one in made["results"].items():
        change = ratio(name, made, before)
        facts = ", ".join(f"{value} {fact}" for fact, value in one.items() if fact not in known)
        figures = (f"{one[key]:.2f}" for key in ("median", "p99", "total"))
        against = "-" if change is None else f"x {change:.2f}"
        table.add_row(name, one["clock"], str(one["repetitions"]), *figures, against, facts)
    console.print(table)

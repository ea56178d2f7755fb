"""What was measured, for people and for comparison with the last time."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.scenarios import Result

RESULTS = Path(__file__).parent / "results"
Record = dict[str, Any]


def record(results: Iterable[Result], failures: Mapping[str, str] | None = None) -> Record:
    """The results with where and when they were measured, and what failed."""
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
        **({"failures": dict(failures)} if failures else {}),
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
    """The last record of a machine, where there is one: of each result the newest, since a run need not be of
    all scenarios."""
    known = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    same = [each for each in known if each["machine"] == where]
    if not same:
        return None
    results = {
        name: {"yardstick": each["yardstick"], **one}
        for each in same
        for name, one in each["results"].items()
    }
    return {**same[-1], "results": results}


def save(made: Record, folder: Path) -> Path:
    """Writes the record; one file each, named by its time."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{made['at'].replace(':', '').replace('-', '')}.json"
    path.write_text(json.dumps(made, indent=2) + "\n")
    return path


def ratio(name: str, made: Record, before: Record | None) -> float | None:
    """The median against the last one, each in terms of its run's yardstick; below 1 is faster."""
    if before is None or name not in before["results"]:
        return None
    old = before["results"][name]
    now = made["results"][name]["median"] / made["yardstick"]
    then = old["median"] / old.get("yardstick", before["yardstick"])
    return float(now / then) if then else None


KNOWN = frozenset({"repetitions", "total", "median", "p99", "clock"})
HEADINGS = ("scenario", "clock", "times", "median", "p99", "total", "against last", "what came out")


def rows(made: Record, before: Record | None) -> list[tuple[str, ...]]:
    """The table, row by row; times in milliseconds."""
    found = []
    for name, one in made["results"].items():
        change = ratio(name, made, before)
        facts = ", ".join(f"{_figure(value)} {fact}" for fact, value in one.items() if fact not in KNOWN)
        figures = (f"{one[key]:,.1f}" for key in ("median", "p99", "total"))
        against = "-" if change is None else f"x {change:.2f}"
        found.append((name, one["clock"], str(one["repetitions"]), *figures, against, facts))
    return found


def show(made: Record, before: Record | None, console: Console) -> None:
    """Prints the record as a table, without what came out, which is too long for a screen."""
    table = Table(title=f"{made['machine']}, Python {made['python']}, ms")
    for heading in HEADINGS[:-1]:
        table.add_column(heading, justify="right" if heading in HEADINGS[2:7] else "left")
    for row in rows(made, before):
        table.add_row(*row[:-1])
    console.print(table)


def markdown(made: Record, before: Record | None) -> str:
    """The table for bench/README.md; times in milliseconds."""
    sides = ["---:" if heading in HEADINGS[2:7] else "---" for heading in HEADINGS]
    lines = [HEADINGS, sides, *rows(made, before)]
    about = f"{made['machine']}, Python {made['python']}, {made['at']}; times in ms."
    failed = [f"Failed: {name}: {why}" for name, why in made.get("failures", {}).items()]
    return "\n".join([about, "", *(f"| {' | '.join(each)} |" for each in lines), "", *failed])


def _figure(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"

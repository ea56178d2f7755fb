"""The table at the end of the demo."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from devcluster.workloads import Workload

PLAIN_WIDTH = 200
"""Columns of a log that is no terminal: wide enough to keep most sentences on a line."""

ABSENT = "-"
COLUMNS = ("NAMESPACE/NAME", "ACCELERATOR", "VARIANT", "POOL", "RUNTIME", "REPLICAS", "COST/H")


def report_console() -> Console:
    """Return a console that doesn't squeeze the table where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=PLAIN_WIDTH)


def placements_table(workloads: Sequence[Workload]) -> Table:
    """Return one row per placement, and one for what has none."""
    table = Table(title="Placements", title_justify="left", show_lines=True)
    for column in COLUMNS:
        table.add_column(column, no_wrap=column == "REPLICAS", overflow="fold")
    table.add_column("WHY NOT THE NEXT BEST", overflow="fold", ratio=1)
    for workload in sorted(workloads, key=lambda each: each.name):
        for row in _rows(workload):
            # As plain text: rich would take what stands in brackets for markup.
            table.add_row(*(Text(cell) for cell in row))
    return table


def _rows(workload: Workload) -> list[tuple[str, ...]]:
    placements = workload.placements
    if not placements:
        placed = workload.condition("Placed")
        why = ": ".join(part for part in (placed.reason, placed.message) if part)
        return [(workload.name, *[ABSENT] * (len(COLUMNS) - 1), why or "not placed yet")]
    rows: list[tuple[str, ...]] = []
    for index, placement in enumerate(placements):
        first = index == 0
        rows.append(
            (
                workload.name if first else "",
                f"{placement.get('acceleratorClass', ABSENT)} ({placement.get('acceleratorType', '?')})",
                str(placement.get("variant", ABSENT)),
                str(placement.get("pool", ABSENT)),
                str(placement.get("runtime", ABSENT)),
                f"{placement.get('readyReplicas', 0)}/{placement.get('replicas', 0)}",
                str(placement.get("costPerHour") or ABSENT),
                workload.next_best if first else "",
            )
        )
    return rows

"""Plans for people: the choice first, then the nearest of what was not chosen, each with its reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from stowage.cli.console import console as cli_console
from stowage.cli.performance import sentence
from stowage.control.offline import Planned
from stowage.placement.candidates import Candidate
from stowage.placement.decision import Chosen, Verdict
from stowage.placement.outcome import devices_text

NEAREST = 4
"""Candidates that were not chosen and are shown, unless all are asked for."""


@dataclass(frozen=True, slots=True)
class View:
    """How much is shown."""

    nearest: int | None = NEAREST
    """Candidates that were not chosen. None: all, by every runtime."""
    figures: bool = False
    """What the feasible ones would do, and all figures of the chosen."""
    room: bool = False
    """For how many replicas each has room at present."""


def nearest(planned: Planned, count: int | None) -> list[Verdict]:
    """What was not chosen, the nearest first, each pool and variant once."""
    verdicts: Sequence[Verdict] = planned.decision.verdicts if planned.decision else ()
    seen = {
        (c.as_placed.pool, c.as_placed.variant)
        for c in (planned.decision.placements if planned.decision else ())
    }
    found = []
    for verdict in verdicts:
        place = verdict.candidate.placement
        if count is None or (place.pool, place.variant) not in seen:
            seen.add((place.pool, place.variant))
            found.append(verdict)
    return found[:count]


def show(planned: list[Planned], view: View) -> None:
    """Prints each deployment: the choice, then what else was looked at. A reason has a line of its own,
    so that it reads on a terminal of any width."""
    console = cli_console()
    for number, one in enumerate(planned):
        if number:
            console.print()
        _show_one(console, one, view)


def _show_one(console: Console, one: Planned, view: View) -> None:
    name = f"{one.workload.metadata.namespace}/{one.workload.name}"
    console.print(Text.assemble((name, "bold"), f"  {one.outcome.code.value}: {one.outcome.message}"))
    chosen = one.decision.placements if one.decision else ()
    rows = [
        (
            _cells("chosen", c.candidate, _total(c), c.replicas),
            [sentence(c.candidate, wide=view.figures), *_room(one, c.candidate, view)],
        )
        for c in chosen
    ]
    rows += [
        (_row(v), [*_lines(v, view), *_room(one, v.candidate, view)]) for v in nearest(one, view.nearest)
    ]
    widths = [max((len(cells[i]) for cells, _ in rows), default=0) for i in range(COLUMNS)]
    for cells, why in rows:
        for line in _fold(cells, widths, console.width):
            console.print(Text(line, style="green" if cells[0] == "chosen" else ""))
        for text in why:
            console.print(Padding(Text(text, style="dim"), (0, 0, 0, 4 + widths[0]), expand=False))


def _fold(cells: Sequence[str], widths: Sequence[int], width: int) -> list[str]:
    """The cells under one another in columns; on a terminal that is too narrow for these, verdict and
    candidate on a line and the rest on the next."""
    line = "  ".join(cell.ljust(room) for cell, room in zip(cells, widths, strict=True)).rstrip()
    if 2 + sum(widths) + 2 * (len(widths) - 1) <= width:
        return [f"  {line}"]
    verdict, candidate, *rest = cells
    return [f"  {verdict.ljust(widths[0])}  {candidate}", f"  {' ' * widths[0]}  {'  '.join(rest)}"]


COLUMNS = 5


def _cells(verdict: str, candidate: Candidate, cost: Decimal | None, replicas: int) -> tuple[str, ...]:
    """Verdict, candidate, devices, runtime, cost."""
    name = candidate.pool.accelerator_class.name
    devices = devices_text(candidate) if candidate.devices else name
    times = f"{replicas} x ({devices})" if replicas > 1 else devices
    price = f"{cost:.2f}/h" if cost is not None else "-"
    return (
        verdict,
        f"{candidate.variant.name} on {candidate.pool.name}",
        times,
        candidate.runtime.name,
        price,
    )


def _total(chosen: Chosen) -> Decimal | None:
    cost = chosen.candidate.replica_cost
    return None if cost is None else cost * chosen.replicas


def _row(verdict: Verdict) -> tuple[str, ...]:
    candidate = verdict.candidate
    cost = candidate.total_cost if candidate.devices else None
    kind = "feasible" if verdict.feasible else "rejected"
    return _cells(kind, candidate, cost, candidate.replicas if candidate.devices else 1)


def _why(verdict: Verdict) -> str:
    return "; ".join(r.message for r in verdict.reasons)


def _lines(verdict: Verdict, view: View) -> list[str]:
    figures = [sentence(verdict.candidate, wide=True)] if view.figures and verdict.feasible else []
    return [_why(verdict), *figures]


def _room(one: Planned, candidate: Candidate, view: View) -> list[str]:
    capacity = one.room(candidate) if view.room else None
    if capacity is None:
        return []
    more = f", {capacity.provisionable} more on nodes to come" if capacity.provisionable else ""
    return [f"room for {capacity.free} {'replica' if capacity.free == 1 else 'replicas'}{more}"]


def markdown(planned: list[Planned]) -> str:
    """The same for a pull request's comment."""
    lines = [
        "### Placement plan",
        "",
        "| deployment | verdict | candidate | devices | runtime | cost | why |",
    ]
    lines.append("|---|---|---|---|---|---|---|")
    for one in planned:
        name = f"{one.workload.metadata.namespace}/{one.workload.name}"
        if not one.placed:
            lines.append(
                f"| {name} | **{one.outcome.code.value}** | | | | | {_escape(one.outcome.message)} |"
            )
        for chosen in one.decision.placements if one.decision else ():
            cells = _cells("**chosen**", chosen.candidate, _total(chosen), chosen.replicas)
            lines.append(
                f"| {name} | {' | '.join(map(_escape, cells))} | {_escape(sentence(chosen.candidate))} |"
            )
        for verdict in nearest(one, 2):
            cells = tuple(map(_escape, _row(verdict)))
            lines.append(f"| {name} | {' | '.join(cells)} | {_escape(_why(verdict))} |")
    return "\n".join(lines)


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")

"""Advice for a terminal: what serves, the Pareto front first; what can't, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from rich.console import Console
from rich.text import Text

from stowage.cli.advise_data import verdict
from stowage.cli.advise_text import LEGEND, axis_text, marked, money, needs, number, seconds
from stowage.cli.console import console as cli_console
from stowage.placement.advise import Advice, Axis, Offer
from stowage.placement.figures import Figures, figures

MONEY_COLUMNS = ("COST/H", "COST/M")


def show(advices: list[Advice], currency: str | None) -> None:
    """Prints one section for each deployment."""
    console = cli_console()
    for count, advice in enumerate(advices):
        if count:
            console.print()
        _show_one(console, advice, currency)


def _show_one(console: Console, advice: Advice, currency: str | None) -> None:
    workload = advice.workload
    name = f"{workload.metadata.namespace}/{workload.name}"
    console.print(Text.assemble((name, "bold"), f"  {workload.spec.model.name}: {needs(workload)}"))
    if advice.outcome is not None:
        _line(console, f"  {advice.outcome.code.value}: {advice.outcome.message}")
    else:
        money_text = f" ({currency})" if currency and advice.axis == "costPerHour" else ""
        _line(console, f"  * Pareto front of {axis_text(advice.axis)}{money_text} against latency. {LEGEND}")
        _table(console, advice)
    if any(o.budget_unchecked for o in advice.serving):
        most = workload.spec.requirements.max_cost_per_hour
        _line(console, f"  ! maxCostPerHour {most} isn't checked where no price is known; give --prices")
    _refused(console, advice)


def _table(console: Console, advice: Advice) -> None:
    language = advice.workload.spec.model.attention is not None
    priced = any(o.on("costPerHour") is not None for o in advice.serving)
    header = [
        "", "CLASS", "VARIANT", "RUNTIME", "REPLICAS", "LATENCY", "AT BATCH 1",
        *(["FIRST TOKEN", "EACH TOKEN"] if language else []), "REQUESTS/S", "J/REQUEST",
        *(MONEY_COLUMNS if priced else ()), "",
    ]  # fmt: skip
    rows = [_cells(o, advice.axis, language, priced) for o in advice.serving]
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]
    for cells in [header, *rows]:
        line = "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()
        _line(console, f"  {line}", "bold" if cells is header else "green" if cells[0] == "*" else "")


def _cells(offer: Offer, axis: Axis, language: bool, priced: bool) -> list[str]:
    known = figures(offer)
    return [
        "*" if offer.standing == "Front" else "",
        *offer.key,
        ", ".join(offer.runtimes),
        _replicas(offer, known),
        _cell(known, "latency", seconds) + _rank(offer.latency_rank),
        _cell(known, "latencyAlone", seconds) + _rank(offer.alone_rank),
        *([_cell(known, n, seconds) for n in ("timeToFirstToken", "timePerOutputToken")] if language else []),
        _cell(known, "requestsPerSecond", number),
        _cell(known, "joulesPerRequest", number),
        *([_cell(known, "costPerHour", money), _cell(known, _million(known), money)] if priced else []),
        _standing(offer, axis),
    ]


def _million(known: Figures) -> str:
    language = known["costPerMillionOutputTokens"] is not None
    return "costPerMillionOutputTokens" if language else "costPerMillionInferences"


def _cell(known: Figures, name: str, text: Callable[[float], str]) -> str:
    figure = known[name]
    if figure is None or figure.value is None:
        return "-"
    return marked(text(figure.value), figure)


def _rank(rank: int | None) -> str:
    return "" if rank is None else f" #{rank}"


def _replicas(offer: Offer, known: Figures) -> str:
    devices = known["devicesPerReplica"]
    text = f"{offer.candidate.replicas} x {offer.candidate.devices}"
    if devices is None:
        return text
    unit = devices.unit if offer.candidate.devices > 1 else devices.unit.removesuffix("s")
    return marked(f"{text} {unit}", devices)


def _standing(offer: Offer, axis: Axis) -> str:
    if offer.dominated_by is not None:
        return f"behind {' '.join(offer.dominated_by)}"
    if offer.standing == "Front":
        return ""
    if offer.on(axis) is None:
        return "no price known" if axis == "costPerHour" else "no energy known"
    return "no latency known"


def _refused(console: Console, advice: Advice) -> None:
    """Classes on which nothing serves, with the nearest variant's reasons; then single variants."""
    serving = {o.key[0] for o in advice.serving}
    nearest: dict[str, Offer] = {}
    for offer in advice.refused:
        if offer.key[0] not in serving:
            nearest.setdefault(offer.key[0], offer)
    if nearest:
        console.print(Text("  Can't serve it", style="bold"))
        width = max(len(name) for name in nearest)
        for name in sorted(nearest):
            one = nearest[name]
            why = "; ".join(r.message for r in one.reasons)
            _line(console, f"    {name.ljust(width)}  {verdict(one)}: {one.key[1]}: {why}")
    others = [o for o in advice.refused if o.key[0] in serving]
    if others:
        console.print(Text("  Variants that don't serve where others do", style="bold"))
        for (variant, code), group in _by_reason(others):
            names = ", ".join(sorted(o.key[0] for o in group))
            _line(console, f"    {variant}  {code}: {names}")


def _by_reason(offers: Iterable[Offer]) -> Iterable[tuple[tuple[str, str], list[Offer]]]:
    def key(offer: Offer) -> tuple[str, str]:
        return offer.key[1], offer.reasons[0].code.value

    return ((k, list(group)) for k, group in groupby(sorted(offers, key=key), key=key))


def _line(console: Console, text: str, style: str = "") -> None:
    """One line that a narrow terminal wraps and a pipe doesn't."""
    console.print(Text(text, style=style), soft_wrap=True)

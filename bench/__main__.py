"""``python -m bench [SCENARIO...]``: measures, shows, and keeps what was measured."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Annotated

import typer
from rich.console import Console

from bench import catalogue, plots, report
from bench.book import Book
from bench.live.sizes import Size
from devcluster.entry import run_command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
FULL = Size()
MINUTES = 35.0
WIDTH = 150
"""Columns of the table where there is no terminal to ask."""
EPILOG = """\b
Examples:

\b
python -m bench                       everything, in its full size
python -m bench decide burst          two scenarios
python -m bench --small --no-save     does it work?
python -m bench fleet storm --nodes 500 --deployments 200 --foreign-pods 5000
"""


@app.command(epilog=EPILOG)
def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="; ".join(catalogue.NAMES) + ". None named: all.", metavar="SCENARIO"),
    ] = None,
    small: Annotated[bool, typer.Option(help="Small sizes: to see that it works.")] = False,
    save: Annotated[bool, typer.Option(help="Keep the results in bench/results.")] = True,
    nodes: Annotated[int, typer.Option(help="Nodes of the fleet and the curve.")] = FULL.nodes,
    pools: Annotated[int, typer.Option(help="Their pools.")] = FULL.pools,
    deployments: Annotated[int, typer.Option(help="InferenceDeployments of the fleet.")] = FULL.deployments,
    foreign_pods: Annotated[int, typer.Option(help="Pods of others on the fleet.")] = FULL.foreign_pods,
    fill_seconds: Annotated[float, typer.Option(help="For creating them.")] = FULL.fill_seconds,
    churn: Annotated[float, typer.Option(help="Of them, replaced a second.")] = FULL.churn,
    seconds: Annotated[float, typer.Option(help="Of the fleet's steady state.")] = FULL.seconds,
    bursts: Annotated[str, typer.Option(help="Sizes of the bursts.")] = ",".join(map(str, FULL.bursts)),
    minutes: Annotated[float, typer.Option(help="For all: what would begin later is left out.")] = MINUTES,
    curve: Annotated[str, typer.Option(help="Numbers of the curve.")] = ",".join(map(str, FULL.curve)),
) -> int:
    """Measures decisions by CPU time, and the operator on a real API server from outside.

    A scenario that fails is named at the end, and the exit code is 1; the others' results stay. Ctrl-C
    ends everything that was started, and keeps what was measured so far.
    """
    unknown = sorted(set(names or ()) - set(catalogue.NAMES))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(catalogue.NAMES)}")
    live = replace(
        FULL,
        nodes=nodes,
        pools=min(pools, nodes),
        deployments=deployments,
        foreign_pods=foreign_pods,
        fill_seconds=fill_seconds,
        churn=churn,
        seconds=seconds,
        bursts=_numbers(bursts),
        curve=_numbers(curve),
    )
    book = Book(lambda text: print(text, flush=True), minutes=minutes)  # noqa: T201
    try:
        size = catalogue.SMALL if small else catalogue.Sizes(live=live)
        catalogue.run(names or (), size, book)
    finally:
        _conclude(book, save and not small)
    return 1 if book.failures else 0


def _conclude(book: Book, save: bool) -> None:
    """Shows and keeps what there is, all of it or not."""
    if not book.results and not book.failures:
        return
    made = report.record(book.results, book.failures)
    before = report.last(report.RESULTS, made["machine"])
    report.show(made, before, Console(width=None if sys.stdout.isatty() else WIDTH))
    typer.echo("\n" + report.markdown(made, before))
    if save and book.results:
        typer.echo(f"kept in {report.save(made, report.RESULTS).relative_to(report.RESULTS.parents[1])}")
        for path in plots.draw(book.results, report.RESULTS):
            typer.echo(f"drawn in {path.relative_to(report.RESULTS.parents[1])}")
    for name, why in book.failures.items():
        typer.echo(f"FAILED: {name}: {why}")


def _numbers(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(each) for each in text.split(",") if each)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of numbers such as 250,500") from None


if __name__ == "__main__":
    sys.exit(run_command(lambda: app(standalone_mode=False)))

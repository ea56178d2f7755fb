"""``python -m bench [SCENARIO...] [--small] [--no-save]``: measures, shows, and keeps what was measured."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from bench import report
from bench.scenarios import SMALL, Size, every, run


def main(
    scenarios: Annotated[list[str] | None, typer.Argument(help=", ".join(every(SMALL)) + "; all.")] = None,
    small: Annotated[bool, typer.Option(help="Small sizes: to see that it works.")] = False,
    save: Annotated[bool, typer.Option(help="Keep the results in bench/results.")] = True,
) -> None:
    """Measures the CPU time of decisions and of what is around them."""
    unknown = sorted(set(scenarios or ()) - set(every(SMALL)))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(every(SMALL))}")
    made = report.record(run(SMALL if small else Size(), scenarios or ()))
    report.show(made, report.last(report.RESULTS, made["machine"]), Console())
    if save and not small:
        typer.echo(f"kept in {report.save(made, report.RESULTS).relative_to(report.RESULTS.parents[1])}")


if __name__ == "__main__":
    typer.run(main)

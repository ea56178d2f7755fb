"""``python -m bench [SCENARIO...] [--small] [--no-save]``: measures, shows, and keeps what was measured."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from bench import report, scenarios
from bench.live import scenarios as whole

NAMES = (*scenarios.every(scenarios.SMALL), *whole.every(whole.SMALL))


def main(
    names: Annotated[
        list[str] | None, typer.Argument(help=", ".join(NAMES) + "; all.", metavar="SCENARIO")
    ] = None,
    small: Annotated[bool, typer.Option(help="Small sizes: to see that it works.")] = False,
    save: Annotated[bool, typer.Option(help="Keep the results in bench/results.")] = True,
) -> None:
    """Measures decisions by CPU time, and the operator on a real API server from outside."""
    unknown = sorted(set(names or ()) - set(NAMES))
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(NAMES)}")
    known = {
        **scenarios.every(scenarios.SMALL if small else scenarios.Size()),
        **whole.every(whole.SMALL if small else whole.Size()),
    }
    made = report.record(scenarios.run(known, names or ()))
    report.show(made, report.last(report.RESULTS, made["machine"]), Console())
    if save and not small:
        typer.echo(f"kept in {report.save(made, report.RESULTS).relative_to(report.RESULTS.parents[1])}")


if __name__ == "__main__":
    typer.run(main)

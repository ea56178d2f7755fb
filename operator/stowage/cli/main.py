"""The ``stowage`` command."""

from __future__ import annotations

from typing import Annotated

import typer

from stowage import __version__
from stowage.cli import catalog, crds, explain, operator, plan, pools

app = typer.Typer(
    name="stowage",
    help="Put every inference workload on the accelerator that suits it, in its best variant.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(operator.app, name="operator")
app.add_typer(crds.app, name="crds")
app.command("plan")(plan.plan)
app.command("explain")(explain.explain)
app.command("pools")(pools.pools)
app.command("catalog")(catalog.catalog)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"stowage {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Global options."""

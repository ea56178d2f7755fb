"""The ``stowage`` command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from stowage import __version__
from stowage.cli import advise, catalog, crds, explain, operator, permissions, plan, pools, reference


class Group(TyperGroup):
    """Ends with 1 where the command line is wrong. Typer's own 2 is kept for what can't be placed, so that
    CI tells one from the other."""

    def make_context(self, *args: Any, **extra: Any) -> Any:
        with _ends_with_one():
            return super().make_context(*args, **extra)

    def invoke(self, *args: Any) -> Any:
        with _ends_with_one():
            return super().invoke(*args)


@contextmanager
def _ends_with_one() -> Iterator[None]:
    try:
        yield
    except typer.TyperException as error:
        error.exit_code = 1
        raise


app = typer.Typer(
    name="stowage",
    cls=Group,
    help="Put every inference workload on the accelerator that suits it, in its best variant.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(operator.app, name="operator")
app.add_typer(crds.app, name="crds")
app.add_typer(reference.app, name="reference", hidden=True)
app.command("plan")(plan.plan)
app.command("advise")(advise.advise)
app.command("explain")(explain.explain)
app.command("pools")(pools.pools)
app.command("catalog")(catalog.catalog)
app.command("permissions")(permissions.permissions)


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

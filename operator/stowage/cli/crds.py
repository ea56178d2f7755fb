"""``stowage crds``: the CustomResourceDefinitions that the models define."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Print or write the CustomResourceDefinitions.", no_args_is_help=True)


@app.command("print")
def print_all() -> None:
    """Print all of them as YAML.

    Exits with 0.

    Example:

    \b
    stowage crds print | kubectl apply --server-side -f -
    """
    from stowage.api.crds import custom_resource_definitions, render_yaml

    typer.echo("---\n".join(render_yaml(crd) for crd in custom_resource_definitions().values()))


@app.command("generate")
def generate(
    directory: Annotated[Path, typer.Argument(metavar="DIRECTORY", help="Folder to write to.")],
) -> None:
    """Write one file for each kind.

    Exits with 0, or 1 where the folder can't be written.

    Example:

    \b
    stowage crds generate crds
    """
    from stowage.api.crds import write
    from stowage.cli.errors import writing

    with writing("crds generate", directory):
        write(directory)

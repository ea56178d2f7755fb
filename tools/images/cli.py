"""The commands of ``python -m images``."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from images.build import archive_of, ensure_image
from images.recipes import RECIPES, reference

app = typer.Typer(
    help="Build the container images, and keep them as archives in a cache.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def build(
    name: Annotated[str, typer.Argument(help="One of those that list shows.")],
    output: Annotated[Path | None, typer.Option(help="Copy the archive to this file too.")] = None,
) -> None:
    """Build an image where its content changed, and print the archive's path.

    Load it with `docker load -i FILE` or `ctr -n k8s.io images import FILE`.
    """
    archive = ensure_image(name)
    if output is not None:
        shutil.copyfile(archive, output)
        archive = output
    print(archive)


@app.command("list")
def list_images() -> None:
    """Show every image: its name, its reference, and where its archive is, if it is built."""
    for name in RECIPES:
        archive = archive_of(name)
        print(f"{name:16}{reference(name):36}{archive if archive.exists() else 'not built'}")

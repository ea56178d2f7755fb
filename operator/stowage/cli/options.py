"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Fleet = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="What kubectl get nodes,pods -A -o yaml wrote; resourceslices and deviceclasses too. "
        "Pods take their room. Absent: the cluster.",
    ),
]
Context = Annotated[
    str | None, typer.Option(metavar="NAME", help="Context of the kubeconfig; absent: the current one.")
]
Everything = Annotated[
    bool, typer.Option("--all", help="Show every candidate instead of the nearest; each runtime, too.")
]


def files(holding: str) -> typer.models.OptionInfo:
    """``-f``, for files that hold what is named."""
    option: typer.models.OptionInfo = typer.Option(
        "--filename", "-f", metavar="PATH", help=f"File, folder or - with {holding}. Repeatable."
    )
    return option


def output() -> typer.models.OptionInfo:
    """``-o``."""
    option: typer.models.OptionInfo = typer.Option("--output", "-o", help="Form of the output.")
    return option

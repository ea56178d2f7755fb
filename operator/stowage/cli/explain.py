"""``stowage explain``: why a deployment is where it is, with more candidates than its status holds."""

from __future__ import annotations

from typing import Annotated

import typer

from stowage.cli.errors import UsageError
from stowage.cli.plan import PlanOutput, show_plan
from stowage.cli.world import read_context
from stowage.control.offline import Offline


def explain(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="NAMESPACE/NAME, or NAME in namespace default.")
    ],
    context: Annotated[str | None, typer.Option(metavar="NAME", help="Context of the kubeconfig.")] = None,
    output: Annotated[
        PlanOutput, typer.Option("--output", "-o", help="Form of the output.")
    ] = PlanOutput.WIDE,
) -> None:
    """Decide anew for one deployment of the cluster, beside what serves, and show every candidate.

    Exits with 0 when it is placed, 2 when it can't be, 1 on an error.

    Example:

    \b
    stowage explain shop/chat
    """
    namespace, _, short = name.rpartition("/")
    key = namespace or "default", short
    offline = Offline()
    try:
        read_context(offline, context, workloads=True)
        wanted = [w for w in offline.workloads() if w.key == key]
        if not wanted:
            raise UsageError(f"InferenceDeployment {key[0]}/{key[1]} doesn't exist; see kubectl get infd -A")
    except UsageError as error:
        typer.echo(f"stowage explain: {error}", err=True)
        raise typer.Exit(1) from None
    planned = offline.plan(wanted)
    show_plan(planned, output)
    raise typer.Exit(0 if planned[0].placed else 2)

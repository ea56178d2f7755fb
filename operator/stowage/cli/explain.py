"""``stowage explain``: why a deployment is where it is, with more candidates than its status holds."""

from __future__ import annotations

from typing import Annotated

import typer

from stowage.cli import options
from stowage.cli.errors import UsageError
from stowage.cli.plan import PlanOutput, show_plan
from stowage.cli.tables import View
from stowage.cli.world import read_context
from stowage.control.offline import Offline

NEAREST = 10
"""Candidates that were not chosen and are shown, unless all are asked for."""


def explain(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="NAMESPACE/NAME, or NAME in namespace default.")
    ],
    context: options.Context = None,
    output: Annotated[PlanOutput, options.output()] = PlanOutput.TABLE,
    everything: options.Everything = False,
) -> None:
    """Decide anew for one deployment of the cluster, beside what serves, and show the candidates with the
    room that each has at present.

    What is in status.backoffs is left alone, as the operator would.

    Exits with 0 when it is placed, 2 when it can't be, 1 on an error.

    Examples:

    \b
    stowage explain shop/chat
    stowage explain shop/chat --all
    stowage explain shop/chat -o json
    """
    namespace, _, short = name.rpartition("/")
    key = namespace or "default", short
    offline = Offline()
    try:
        read_context(offline, context, workloads=True)
        if why := offline.misunderstood(key):
            raise UsageError(f"InferenceDeployment {key[0]}/{key[1]} can't be understood: {why}")
        wanted = [w for w in offline.workloads() if w.key == key]
        if not wanted:
            raise UsageError(f"InferenceDeployment {key[0]}/{key[1]} doesn't exist; see kubectl get infd -A")
    except UsageError as error:
        typer.echo(f"stowage explain: {error}", err=True)
        raise typer.Exit(1) from None
    planned = offline.plan(wanted)
    show_plan(planned, output, View(None if everything else NEAREST, room=True))
    raise typer.Exit(0 if planned[0].placed else 2)

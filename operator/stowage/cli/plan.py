"""``stowage plan``: what would be placed where, and why, before anything is applied."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from stowage.cli.errors import UsageError
from stowage.cli.world import load_world
from stowage.control.offline import Planned


class PlanOutput(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"
    MANIFESTS = "manifests"


def plan(
    files: Annotated[
        list[str],
        typer.Option(
            "--filename",
            "-f",
            metavar="PATH",
            help="File, folder or - with any of the five kinds. Repeatable.",
        ),
    ],
    fleet: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="What kubectl get nodes -o yaml wrote, pods too if you like. Absent: the cluster.",
        ),
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Context of the kubeconfig, where no fleet is given."),
    ] = None,
    output: Annotated[
        PlanOutput, typer.Option("--output", "-o", help="Form of the output.")
    ] = PlanOutput.TABLE,
) -> None:
    """Decide where deployments would be served, by the code that the operator runs. Writes nothing.

    Exits with 0 when all are placed, 2 when one can't be, 1 on an error.

    Examples:

    \b
    stowage plan -f chat.yaml
    kubectl get nodes,pods -A -o yaml > fleet.yaml
    stowage plan -f manifests/ --fleet fleet.yaml -o markdown
    """
    try:
        offline, named = load_world(files, fleet, context)
        if not named:
            raise UsageError(f"no InferenceDeployment in {', '.join(files)}")
        wanted = [w for w in offline.workloads() if w.key in named]
    except UsageError as error:
        typer.echo(f"stowage plan: {error}", err=True)
        raise typer.Exit(1) from None
    planned = offline.plan(wanted)
    show_plan(planned, output)
    raise typer.Exit(0 if all(p.placed for p in planned) else 2)


def show_plan(planned: list[Planned], output: PlanOutput) -> None:
    """Prints plans in the form asked for."""
    from stowage.cli import tables
    from stowage.cli.decisions import plan_json

    match output:
        case PlanOutput.JSON:
            json.dump(plan_json(planned), sys.stdout, indent=2)
            typer.echo()
        case PlanOutput.YAML:
            import yaml

            typer.echo(yaml.safe_dump(plan_json(planned), sort_keys=False), nl=False)
        case PlanOutput.MARKDOWN:
            typer.echo(tables.markdown(planned))
        case PlanOutput.MANIFESTS:
            typer.echo(_manifests(planned), nl=False)
        case PlanOutput.TABLE | PlanOutput.WIDE:
            tables.show(planned, wide=output is PlanOutput.WIDE)


def _manifests(planned: list[Planned]) -> str:
    """Exactly what the operator would apply, but for the owner reference, whose uid only the server knows."""
    import yaml

    from stowage.render.children import deployment, disruption_budget, service

    documents = []
    for one in planned:
        if one.decision is None or not one.decision.placements:
            continue
        documents += [service(one.workload), disruption_budget(one.workload)]
        documents += [deployment(c) for c in one.decision.placements]
    for document in documents:
        if not document["metadata"]["ownerReferences"][0]["uid"]:
            del document["metadata"]["ownerReferences"]
    return yaml.safe_dump_all(documents, sort_keys=False)

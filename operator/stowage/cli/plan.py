"""``stowage plan``: what would be placed where, and why, before anything is applied."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from enum import StrEnum
from typing import Annotated

import typer

from stowage.cli import options
from stowage.cli.errors import UsageError
from stowage.cli.tables import NEAREST, View
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
    filename: Annotated[list[str], options.files("any of the five kinds")],
    fleet: options.Fleet = None,
    context: options.Context = None,
    output: Annotated[PlanOutput, options.output()] = PlanOutput.TABLE,
    everything: options.Everything = False,
) -> None:
    """Decide where deployments would be served, by the code that the operator runs. Writes nothing.

    What is in an object's status.backoffs is left alone as the operator would.

    Exits with 0 when all are placed, 2 when one can't be, 1 on an error.

    Examples:

    \b
    stowage plan -f chat.yaml
    kubectl get nodes,pods -A -o yaml > fleet.yaml
    stowage plan -f manifests/ --fleet fleet.yaml -o markdown
    """
    try:
        offline, named = load_world(filename, fleet, context)
        if not named:
            raise UsageError(f"no InferenceDeployment in {', '.join(filename)}")
        wanted = [w for w in offline.workloads() if w.key in named]
    except UsageError as error:
        typer.echo(f"stowage plan: {error}", err=True)
        raise typer.Exit(1) from None
    planned = offline.plan(wanted)
    show_plan(planned, output, View(None if everything else NEAREST))
    raise typer.Exit(0 if all(p.placed for p in planned) else 2)


def show_plan(planned: list[Planned], output: PlanOutput, view: View) -> None:
    """Prints plans in the form asked for; ``view``: how much of them a table has."""
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
            wide = output is PlanOutput.WIDE
            tables.show(planned, replace(view, nearest=None, figures=True) if wide else view)


def _manifests(planned: list[Planned]) -> str:
    import yaml

    return yaml.safe_dump_all([body for one in planned for body in one.manifests], sort_keys=False)

"""``stowage advise``: what a model would need of every kind of accelerator, before there is a fleet."""

from __future__ import annotations

import json
import logging
import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from stowage.cli import options
from stowage.cli.errors import UsageError

if TYPE_CHECKING:
    from stowage.cli.advise_prices import Prices
    from stowage.placement.advise import Advice


class AdviseOutput(StrEnum):
    TABLE = "table"
    JSON = "json"
    SVG = "svg"


def advise(
    filename: Annotated[
        list[str], options.files("InferenceDeployments; classes and runtimes in it join the catalog")
    ],
    prices: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="YAML or JSON: what one device of each class costs per hour."),
    ] = None,
    output: Annotated[AdviseOutput, options.output()] = AdviseOutput.TABLE,
) -> None:
    """Say what a deployment would need of every accelerator class, by the code that the operator runs.

    Needs no cluster.

    Exits with 0 when each can be served by some class, 2 when one can't, 1 on an error.

    Examples:

    stowage advise -f chat.yaml

    stowage advise -f chat.yaml --prices prices.yaml -o svg > chat.svg
    """
    try:
        found, known = _advise(filename, prices)
        _show(found, known, output)
    except UsageError as error:
        typer.echo(f"stowage advise: {error}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(0 if all(a.outcome is None for a in found) else 2)


def _advise(files: list[str], prices: str | None) -> tuple[list[Advice], Prices]:
    from stowage.api.accelerator_class import AcceleratorClass
    from stowage.api.inference_deployment import InferenceDeployment
    from stowage.api.inference_runtime import InferenceRuntime
    from stowage.catalog import load_catalog
    from stowage.cli.advise_prices import Prices, read_prices
    from stowage.cli.manifests import read, validate
    from stowage.placement.advise import advise as advise_one

    classes, runtimes = dict(load_catalog().classes), dict(load_catalog().runtimes)
    workloads: dict[tuple[str, str], InferenceDeployment] = {}
    for manifest in read(files):
        match validate(manifest):
            case AcceleratorClass() as given:
                classes[given.name] = given
            case InferenceRuntime() as given:
                runtimes[given.name] = given
            case InferenceDeployment() as given:
                placed = given.metadata.model_copy(
                    update={"namespace": given.metadata.namespace or "default"}
                )
                workload = given.model_copy(update={"metadata": placed})
                workloads[workload.key] = workload
    if not workloads:
        raise UsageError(f"no InferenceDeployment in {', '.join(files)}")
    known = read_prices(prices, classes) if prices is not None else Prices()
    ordered = [workloads[key] for key in sorted(workloads)]
    return [advise_one(w, classes.values(), runtimes.values(), known.of_device) for w in ordered], known


def _show(found: list[Advice], known: Prices, output: AdviseOutput) -> None:
    match output:
        case AdviseOutput.JSON:
            from stowage.cli.advise_data import advice_json

            json.dump(advice_json(found, known.currency), sys.stdout, indent=2)
            typer.echo()
        case AdviseOutput.SVG:
            typer.echo(_svg(found, known), nl=False)
        case AdviseOutput.TABLE:
            from stowage.cli.advise_table import show

            show(found, known.currency)


def _svg(found: list[Advice], known: Prices) -> str:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it tells of its caches
    try:
        from stowage.cli.advise_plot import svg
    except ImportError:
        raise UsageError("-o svg needs matplotlib; pip install 'stowage-operator[plot]'") from None
    return svg(found, known.currency)

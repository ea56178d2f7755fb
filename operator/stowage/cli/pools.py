"""``stowage pools``: the node pools as Stowage sees them."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from stowage.cli import options
from stowage.cli.errors import UsageError
from stowage.cli.world import load_world
from stowage.control.offline import Offline
from stowage.placement.capacity import usable
from stowage.placement.snapshot import NONE, Pool


class PoolsOutput(StrEnum):
    TABLE = "table"
    JSON = "json"


def pools(
    fleet: options.Fleet = None,
    filename: Annotated[
        list[str] | None, options.files("AcceleratorPools and AcceleratorClasses to add")
    ] = None,
    context: options.Context = None,
    output: Annotated[PoolsOutput, options.output()] = PoolsOutput.TABLE,
) -> None:
    """Show the node pools: class, devices in all and free, price, and nodes that could not be understood.

    Exits with 0, also where no pool was found; 1 on an error.

    Examples:

    \b
    stowage pools
    stowage pools --fleet fleet.yaml -o json
    """
    try:
        offline, _ = load_world(filename or [], fleet, context)
    except UsageError as error:
        typer.echo(f"stowage pools: {error}", err=True)
        raise typer.Exit(1) from None
    found = [pool_json(offline, p) for p in offline.world.discovery.pools]
    problems = list(offline.world.discovery.problems)
    if output is PoolsOutput.JSON:
        json.dump({"pools": found, "problems": problems}, sys.stdout, indent=2)
        typer.echo()
        return
    _table(found)
    for problem in problems:
        typer.echo(f"! {problem}")


def pool_json(offline: Offline, pool: Pool) -> dict[str, Any]:
    """One pool as data. Devices of a CPU pool are cores; those of unusable nodes aren't free."""
    unit = 1000 if pool.is_cpu else 1
    open_nodes = [n for n in pool.nodes if usable(pool, n, ())]
    used = offline.world.usage.by_node
    free = sum(
        n.allocatable.get(pool.resource, 0) - used.get(n.name, NONE).get(pool.resource, 0) for n in open_nodes
    )
    return {
        "name": pool.name,
        "acceleratorClass": pool.accelerator_class.name,
        "acceleratorType": pool.accelerator_class.spec.type,
        "capacityType": pool.capacity_type,
        "architecture": pool.architecture,
        "resourceName": None if pool.dra_only else pool.resource,
        "draOnly": pool.dra_only,
        "nodes": len(pool.nodes),
        "usableNodes": len(open_nodes),
        "devices": sum(n.allocatable.get(pool.resource, 0) for n in pool.nodes) // unit,
        "freeDevices": free // unit,
        "deviceMemoryGiB": round(pool.device_memory / 2**30, 1) if pool.device_memory else None,
        "costPerHour": float(pool.cost_per_hour) if pool.cost_per_hour is not None else None,
        "provisionableNodes": pool.provision.nodes if pool.provision else 0,
    }


def _table(found: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from stowage.cli.console import console

    table = Table(
        "POOL", "CLASS", "TYPE", "CAPACITY", "NODES", "DEVICES FREE", "MEMORY", "COST/H A NODE", box=None
    )
    for one in found:
        nodes = f"{one['usableNodes']}/{one['nodes']}"
        if one["provisionableNodes"] != 0:
            more = one["provisionableNodes"]
            nodes += f" (+{'?' if more is None else more})"
        memory = f"{one['deviceMemoryGiB']} GiB" if one["deviceMemoryGiB"] else "-"
        cost = f"{one['costPerHour']:.2f}" if one["costPerHour"] is not None else "-"
        devices = f"{one['freeDevices']}/{one['devices']}" + (" (DRA only)" if one["draOnly"] else "")
        table.add_row(
            one["name"],
            one["acceleratorClass"],
            one["acceleratorType"],
            one["capacityType"],
            nodes,
            devices,
            memory,
            cost,
        )
    console().print(table)

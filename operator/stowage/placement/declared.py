"""What AcceleratorPools say of node pools: their price, their limits, and pools that have no node yet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from decimal import Decimal

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.api.quantity import parse_bytes, parse_millis
from stowage.placement.pool_labels import capacity_type, named_by_label, with_resource
from stowage.placement.recognition import declared_resource
from stowage.placement.requests import cpu_share
from stowage.placement.snapshot import Pool, Provision


def declare(
    pools: list[Pool], declared: Iterable[AcceleratorPool], known: Mapping[str, AcceleratorClass]
) -> tuple[list[Pool], list[str]]:
    """The pools as declarations price and extend them, and what is wrong with these."""
    problems = []
    for declaration in sorted(declared, key=lambda d: d.name):
        accelerator_class = known.get(declaration.spec.accelerator_class)
        if accelerator_class is None:
            problems.append(
                f"AcceleratorPool {declaration.name}: acceleratorClass "
                f"{declaration.spec.accelerator_class!r} doesn't exist"
            )
            continue
        unnamed = declared_resource(declaration, accelerator_class) is None
        if declaration.spec.provisionable and unnamed and len(_meant(pools, declaration)) != 1:
            problems.append(
                f"AcceleratorPool {declaration.name}: {accelerator_class.name} is published under a name that"
                " differs from node to node; write provisionable.resourceName"
            )
        pools = _declare(pools, declaration, accelerator_class)
    return pools, problems


def _declare(pools: list[Pool], declaration: AcceleratorPool, accelerator: AcceleratorClass) -> list[Pool]:
    """Prices the pools that a declaration means and adds what an autoscaler can bring.

    A declaration never renames a pool or moves its keys: a price must not restart a pod. So a declared
    pool whose labels don't give the name that its nodes will have stays beside theirs once they come.
    """
    spec = declaration.spec
    price = Decimal(spec.cost_per_hour) if spec.cost_per_hour is not None else None
    meant = _meant(pools, declaration)
    resource = meant[0].resource if len(meant) == 1 else declared_resource(declaration, accelerator)
    provision = _provision(declaration, resource, accelerator, sum(len(p.nodes) for p in meant))
    changed = {
        id(p): replace(
            p,
            cost_per_hour=price if price is not None else p.cost_per_hour,
            capacity_type=spec.capacity_type or p.capacity_type,
            provision=provision if len(meant) == 1 else p.provision,
        )
        for p in meant
    }
    result = [changed.get(id(p), p) for p in pools]
    if spec.provisionable is None or (len(meant) == 1 and named_by_label(spec.node_selector)):
        return result
    empty = _empty_pool(declaration, accelerator, price, provision if len(meant) != 1 else None)
    return result if any(p.key == empty.key for p in result) else [*result, empty]


def _meant(pools: Iterable[Pool], declaration: AcceleratorPool) -> list[Pool]:
    """The pools of nodes that are there and that the declaration speaks of."""
    name, wanted = declaration.spec.accelerator_class, declaration.spec.node_selector.items()
    return [
        p for p in pools if p.accelerator_class.name == name and all(p.labels.get(k) == v for k, v in wanted)
    ]


def _provision(
    declaration: AcceleratorPool, resource: str | None, accelerator: AcceleratorClass, existing: int
) -> Provision | None:
    what = declaration.spec.provisionable
    if what is None or resource is None or (what.max_nodes is not None and what.max_nodes <= existing):
        return None
    shape = {
        resource: what.devices_per_node,
        "cpu": parse_millis(what.cpu) if what.cpu else 10**9,
        "memory": parse_bytes(what.memory) if what.memory else 2**60,
        "ephemeral-storage": 2**60,
        "pods": 110,
    }
    if accelerator.spec.type == "CPU":
        shape["cpu"] = what.devices_per_node * 1000
    return Provision(None if what.max_nodes is None else what.max_nodes - existing, shape)


def _empty_pool(
    declaration: AcceleratorPool,
    accelerator: AcceleratorClass,
    price: Decimal | None,
    provision: Provision | None,
) -> Pool:
    spec = declaration.spec
    named = named_by_label(spec.node_selector)
    what = spec.provisionable
    topology = accelerator.spec.topology_label
    resource = declared_resource(declaration, accelerator) or ""
    return Pool(
        name=with_resource(named[0] if named else declaration.name, accelerator, resource),
        accelerator_class=accelerator,
        nodes=(),
        keys=tuple(sorted(spec.node_selector.items())),
        identified_by_keys=named is not None,
        capacity_type=spec.capacity_type or capacity_type(spec.node_selector),
        architecture=what.architecture if what else "amd64",
        devices_per_node=what.devices_per_node if what else 0,
        device_memory=parse_bytes(accelerator.spec.memory) if accelerator.spec.memory else None,
        node_memory=parse_bytes(what.memory) if what and what.memory else 2**60,
        node_cpu=parse_millis(what.cpu) if what and what.cpu else 10**9,
        cpu_per_device=cpu_share(parse_millis(what.cpu), what.devices_per_node)
        if what and what.cpu
        else None,
        labels=dict(spec.node_selector),
        topology=spec.node_selector.get(topology, "") if topology else "",
        cost_per_hour=price,
        provision=provision,
        published="" if resource == accelerator.spec.resource_name else resource,
    )

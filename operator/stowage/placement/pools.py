"""Node pools from nodes: which nodes are alike, what they are called, what they cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.api.quantity import GIB, parse_bytes, parse_millis
from stowage.placement.dynamic import NO_DEVICES, Devices, DynamicIndex
from stowage.placement.pool_labels import (
    ARCHITECTURE,
    INSTANCE_TYPE,
    capacity_type,
    named_by_label,
    with_resource,
)
from stowage.placement.recognition import (
    Recognised,
    classes_by_resource,
    declared_resource,
    recognise,
)
from stowage.placement.snapshot import Node, Pool, Provision


@dataclass(frozen=True, slots=True)
class Discovery:
    """The pools of a cluster, and the nodes that could not be understood."""

    pools: tuple[Pool, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Identity:
    """What makes two nodes members of one pool."""

    name: str
    keys: tuple[tuple[str, str], ...]
    identified_by_keys: bool
    resource: str


def discover(
    nodes: Iterable[Node],
    classes: Iterable[AcceleratorClass],
    declared: Iterable[AcceleratorPool],
    devices: Devices = NO_DEVICES,
) -> Discovery:
    """Groups nodes into pools, priced and extended by what AcceleratorPools declare.

    The result doesn't depend on the order of the arguments.
    """
    known = {c.name: c for c in classes}
    nodes = sorted(nodes, key=lambda n: n.name)
    by_resource = classes_by_resource(known.values(), {r for n in nodes for r in n.capacity})
    dynamic = DynamicIndex(devices, known.values(), by_resource)
    groups: dict[tuple[_Identity, str], list[Node]] = {}
    problems = dynamic.problems
    for node in nodes:
        more = dynamic.on(node)
        for found in (recognise(node, by_resource, has_devices=more.present), more.found):
            problems.extend(_problems(node, found))
            for accelerator, resource in zip(found.classes, found.resources, strict=True):
                identity = _identify(more.node, accelerator, resource)
                groups.setdefault((identity, accelerator.name), []).append(more.node)
    pools = [_pool(identity, known[name], members) for (identity, name), members in groups.items()]
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
    return Discovery(tuple(sorted(pools, key=lambda p: (p.name, p.accelerator_class.name))), tuple(problems))


def _problems(node: Node, found: Recognised) -> list[str]:
    several = [
        f"Node {node.name}: {resource} matches the classes {' and '.join(names)} equally; "
        "make one of them more specific"
        for resource, names in found.ambiguous
    ]
    none = [
        f"Node {node.name}: no accelerator class matches its {resource}; create an AcceleratorClass for it"
        for resource in found.unknown
    ]
    return several + none


def _identify(node: Node, accelerator: AcceleratorClass, resource: str) -> _Identity:
    """The pool's name and keys. They depend on the node alone, so that a name never changes because
    of other nodes."""
    extra = [(k, node.labels[k]) for k in accelerator.spec.pool_labels if k in node.labels]
    named = named_by_label(node.labels)
    name, keys = named or _named_by_shape(node, accelerator, resource)
    # What the provider sets itself is one value for the whole of its pool, and the pool's name implies it.
    provider = keys[0][0].partition("/")[0] if named else None
    parts = [name, *(v for k, v in extra if v and k.partition("/")[0] != provider)]
    if _is_shared(node.labels, accelerator) and accelerator.spec.sharing is not None:
        sharing = accelerator.spec.sharing
        label = sharing.strategy_label if sharing.strategy_label in node.labels else sharing.replicas_label
        parts.append("shared")
        keys = [*keys, *([(label, node.labels[label])] if label else [])]
    name = with_resource(".".join(parts), accelerator, resource)
    return _Identity(name, tuple(dict.fromkeys([*keys, *extra])), named is not None, resource)


def _named_by_shape(
    node: Node, accelerator: AcceleratorClass, resource: str
) -> tuple[str, list[tuple[str, str]]]:
    """Where no provider names a pool: instance type, class, devices and, unless amd64, architecture.

    The instance type alone says little: some distributions give every node the same.
    """
    devices = node.capacity.get(resource, 0)
    count = devices // 1000 if accelerator.spec.type == "CPU" else devices
    instance_type, architecture = node.labels.get(INSTANCE_TYPE), node.labels.get(ARCHITECTURE, "")
    parts = [
        instance_type or "",
        f"{accelerator.name}-{count}x",
        "" if architecture == "amd64" else architecture,
    ]
    keys = [(k, node.labels[k]) for k in (INSTANCE_TYPE, ARCHITECTURE) if node.labels.get(k)]
    return ".".join(p for p in parts if p), keys


def _is_shared(labels: Mapping[str, str], accelerator: AcceleratorClass) -> bool:
    """Whether a strategy says so or, where no strategy is named, a number of shares above one."""
    sharing = accelerator.spec.sharing
    if sharing is None:
        return False
    strategy = labels.get(sharing.strategy_label)
    if strategy is not None:
        return strategy not in sharing.exclusive_values
    shares = labels.get(sharing.replicas_label, "") if sharing.replicas_label else ""
    return shares.isdigit() and int(shares) > 1


def _pool(identity: _Identity, accelerator: AcceleratorClass, nodes: list[Node]) -> Pool:
    first = nodes[0]
    common = dict(first.labels)
    for node in nodes[1:]:
        common = {k: v for k, v in common.items() if node.labels.get(k) == v}
    topology = accelerator.spec.topology_label
    return Pool(
        name=identity.name,
        accelerator_class=accelerator,
        nodes=tuple(nodes),
        keys=identity.keys,
        identified_by_keys=identity.identified_by_keys,
        capacity_type=capacity_type(common),
        architecture=common.get(ARCHITECTURE, "amd64"),
        devices_per_node=_devices_per_node(accelerator, identity.resource, nodes),
        device_memory=_device_memory(accelerator, nodes),
        node_memory=max(n.allocatable.get("memory", 0) for n in nodes),
        labels=common,
        topology=common.get(topology, "") if topology else "",
        shared=_is_shared(common, accelerator),
        published="" if identity.resource == accelerator.spec.resource_name else identity.resource,
    )


def _devices_per_node(accelerator: AcceleratorClass, resource: str, nodes: list[Node]) -> int:
    """Devices of the largest node; of a CPU the cores that pods can have, since no replica has more."""
    if accelerator.spec.type == "CPU":
        return max(n.allocatable.get("cpu", 0) for n in nodes) // 1000
    return max(n.capacity.get(resource, 0) for n in nodes)


def _device_memory(accelerator: AcceleratorClass, nodes: list[Node]) -> int | None:
    """Memory of one device in bytes: the least live label, else the nominal figure, per share."""
    spec = accelerator.spec
    live: list[int] = []
    if spec.memory_label is not None:
        unit = GIB if spec.memory_label.unit == "Gi" else 1024**2
        texts = [n.labels.get(spec.memory_label.key, "") for n in nodes]
        live = [int(t) * unit for t in texts if t.isdigit() and int(t) > 0]
    memory = min(live) if live else (parse_bytes(spec.memory) if spec.memory else None)
    if memory is None or spec.sharing is None or spec.sharing.replicas_label is None:
        return memory
    shares = [
        n.labels.get(spec.sharing.replicas_label, "1") for n in nodes if _is_shared(n.labels, accelerator)
    ]
    return memory // max([1, *(int(s) for s in shares if s.isdigit())])


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
    if what is None or resource is None or what.max_nodes <= existing:
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
    return Provision(what.max_nodes - existing, shape)


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
        labels=dict(spec.node_selector),
        topology=spec.node_selector.get(topology, "") if topology else "",
        cost_per_hour=price,
        provision=provision,
        published="" if resource == accelerator.spec.resource_name else resource,
    )


def slice_hosts(pool: Pool) -> int:
    """Hosts that a slice of the pool's topology spans: 1 for 2x4 chips on nodes of 8 chips."""
    sides = [int(s) for s in pool.topology.split("x") if s.isdigit()]
    if not sides or pool.devices_per_node < 1:
        return 1
    return math.ceil(math.prod(sides) / pool.devices_per_node)

"""Node pools from nodes: which nodes are alike, what they are called, what they cost."""

from __future__ import annotations

import math
from dataclasses import dataclass

from stowage.api.accelerator_class import AcceleratorClass
from stowage.placement.device_labels import device_memory, shares_of
from stowage.placement.pool_labels import (
    ARCHITECTURE,
    INSTANCE_TYPE,
    capacity_type,
    named_by_label,
    with_resource,
)
from stowage.placement.recognition import CLASS_LABEL
from stowage.placement.requests import cpu_share
from stowage.placement.snapshot import Node, Pool


@dataclass(frozen=True, slots=True)
class Identity:
    """What makes two nodes members of one pool."""

    name: str
    keys: tuple[tuple[str, str], ...]
    identified_by_keys: bool
    resource: str


def identify(node: Node, accelerator: AcceleratorClass, resource: str, *, settled: bool = False) -> Identity:
    """The pool's name and keys. They depend on the node alone, so that a name never changes because
    of other nodes.

    Args:
        settled: the node's class is known by the label of an admin alone.
    """
    labels, spec = node.labels, accelerator.spec
    extra = [(k, labels[k]) for k in spec.pool_labels if k in labels]
    named = named_by_label(labels)
    name, keys = named or _named_by_shape(node, accelerator, resource)
    # What the provider sets itself is one value for the whole of its pool, and the pool's name implies it.
    provider = keys[0][0].partition("/")[0] if named else None
    parts = [name, *(v for k, v in extra if v and k.partition("/")[0] != provider)]
    if (shares := shares_of(spec, labels)) is not None:
        parts.append("shared")
        keys = [*keys, (shares.label, labels[shares.label])]
    if settled:
        parts.append("labelled")
        keys = [*keys, (CLASS_LABEL, accelerator.name)]
    name = with_resource(".".join(parts), accelerator, resource)
    return Identity(name, tuple(dict.fromkeys([*keys, *extra])), settled or named is not None, resource)


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


def pool_of(identity: Identity, accelerator: AcceleratorClass, nodes: list[Node]) -> Pool:
    """The pool that these nodes are."""
    spec = accelerator.spec
    shared_labels = set(nodes[0].labels.items())
    for node in nodes[1:]:
        shared_labels &= node.labels.items()
    common = {k: v for k, v in nodes[0].labels.items() if (k, v) in shared_labels}
    memories = [m for m in (device_memory(spec, n.labels) for n in nodes) if m is not None]
    return Pool(
        name=identity.name,
        accelerator_class=accelerator,
        nodes=tuple(nodes),
        keys=identity.keys,
        identified_by_keys=identity.identified_by_keys,
        capacity_type=capacity_type(common),
        architecture=common.get(ARCHITECTURE, "amd64"),
        devices_per_node=_devices_per_node(accelerator, identity.resource, nodes),
        device_memory=min(memories, default=None),
        node_memory=max(n.allocatable.get("memory", 0) for n in nodes),
        node_cpu=max(n.allocatable.get("cpu", 0) for n in nodes),
        cpu_per_device=min(
            (cpu_share(n.allocatable.get("cpu", 0), n.capacity.get(identity.resource, 0)) for n in nodes),
            default=None,
        ),
        labels=common,
        topology=common.get(spec.topology_label, "") if spec.topology_label else "",
        shared=shares_of(spec, common) is not None,
        published="" if identity.resource == spec.resource_name else identity.resource,
    )


def _devices_per_node(accelerator: AcceleratorClass, resource: str, nodes: list[Node]) -> int:
    """Devices of the largest node; of a CPU the cores that pods can have, since no replica has more."""
    if accelerator.spec.type == "CPU":
        return max(n.allocatable.get("cpu", 0) for n in nodes) // 1000
    return max(n.capacity.get(resource, 0) for n in nodes)


def slice_hosts(pool: Pool) -> int:
    """Hosts that a slice of the pool's topology spans: 1 for 2x4 chips on nodes of 8 chips."""
    sides = [int(s) for s in pool.topology.split("x") if s.isdigit()]
    if not sides or pool.devices_per_node < 1:
        return 1
    return math.ceil(math.prod(sides) / pool.devices_per_node)

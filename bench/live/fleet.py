"""A cloud's fleet as API objects: the very fleet that decisions are measured with (``bench/fleets.py``)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random
from typing import Any

from bench import fleets
from bench.fleets import POOL, SEED, Fleet
from bench.live.client import Object
from bench.live.site import NAMESPACE
from stowage.placement.snapshot import Node

MACHINES = (*fleets.MACHINES, ("nvidia-h100-pcie-80gb", 4, 96, 768, "41.30"))
"""With the twentieth class."""
VARIANTS = 3


def fleet(pools: int, nodes: int) -> Fleet:
    """So many nodes in so many pools, of 20 classes from 26 pools on."""
    return fleets.fleet(pools, nodes, MACHINES)


def node(one: Node) -> Object:
    """A Node object that is ready."""
    amounts = _amounts(one)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": one.name, "labels": dict(one.labels)},
        "spec": {"taints": [{"key": t.key, "value": t.value, "effect": t.effect} for t in one.taints]},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": conditions()},
    }


def conditions() -> list[Object]:
    """What a healthy kubelet says of its node."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = (
        ("MemoryPressure", "False", "KubeletHasSufficientMemory"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID"),
        ("Ready", "True", "KubeletReady"),
    )
    return [
        {"type": kind, "status": status, "reason": reason, "lastHeartbeatTime": now}
        for kind, status, reason in said
    ]


def _amounts(one: Node) -> dict[str, str]:
    return {key: f"{value}m" if key == "cpu" else str(value) for key, value in one.allocatable.items()}


def deployments(first: int, last: int) -> Iterator[Object]:
    """The InferenceDeployments of these numbers, with the policies in turn."""
    names = [each.metadata.name for each in fleets.policies()]
    for number in range(first, last):
        made = _wire(fleets.deployment(number, VARIANTS))
        made["metadata"]["namespace"] = NAMESPACE
        made["spec"]["policy"] = names[number % len(names)]
        yield made


def policies() -> list[Object]:
    """All of them."""
    return [_wire(each) for each in fleets.policies()]


def classes(made: Fleet) -> list[Object]:
    """Those of the fleet's machines, which replace the catalog's."""
    return [_wire(each) for each in made.classes]


def prices(made: Fleet) -> list[Object]:
    """The AcceleratorPools."""
    return [_wire(each) for each in made.declared]


def reclaimed(made: Fleet, share: float = 0.25) -> frozenset[str]:
    """Pools of spot capacity that hold about such a share of all nodes, or as much as there is: the same for
    the same fleet."""
    random = Random(SEED)
    spot = sorted({n.labels[POOL] for n in made.nodes if "cloud.google.com/gke-spot" in n.labels})
    sizes = {pool: sum(n.labels[POOL] == pool for n in made.nodes) for pool in spot}
    random.shuffle(spot)
    chosen: list[str] = []
    while spot and sum(sizes[p] for p in chosen) < share * len(made.nodes):
        chosen.append(spot.pop())
    return frozenset(chosen)


def _wire(model: Any) -> Object:
    """The object as a user writes it."""
    found: Object = model.to_wire()
    metadata = {key: found["metadata"][key] for key in ("name", "labels") if key in found["metadata"]}
    return {**found, "metadata": metadata}

"""The snapshot is kept up to date at the cost of what changed: it is what a fresh start would see."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from stowage.api.quantity import GIB
from stowage.catalog import Catalog, load_catalog
from stowage.cluster.ports import NODES
from stowage.control.projections import PodUse, project_node
from stowage.control.store import AnyStore, Store
from stowage.control.world import World
from stowage.placement.decide import decide
from stowage.placement.snapshot import Demand, Holding, Node, Placement, Snapshot
from stowage.render.names import OWNER_LABEL, placement_annotations, placement_hash

from ..placement.builders import GPU, policy, runtime, workload

POOL, L4 = "cloud.google.com/gke-nodepool", {"nvidia.com/gpu.product": "NVIDIA-L4"}
PLACES = [Placement("bf16", "server", pool, "nvidia-l4", 1) for pool in ("a", "b")]

CATALOG = Catalog({"nvidia-l4": load_catalog().classes["nvidia-l4"]}, {"server": runtime()})


def node(name: str, pool: str, **spec: Any) -> dict[str, Any]:
    amounts = {"cpu": "32", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110", GPU: "4"}
    return {
        "metadata": {"name": name, "labels": {POOL: pool, **L4}},
        "spec": spec,
        "status": {
            "allocatable": amounts,
            "capacity": amounts,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def deployment(owner: str, placement: Placement, replicas: int) -> dict[str, Any]:
    container = {"resources": {"requests": {"cpu": "4", "memory": "15Gi", GPU: "1"}}}
    return {
        "metadata": {
            "name": f"{owner}-{placement_hash(placement)}",
            "namespace": "shop",
            "labels": {OWNER_LABEL: owner},
            "annotations": placement_annotations(placement),
            "ownerReferences": [{"uid": owner, "name": owner, "kind": "x", "controller": True}],
        },
        "spec": {"replicas": replicas, "template": {"spec": {"containers": [container]}}},
    }


def owner_of(name: str, uid: str = "") -> dict[str, Any]:
    body = workload(name=name).to_wire()
    metadata = {"name": name, "namespace": "shop", "uid": uid or name}
    return {**body, "metadata": metadata}


class Twin:
    """A world that lives, and what is needed to make its like from nothing."""

    def __init__(self) -> None:
        self.world = World(CATALOG, changed=lambda *_: None)
        self.nodes: Store[Node] = Store(NODES, project_node, self.world.node_changed)
        self.version = 0
        self.bodies: dict[tuple[str, str], dict[str, Any]] = {}
        self.pods: dict[tuple[str, str], PodUse] = {}
        self.in_flight: dict[str, Holding] = {}

    def put(self, kind: str, body: dict[str, Any] | None, name: str = "") -> None:
        """Adds or replaces an object; None: deletes it."""
        stores = {"node": self.nodes, "deployment": self.world.deployments}
        store: AnyStore = {**stores, "owner": self.world.workloads}[kind]
        self.version += 1
        if body is None:
            old = self.bodies.pop((kind, name), None)
            if old is not None:
                old["metadata"]["resourceVersion"] = str(self.version)
                store.observe("DELETED", old)
            return
        body["metadata"]["resourceVersion"] = str(self.version)
        self.bodies[kind, body["metadata"]["name"]] = body
        store.observe("MODIFIED", body)

    def pod(self, name: str, use: PodUse | None) -> None:
        key = "shop", name
        self.world.pod_changed(key, self.pods.pop(key, None), use)
        if use is not None:
            self.pods[key] = use

    def reserve(self, holding: Holding | None, name: str = "") -> None:
        if holding is not None:
            self.in_flight[holding.deployment] = holding
            self.world.reserve("shop", holding)
        elif self.in_flight.pop(name, None):
            self.world.release("shop", name)

    def anew(self) -> World:
        other = Twin()
        for (kind, _), body in self.bodies.items():
            other.put(kind, dict(body, metadata=dict(body["metadata"])))
        for (_, name), use in self.pods.items():
            other.pod(name, use)
        for holding in self.in_flight.values():
            other.reserve(holding)
        return other.world


def step(twin: Twin, random: Random) -> None:
    owner, placement = f"o{random.randint(0, 3)}", random.choice(PLACES)
    name = f"{owner}-{placement_hash(placement)}"
    where = f"n{random.randint(0, 4)}"
    match random.randint(0, 8):
        case 0:
            twin.put("node", node(where, random.choice("ab"), unschedulable=random.random() < 0.2))
        case 1:
            twin.put("node", None, where)
        case 2:
            twin.put("deployment", deployment(owner, placement, random.randint(0, 4)))
        case 3:
            twin.put("deployment", None, name)
        case 4:
            ours = (owner, placement_hash(placement)) if random.random() < 0.7 else ("", "")
            requests = {GPU: 1, "cpu": 4000, "memory": 15 * GIB, "pods": 1}
            twin.pod(f"p{random.randint(0, 9)}", PodUse(where, requests, *ours))
        case 6:
            twin.put("owner", owner_of(owner, random.choice((owner, "another"))))
        case 7:
            twin.put("owner", None, owner)
        case 5:
            twin.pod(f"p{random.randint(0, 9)}", None)
        case _:
            held = Holding(("shop", owner), name, placement, {GPU: 1, "cpu": 4000}, random.randint(1, 3))
            twin.reserve(held if random.random() < 0.6 else None, name)


def seen(snapshot: Snapshot) -> tuple[object, ...]:
    used = {name: dict(amounts) for name, amounts in snapshot.used.items() if amounts}
    return snapshot.pools, snapshot.runtimes, used, snapshot.held


@pytest.mark.parametrize("seed", range(10))
def test_what_is_kept_is_what_would_be_found_anew(seed: int) -> None:
    random, twin = Random(seed), Twin()
    demand = Demand(workload(name="o1", replicas=3), policy())
    for _ in range(25):
        for _ in range(random.randint(1, 4)):
            step(twin, random)
        twin.world.discover()
        kept, fresh = twin.world.snapshot(), twin.anew().snapshot()
        assert seen(kept) == seen(fresh)
        current = tuple(h.placement for h in kept.held.values() if h.owner == demand.key)
        assert decide(kept, demand, current) == decide(fresh, demand, current)


def test_nothing_changed_means_the_same_snapshot() -> None:
    twin = Twin()
    twin.put("node", node("n", "a"))
    assert twin.world.snapshot() is twin.world.snapshot()
    before = twin.world.snapshot()
    twin.put("node", node("n", "a"))
    assert twin.world.snapshot() is before, "a heartbeat changes nothing that a decision sees"


def test_a_snapshot_in_use_does_not_change() -> None:
    twin = Twin()
    twin.put("node", node("n", "a"))
    before = twin.world.snapshot()
    twin.pod("p", PodUse("n", {GPU: 1, "pods": 1}, "", ""))
    twin.put("owner", owner_of("o1"))
    twin.put("deployment", deployment("o1", PLACES[0], 2))
    assert (dict(before.used), before.holdings) == ({}, ())
    assert (len(twin.world.snapshot().used), len(twin.world.snapshot().holdings)) == (1, 1)


@pytest.mark.parametrize(
    ("owner", "counts"),
    [
        (None, False),
        (owner_of("o1", uid="another"), False),
        (owner_of("o2", uid="o1"), False),
        (owner_of("o1"), True),
    ],
)
def test_only_the_deployment_of_an_object_that_exists_holds_room(
    owner: dict[str, Any] | None, counts: bool
) -> None:
    """Labels and references can be forged: with a Deployment that makes no pod, all room of a pool."""
    twin = Twin()
    twin.put("node", node("n", "a"))
    twin.put("deployment", deployment("o1", PLACES[0], 1000))
    if owner is not None:
        twin.put("owner", owner)
    assert len(twin.world.snapshot().holdings) == counts
    if owner is not None:
        twin.put("owner", None, owner["metadata"]["name"])
    assert twin.world.snapshot().holdings == ()


def test_a_lone_node_is_followed_at_once_and_a_crowd_when_told_to() -> None:
    world = Twin().world
    seen = [world.discovery]

    def node(name: str) -> bool:
        """Whether that changes what is seen."""
        world.node_changed(("", name), None, project_node({"metadata": {"name": name}}))
        seen.append(world.discovery)
        return seen[-1] is not seen[-2]

    assert [node("1"), node("2"), node("3")] == [True, False, False]
    world.discover()
    assert world.discovery is not seen[-1]
    assert [node("4"), node("5")] == [True, False]
    accel = {"metadata": {"name": "own", "resourceVersion": "1"}, "spec": {}}
    world.classes.observe("ADDED", accel)
    assert world.discovery is not seen[-1], "what people write is followed at once"

"""Random fleets, policies and workloads, and what a scheduler does with a decision.

The same 500 examples every time, so that a run in CI says what a run here says. For a longer search among
others: ``STOWAGE_EXAMPLES=5000 pytest tests/unit/placement/test_properties.py``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from stowage.placement.capacity import tolerates
from stowage.placement.decision import Chosen, Decision
from stowage.placement.discovery import discover
from stowage.placement.snapshot import Amounts, Demand, Holding, Node, Placement, Snapshot

from .builders import (
    GKE_POOL,
    GPU,
    Spec,
    accelerator,
    bind,
    cpu_class,
    declared,
    node,
    policy,
    priced,
    runtime,
    tier,
    variant,
    workload,
)

SEARCH = os.environ.get("STOWAGE_EXAMPLES")
examples = settings(
    max_examples=int(SEARCH or 500),
    deadline=None,
    derandomize=SEARCH is None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)

CLASSES = [
    accelerator("small", memory="16Gi"),
    accelerator("large", memory="80Gi", memoryBandwidth="3000", powerWatts="400"),
    accelerator("blank", memoryBandwidth=None, precisions=[{"name": "bf16"}]),
    cpu_class("cpu"),
]
RUNTIMES = [
    runtime("one"),
    runtime("two", supports=[{"precisions": ["fp16"], "deviceCounts": [2, 4]}]),
]
DECLARED = [
    priced("p0", "small", "2"),
    priced("p1", "large", "7.5"),
    declared(
        "new", {GKE_POOL: "p9"}, "large", costPerHour="9", provisionable={"maxNodes": 2, "devicesPerNode": 4}
    ),
]
VARIANTS = [
    variant("bf16"),
    variant("fp16", precision="fp16", quality="0.99"),
    variant("big", size="30Gi"),
    variant("small", size="2Gi", quality="0.95"),
    variant("strange", format="gguf"),
]
TIERS: list[list[Spec]] = [
    [],
    [tier("large", classes=["large"]), tier("rest")],
    [tier("cheap", classes=["small", "blank"]), tier("large", classes=["large"]), tier("cpu", types=["CPU"])],
]
GOALS = [
    "Cheapest",
    "LowestLatency",
    "HighestThroughput",
    "LowestEnergy",
    "BestFit",
    "MostCapable",
    "FirstAvailable",
]


@dataclass(frozen=True)
class Scene:
    """A fleet and what others hold there."""

    nodes: tuple[Node, ...]
    used: dict[str, Amounts]
    holdings: tuple[Holding, ...]

    def seen(self, *more: Holding, nodes: Sequence[Node] | None = None) -> Snapshot:
        found = discover(self.nodes if nodes is None else nodes, CLASSES, DECLARED)
        return bind(Snapshot(found.pools, tuple(RUNTIMES), self.used, self.holdings), *more)


@st.composite
def nodes(draw: st.DrawFn, name: str = "n") -> Node:
    kind = draw(st.sampled_from(["small", "large", "blank", None]))
    number = draw(st.integers(0, 1))
    pool = draw(st.sampled_from([None, f"p{['small', 'large', 'blank', None].index(kind) + 4 * number}"]))
    return node(
        name,
        kind,
        pool,
        taints=draw(st.sampled_from([(), (), (GPU,), ("team",)])),
        ready=draw(st.sampled_from([True, True, True, False])),
        cordoned=draw(st.sampled_from([False, False, False, True])),
        cpu=draw(st.sampled_from(["8", "64"])),
        memory=draw(st.sampled_from(["64Gi", "512Gi"])),
        **({GPU: draw(st.sampled_from([1, 2, 4]))} if kind else {}),
    )


@st.composite
def scenes(draw: st.DrawFn, least: int = 0, reserved: bool = True) -> Scene:
    fleet = tuple(draw(nodes(f"n{i}")) for i in range(draw(st.integers(least, 6))))
    used = {
        n.name: {GPU: draw(st.integers(0, n.capacity.get(GPU, 0))), "cpu": draw(st.sampled_from([0, 4000]))}
        for n in fleet
        if draw(st.booleans())
    }
    pools = discover(fleet, CLASSES, DECLARED).pools
    others = [
        Holding(
            ("else", f"w{i}"),
            f"w{i}",
            Placement("v", "one", p.name, p.accelerator_class.name, 1),
            {p.resource: 1, "cpu": 4000},
            draw(st.integers(0, 3)),
        )
        for i, p in enumerate(pools)
        if reserved and not p.is_cpu and draw(st.booleans())
    ]
    return Scene(fleet, used, tuple(others))


@st.composite
def demands(draw: st.DrawFn, name: str = "chat") -> Demand:
    split = draw(st.booleans())
    rules = policy(
        goal=draw(st.sampled_from(GOALS)),
        tiers=draw(st.sampled_from(TIERS)),
        allowCPU=draw(st.booleans()),
        split="Allowed" if split else "Never",
        mixedPrecision=split and draw(st.booleans()),
        serveWhileProvisioning=draw(st.booleans()),
        tolerations=draw(st.sampled_from([[], ["team"]])),
    )
    asked: Spec = draw(
        st.sampled_from(
            [
                {},
                {"minQuality": "0.99"},
                {"maxCostPerHour": "4"},
                {"latency": {"timePerOutputToken": "20ms"}},
                {"throughput": {"requestsPerSecond": "9"}},
            ]
        )
    )
    some = draw(st.lists(st.sampled_from(VARIANTS), min_size=1, max_size=3, unique_by=lambda v: v["name"]))
    full = draw(st.sampled_from(["Wait", "Replace"]))
    wanted = workload(
        some,
        name=name,
        replicas=draw(st.sampled_from([1, 2, 3, 6, 0])),
        requirements=asked,
        disruption={"whenFull": full},
    )
    return Demand(wanted, rules)


def hold(decision: Decision, key: tuple[str, str]) -> list[Holding]:
    """What the shell reserves while it carries a decision out."""
    return [
        Holding(key, f"{key[1]}-{c.as_placed.id}", c.as_placed, c.candidate.requests, c.replicas)
        for c in decision.placements
    ]


def schedule(seen: Snapshot, decision: Decision, demand: Demand) -> list[Holding] | None:
    """Binds what was decided as a scheduler does, to nodes of the pool; None where a replica has no room.

    Replicas that wait for nodes to come stay without a pod.
    """
    free = free_of(seen)
    result: list[Holding] = []
    for held, chosen in zip(hold(decision, demand.key), decision.placements, strict=True):
        bound = bind_to(free, chosen, demand)
        if len(bound) < chosen.replicas and chosen.candidate.pool.provision is None:
            return None
        result.append(replace(held, bound=tuple(bound)))
    return result


def free_of(seen: Snapshot) -> dict[str, dict[str, int]]:
    every = {n.name: n for p in seen.pools for n in p.nodes}
    return {
        name: {r: a - seen.used.get(name, {}).get(r, 0) for r, a in n.allocatable.items()}
        for name, n in every.items()
    }


def bind_to(free: dict[str, dict[str, int]], chosen: Chosen, demand: Demand) -> list[str]:
    """Nodes for the replicas, one entry each; nodes that fewer may use come last."""
    pool, requests = chosen.candidate.pool, {**chosen.candidate.requests, "pods": 1}
    known = {*pool.accelerator_class.spec.taints, *demand.policy.spec.tolerations}
    bound: list[str] = []
    for one in sorted(pool.nodes, key=lambda n: (not tolerates(pool, n, ()), n.name)):
        if not one.ready or one.cordoned or any(t.key not in known for t in one.taints):
            continue
        while len(bound) < chosen.replicas and all(
            free[one.name].get(r, 0) >= n for r, n in requests.items()
        ):
            for r, n in requests.items():
                free[one.name][r] -= n
            bound.append(one.name)
    return bound

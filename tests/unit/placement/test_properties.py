"""What holds for every fleet, policy and workload.

The same 500 examples every time, so that a run in CI says what a run here says. For a longer search among
others: ``STOWAGE_EXAMPLES=5000 pytest tests/unit/placement/test_properties.py``.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.reasons import Code
from stowage.placement.capacity import slots, tolerates
from stowage.placement.checks import RUNS, SUITS, failures
from stowage.placement.decide import decide
from stowage.placement.decision import Chosen, Decision
from stowage.placement.discovery import discover
from stowage.placement.order import GOALS as RULES
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


@examples
@given(scenes(), demands(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_seen_changes_nothing(scene: Scene, demand: Demand, random: object) -> None:
    def shuffled(items: Sequence[object]) -> list[object]:
        mixed = list(items)
        random.shuffle(mixed)  # type: ignore[attr-defined]
        return mixed

    seen = scene.seen()
    pools = discover(shuffled(scene.nodes), shuffled(CLASSES), shuffled(DECLARED)).pools  # type: ignore[arg-type]
    other = Snapshot(pools, tuple(shuffled(RUNTIMES)), scene.used, tuple(shuffled(scene.holdings)))  # type: ignore[arg-type]
    assert decide(seen, demand, ()) == decide(other, demand, ())


@examples
@given(scenes(), demands())
def test_what_is_chosen_passes_every_check(scene: Scene, demand: Demand) -> None:
    decision = decide(scene.seen(), demand, ())
    event(decision.outcome.code.value)
    for chosen in decision.placements:
        assert failures(chosen.candidate, (*RUNS, *SUITS)) == ()
        assert chosen.replicas >= 1
    given_out = sum(c.replicas for c in decision.placements if not c.meanwhile)
    assert given_out <= decision.wanted
    assert decision.placed == (given_out == decision.wanted)


WAITS = {Code.NO_CAPACITY, Code.NO_USABLE_NODE, Code.IN_BACKOFF}
LOST = {Code.LATER_TIER, Code.LESS_ROOM, Code.NOT_BEST, Code.SCALED_TO_ZERO}


@examples
@given(scenes(), demands())
def test_the_better_candidate_never_loses(scene: Scene, demand: Demand) -> None:
    decision = decide(scene.seen(), demand, ())
    if not decision.placements:
        return
    best, key = decision.placements[0].candidate, RULES[demand.policy.spec.goal].key
    event(f"goal {demand.policy.spec.goal}")
    for verdict in decision.verdicts:
        other = verdict.candidate
        has_room = verdict.feasible and verdict.reasons[0].code is not Code.LESS_ROOM
        if has_room and other.tier == best.tier:
            assert key(best) <= key(other)


@examples
@given(scenes(), demands())
def test_every_candidate_is_chosen_or_rejected_by_a_check_that_fails_again(
    scene: Scene, demand: Demand
) -> None:
    seen = scene.seen()
    decision = decide(seen, demand, ())
    every = len(seen.pools) * len(RUNTIMES) * len(demand.workload.spec.variants)
    assert len(decision.placements) + len(decision.verdicts) == every
    for verdict in decision.verdicts:
        assert verdict.reasons
        codes = {r.code for r in verdict.reasons}
        again = failures(verdict.candidate, RUNS) or failures(verdict.candidate, SUITS)
        if verdict.feasible:
            assert (again, codes <= LOST) == ((), True)
        else:
            assert again == verdict.reasons or (codes <= WAITS and again == ())


@examples
@given(scenes(reserved=False), st.lists(demands(), min_size=2, max_size=4))
def test_no_device_is_given_twice(scene: Scene, several: list[Demand]) -> None:
    """Decided one after another and reserved, then bound: every replica finds the room it was given."""
    held: list[Holding] = []
    free = free_of(scene.seen())
    coming = {p.name: p.provision.nodes if p.provision else 0 for p in scene.seen().pools}
    for index, one in enumerate(several):
        demand = replace(one, workload=workload_named(one, f"w{index}"))
        seen = scene.seen(*held)
        decision = decide(seen, demand, ())
        assert not decision.replaces
        held += hold(decision, demand.key)
        for chosen in decision.placements:
            pool = chosen.candidate.pool
            waiting = chosen.replicas - len(bind_to(free, chosen, demand))
            if waiting:
                assert pool.provision is not None, f"{waiting} replicas have no room on {pool.name}"
                coming[pool.name] -= -(-waiting // slots(pool.provision.shape, chosen.candidate.requests))
    assert all(left >= 0 for left in coming.values())


def workload_named(demand: Demand, name: str) -> InferenceDeployment:
    metadata = demand.workload.metadata.model_copy(update={"name": name})
    return demand.workload.model_copy(update={"metadata": metadata})


@examples
@given(scenes(reserved=False), demands())
def test_a_scheduler_finds_room_for_what_was_decided(scene: Scene, demand: Demand) -> None:
    seen = scene.seen()
    assert schedule(seen, decide(seen, demand, ()), demand) is not None


@examples
@given(scenes(reserved=False), demands(), nodes("extra"))
def test_a_node_more_never_unplaces(scene: Scene, demand: Demand, extra: Node) -> None:
    before = decide(scene.seen(), demand, ())
    after = decide(scene.seen(nodes=[*scene.nodes, extra]), demand, ())
    assert bool(after.placements) >= bool(before.placements)
    if before.placed and demand.workload.spec.requirements.throughput is None:
        assert after.placed


@examples
@given(scenes(reserved=False), demands(), scenes(reserved=False))
def test_what_serves_stays_whatever_comes(scene: Scene, demand: Demand, news: Scene) -> None:
    """After a decision is carried out, other nodes come; every placement keeps its place."""
    seen = scene.seen()
    first = decide(seen, demand, ())
    bound = schedule(seen, first, demand)
    assert bound is not None
    kept = [h for h in bound if h.bound and len(h.bound) == h.replicas]
    more = [replace(n, name=f"new-{n.name}") for n in news.nodes]
    later = scene.seen(*kept, nodes=[*scene.nodes, *more])
    current = tuple(h.placement for h in kept)
    second = decide(later, demand, current)
    stays = {c.as_placed for c in second.placements}
    if current and demand.policy.spec.split == "Never" and not any(c.meanwhile for c in first.placements):
        assert set(current) == stays
    elif current:
        assert stays & set(current)


@examples
@given(scenes(), demands())
def test_deciding_again_changes_nothing(scene: Scene, demand: Demand) -> None:
    """With what was decided in place, the next decision is the same: nothing flaps."""
    first = decide(scene.seen(), demand, ())
    if first.replaces or any(c.meanwhile for c in first.placements):
        return
    held = hold(first, demand.key)
    current = tuple(c.as_placed for c in first.placements)
    second = decide(scene.seen(*held), demand, current)
    again = [(c.as_placed, c.replicas) for c in second.placements]
    assert sorted(again, key=str) == sorted(((c.as_placed, c.replicas) for c in first.placements), key=str)

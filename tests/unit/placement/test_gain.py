"""When a candidate is better than what serves, and what a decision makes of one that is ripe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.unit.placement.builders import (
    GPU,
    Spec,
    accelerator,
    bind,
    node,
    placed,
    policy,
    priced,
    quantities,
    snapshot,
    tier,
    workload,
)

from stowage.api.reasons import Code
from stowage.placement.decide import decide
from stowage.placement.decision import Decision
from stowage.placement.gain import GAINS
from stowage.placement.order import GOALS
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Amounts, Demand, Holding, Node, Placement, Snapshot

FAST = accelerator(
    "fast", memoryBandwidth="2000", precisions=[{"name": "bf16", "peak": "200"}], powerWatts="50"
)
PLAIN, OTHER = accelerator("plain"), accelerator("other")
UNKNOWN = accelerator("unknown", memoryBandwidth=None, precisions=[{"name": "bf16"}])
CLASSES = [FAST, PLAIN, OTHER, UNKNOWN]
ONE = quantities(gpu=1, cpu="4")
AT = {c.name: Placement("bf16", "server", c.name, c.name, 1) for c in CLASSES}
BACK: Spec = {"after": "1m", "minimumGain": "0.10"}
TIERS = [tier("x", classes=["fast"]), tier("y", classes=["plain"]), tier("z", classes=["other"])]
PRICES = [priced("fast", "fast", "3"), priced("plain", "plain", "4"), priced("other", "other", "3.7")]


def nodes(*kinds: str) -> list[Node]:
    return [node(f"{kind}0", kind, kind) for kind in kinds]


@dataclass(frozen=True)
class Case:
    """What serves is one replica on ``plain`` unless said otherwise."""

    better: Sequence[str]
    policy: Spec
    kinds: Sequence[str] = ("fast", "plain", "other")
    serves: Sequence[tuple[str, int]] = (("plain", 1),)
    spec: Spec = field(default_factory=dict)
    used: dict[str, Amounts] = field(default_factory=dict)
    pools: Sequence[Any] = ()
    backoffs: dict[str, Reason] = field(default_factory=dict)


CASES = {
    "an earlier tier needs no gain": Case(["fast"], {"tiers": TIERS}),
    "whatever the goal": Case(["fast"], {"tiers": TIERS, "goal": "FirstAvailable"}),
    "a later one is none": Case([], {"tiers": TIERS}, serves=[("fast", 1)]),
    "of two, the earliest comes first": Case(["fast", "plain"], {"tiers": TIERS}, serves=[("other", 1)]),
    "not without room for all": Case(
        [], {"tiers": TIERS}, spec={"replicas": 2}, serves=[("plain", 2)], used={"fast0": {GPU: 3}}
    ),
    "nor while it is left alone": Case(
        [], {"tiers": TIERS}, backoffs={AT["fast"].id: Reason(Code.CRASH_LOOP, "failed")}
    ),
    "nor while its pool is": Case(
        [], {"tiers": TIERS}, backoffs={"other/server/fast/1": Reason(Code.UNSCHEDULABLE, "failed")}
    ),
    "cheaper by a quarter": Case(["fast"], {"goal": "Cheapest"}, pools=PRICES),
    "cheaper, but not by so much": Case(
        [], {"goal": "Cheapest", "moveBack": {"after": "1m", "minimumGain": "0.30"}}, pools=PRICES
    ),
    "an unknown price is no gain": Case([], {"goal": "Cheapest"}, pools=PRICES[:1]),
    "half the latency": Case(["fast"], {"goal": "LowestLatency"}),
    "twice the rate": Case(["fast"], {"goal": "HighestThroughput"}),
    "a quarter of the energy": Case(["fast"], {"goal": "LowestEnergy"}),
    "an unknown figure is no gain": Case([], {"goal": "LowestLatency"}, kinds=("unknown", "plain")),
    "a smaller fit is no reason": Case([], {"goal": "BestFit"}),
    "nor is a more capable device": Case([], {"goal": "MostCapable"}),
    "a part of a split takes back what spilled": Case(
        ["fast"],
        {"tiers": TIERS, "split": "Allowed"},
        spec={"replicas": 3},
        serves=[("fast", 2), ("other", 1)],
        used={"plain0": {GPU: 4}},
    ),
    "nothing without moveBack": Case([], {"tiers": TIERS, "moveBack": None}),
}


def decided(case: Case, ripe: frozenset[str] = frozenset()) -> tuple[Snapshot, Decision]:
    held = [
        Holding(("shop", "chat"), f"chat-{kind}", AT[kind], ONE, count, (f"{kind}0",) * count)
        for kind, count in case.serves
    ]
    seen = bind(snapshot(nodes(*case.kinds), CLASSES, case.pools, used=case.used), *held)
    rules = {"moveBack": BACK, **case.policy}
    demand = Demand(workload(**case.spec), policy(**{k: v for k, v in rules.items() if v is not None}))
    return seen, decide(seen, demand, tuple(h.placement for h in held), case.backoffs, ripe)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_what_would_be_better(case: Case) -> None:
    _, decision = decided(case)
    assert list(decision.better) == [AT[name].id for name in case.better]
    assert placed(decision) == [(AT[kind].id, count) for kind, count in case.serves]


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_only_what_is_better_is_moved_to(case: Case) -> None:
    _, decision = decided(case, frozenset(p.id for p in AT.values()))
    if case.better:
        total = sum(count for _, count in case.serves)
        assert placed(decision) == [(AT[case.better[0]].id, total)]
        assert decision.outcome.code == Code.PLACED
    else:
        assert placed(decision) == [(AT[kind].id, count) for kind, count in case.serves]


def test_only_what_is_ripe_is_moved_to() -> None:
    case = CASES["of two, the earliest comes first"]
    _, decision = decided(case, frozenset({AT["plain"].id}))
    assert placed(decision) == [(AT["plain"].id, 1)]


def test_every_goal_has_a_gain_or_moves_between_tiers_only() -> None:
    assert GOALS.keys() - GAINS.keys() == {"BestFit", "MostCapable", "FirstAvailable"}
    assert GAINS.keys() <= GOALS.keys()

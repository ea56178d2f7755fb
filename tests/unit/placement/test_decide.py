"""Whole decisions: where, why there, why not elsewhere, and what stays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from stowage.api.reasons import Code
from stowage.placement.backoffs import Backoffs
from stowage.placement.decide import decide
from stowage.placement.decision import Decision
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Amounts, Demand, Holding, Node, Placement, Snapshot

from .builders import (
    CLASSIFIER,
    GKE_POOL,
    GPU,
    SAMPLES,
    Spec,
    accelerator,
    bind,
    choose,
    cpu_class,
    declared,
    fleet_snapshot,
    holding,
    node,
    placed,
    policy,
    priced,
    quantities,
    runtime,
    sample,
    samples,
    snapshot,
    someone,
    tier,
    variant,
    verdicts,
    workload,
)

A, B, C = (accelerator(name) for name in "abc")
ONE = quantities(gpu=1, cpu="4")
A1, B1, C1 = (Placement("bf16", "server", name, name, 1) for name in "abc")


def pool_of(kind: str, count: int = 1, **texts: Any) -> list[Node]:
    """A GKE pool of the class's own name, nodes of four devices."""
    return [node(f"{kind}{i}", kind, kind, **texts) for i in range(count)]


def failed(*placements: Placement, code: Code = Code.CRASH_LOOP) -> Backoffs:
    return {each.id: Reason(code, "it did") for each in placements}


def fill(*names: str) -> dict[str, Amounts]:
    return {name: {GPU: 4} for name in names}


# --- The sample set on the demo fleet.

SAMPLE_SET = {
    "assistant": [("neuron-bf16/vllm/inf2.inf2.8xlarge/1", 1)],
    "chat": [("fp8/vllm/l4-spot/1", 2)],
    "chat-70b": [("bf16/vllm/a100-80/4", 1)],
    "classifier": [("int8/onnx-server/cpu-amx/1", 10)],
    "detector": [("u250/vitis-ai/amd-alveo-u250-2x.xilinx_u250_gen3x16_base_4-0/1", 1)],
    "giant": [],
    "summaries": [("bf16/vllm/tpu-v5e/4", 1)],
}


def test_the_sample_set_on_the_demo_fleet() -> None:
    names = sorted(s.name for s in samples() if s.kind == "InferenceDeployment")
    assert SAMPLES.is_dir()
    assert {n: placed(decide(fleet_snapshot(), sample(n), ())) for n in names} == SAMPLE_SET


@pytest.mark.parametrize(
    ("name", "feasible"),
    [
        ("assistant", []),
        ("chat", ["bf16 l4-spot", "bf16 inf2.inf2.8xlarge", "bf16 tpu-v5e", "bf16 a100-80"]),
        ("chat-70b", []),
        ("classifier", ["int8 cpu-general"]),
        ("detector", ["openvino-int8 cpu-amx", "openvino-int8 cpu-general"]),
        ("giant", []),
        ("summaries", ["bf16 a100-80"]),
    ],
)
def test_what_else_was_feasible(name: str, feasible: list[str]) -> None:
    decision = decide(fleet_snapshot(), sample(name), ())
    found = [
        f"{v.candidate.variant.name} {v.candidate.pool.name}"
        for v in decision.verdicts
        if v.feasible and v.candidate.runtime.name not in ("sglang", "openvino-model-server")
    ]
    assert found == feasible


def test_of_two_runtimes_the_preferred_one_serves() -> None:
    decision = decide(fleet_snapshot(), sample("chat"), ())
    assert [c.candidate.runtime.name for c in decision.placements] == ["vllm"]
    (other,) = (
        v
        for v in decision.verdicts
        if (v.candidate.variant.name, v.candidate.pool.name, v.candidate.runtime.name)
        == ("fp8", "l4-spot", "sglang")
    )
    assert other.reasons == (Reason(Code.NOT_BEST, "equal, and vllm is preferred to sglang"),)


def test_the_giant_is_told_what_is_missing() -> None:
    assert decide(fleet_snapshot(), sample("giant"), ()).outcome == Reason(
        Code.NO_CANDIDATE,
        "nearest is bf16 on a100-80: needs 205.4 GiB, each of 4 nvidia-a100-80gb offers 67.2 GiB usable: "
        "138.2 GiB short",
    )


@pytest.mark.parametrize("name", sorted(SAMPLE_SET))
def test_every_candidate_is_chosen_or_has_a_reason(name: str) -> None:
    seen, demand = fleet_snapshot(), sample(name)
    decision = decide(seen, demand, ())
    every = len(seen.pools) * len(seen.runtimes) * len(demand.workload.spec.variants)
    assert len(decision.placements) + len(decision.verdicts) == every
    assert all(v.reasons for v in decision.verdicts)


# --- One decision each, by tables.


@dataclass(frozen=True)
class Case:
    """A first decision: nothing serves yet."""

    nodes: Sequence[Node]
    expected: list[tuple[str, int]]
    outcome: tuple[Code, str]
    used: dict[str, Amounts] = field(default_factory=dict)
    policy: Spec = field(default_factory=dict)
    spec: Spec = field(default_factory=dict)
    backoffs: Backoffs = field(default_factory=dict)
    holdings: Sequence[Holding] = ()
    replaces: bool = False
    variants: Sequence[Spec] | None = None


NEEDS = "1 nvidia.com/gpu, 4 CPU cores, 14.4 GiB of memory"
SHORT = "short of nvidia.com/gpu"
SPLIT = {"split": "Allowed"}
TWO_VARIANTS = [
    variant("large", size="40Gi", accelerators={"classes": ["large"]}),
    variant("small", accelerators={"classes": ["b"]}),
]
OWN_ON_A = Holding(("shop", "chat"), "own", A1, ONE, 4, ("a0", "a0", "a0", "a0"))

FIRST = {
    "placed": Case(pool_of("a"), [("bf16/server/a/1", 1)], (Code.PLACED, "1 replica on 1 x a, pool a")),
    "several replicas": Case(
        pool_of("a"),
        [("bf16/server/a/1", 4)],
        (Code.PLACED, "4 replicas on 1 x a each, pool a"),
        spec={"replicas": 4},
    ),
    "more than there is room for": Case(
        pool_of("a", 2),
        [("bf16/server/a/1", 8)],
        (Code.PARTIALLY_PLACED, f"8 of 10 replicas have room; each needs {NEEDS}"),
        spec={"replicas": 10},
    ),
    "split over two pools": Case(
        [*pool_of("a"), *pool_of("b")],
        [("bf16/server/a/1", 4), ("bf16/server/b/1", 2)],
        (Code.PLACED, "6 replicas on 1 x a each, pool a"),
        policy=SPLIT,
        spec={"replicas": 6},
    ),
    "split, and still too few": Case(
        [*pool_of("a"), *pool_of("b")],
        [("bf16/server/a/1", 4), ("bf16/server/b/1", 4)],
        (Code.PARTIALLY_PLACED, f"8 of 9 replicas have room; each needs {NEEDS}"),
        policy=SPLIT,
        spec={"replicas": 9},
    ),
    "no split unless allowed": Case(
        [*pool_of("a"), *pool_of("b")],
        [("bf16/server/a/1", 4)],
        (Code.PARTIALLY_PLACED, f"4 of 6 replicas have room; each needs {NEEDS}"),
        spec={"replicas": 6},
    ),
    "a split keeps to one variant": Case(
        [node("a0", "large", "a"), *pool_of("b")],
        [("large/server/a/1", 4)],
        (
            Code.PARTIALLY_PLACED,
            "4 of 6 replicas have room; each needs 1 nvidia.com/gpu, 4 CPU cores, 56.0 GiB of memory",
        ),
        policy={**SPLIT, "tiers": [tier("x", classes=["large"]), tier("y")]},
        spec={"replicas": 6},
        variants=TWO_VARIANTS,
    ),
    "unless precisions may mix": Case(
        [node("a0", "large", "a"), *pool_of("b")],
        [("large/server/a/1", 4), ("small/server/b/1", 2)],
        (Code.PLACED, "6 replicas on 1 x large each, pool a"),
        policy={**SPLIT, "mixedPrecision": True, "tiers": [tier("x", classes=["large"]), tier("y")]},
        spec={"replicas": 6},
        variants=TWO_VARIANTS,
    ),
    "scaled to zero": Case(
        pool_of("a"), [], (Code.SCALED_TO_ZERO, "no replicas are wanted"), spec={"replicas": 0}
    ),
    "throughput is a floor": Case(
        pool_of("a"),
        [("bf16/server/a/1", 3)],
        (Code.PLACED, "3 replicas on 1 x a each, pool a"),
        spec={"requirements": {"throughput": {"requestsPerSecond": "10"}}},
    ),
    "no accelerators": Case(
        [],
        [],
        (Code.NO_POOL, "no node has an accelerator that an AcceleratorClass recognises"),
    ),
    "no runtime": Case(
        pool_of("a"),
        [],
        (
            Code.NO_RUNTIME,
            "no runtime loads gguf; known formats are onnx, safetensors. "
            "Add a variant in one of them, or an InferenceRuntime",
        ),
        variants=[variant(format="gguf")],
    ),
    "full": Case(
        pool_of("a"),
        [],
        (Code.NO_CAPACITY, f"nearest is bf16 on a: no node of a has room for one replica: {NEEDS}; {SHORT}"),
        used=fill("a0"),
    ),
    "cordoned": Case(
        pool_of("a", cordoned=True),
        [],
        (Code.NO_CAPACITY, "nearest is bf16 on a: all nodes of a are cordoned"),
    ),
    "tainted": Case(
        pool_of("a", taints=["team", GPU]),
        [],
        (
            Code.NO_CAPACITY,
            "nearest is bf16 on a: all nodes of a are tainted (not tolerated: team)",
        ),
    ),
    "in backoff": Case(
        pool_of("a"),
        [],
        (Code.NO_CAPACITY, "nearest is bf16 on a: it failed lately: CrashLoop, it did"),
        backoffs=failed(A1),
    ),
    "fallback is a decision with the failed candidate in backoff": Case(
        [*pool_of("a"), *pool_of("b")],
        [("bf16/server/b/1", 1)],
        (Code.PLACED, "1 replica on 1 x b, pool b"),
        policy={"tiers": [tier("x", classes=["a"]), tier("y", classes=["b"])]},
        backoffs=failed(A1),
    ),
    "another variant takes the pool that one crashed in": Case(
        pool_of("a"),
        [("fp16/server/a/1", 1)],
        (Code.PLACED, "1 replica on 1 x a, pool a"),
        variants=[variant("bf16"), variant("fp16", precision="fp16")],
        backoffs=failed(A1),
    ),
    "but not one that gave the first no node": Case(
        [*pool_of("a"), *pool_of("b")],
        [("bf16/server/b/1", 1)],
        (Code.PLACED, "1 replica on 1 x b, pool b"),
        variants=[variant("bf16"), variant("fp16", precision="fp16")],
        policy={"tiers": [tier("x", classes=["a"]), tier("y", classes=["b"])]},
        backoffs=failed(A1, code=Code.UNSCHEDULABLE),
    ),
    "a model that can't be fetched is fetched nowhere else": Case(
        [*pool_of("a"), *pool_of("b")],
        [],
        (Code.NO_CAPACITY, "nearest is bf16 on a: it failed lately: FetchFailed, it did"),
        policy={"tiers": [tier("x", classes=["a"]), tier("y", classes=["b"])]},
        backoffs=failed(A1, code=Code.FETCH_FAILED),
    ),
    "another variant may serve in its place": Case(
        [*pool_of("a"), *pool_of("b")],
        [("fp16/server/a/1", 1)],
        (Code.PLACED, "1 replica on 1 x a, pool a"),
        variants=[variant("bf16"), variant("fp16", precision="fp16")],
        policy={"tiers": [tier("x", classes=["a"]), tier("y", classes=["b"])]},
        backoffs=failed(A1, code=Code.FETCH_FAILED),
    ),
    "where a node's disk is full another pool has room": Case(
        [*pool_of("a"), *pool_of("b")],
        [("bf16/server/b/1", 1)],
        (Code.PLACED, "1 replica on 1 x b, pool b"),
        policy={"tiers": [tier("x", classes=["a"]), tier("y", classes=["b"])]},
        backoffs=failed(A1, code=Code.NO_ROOM_FOR_MODEL),
    ),
    "CPU is never chosen silently": Case(
        [node("a0")],
        [],
        (Code.NO_CANDIDATE, "nearest is bf16 on cpu-64x: policy test doesn't set allowCPU"),
    ),
    "a move without a spare device waits": Case(
        pool_of("a"),
        [],
        (
            Code.NO_SPARE_DEVICE,
            "what serves stays and a move waits for a spare device; "
            f"nearest is fp16 on a: no node of a has room for one replica: {NEEDS}; {SHORT}",
        ),
        holdings=[OWN_ON_A],
        variants=[variant("fp16", precision="fp16")],
        spec={"disruption": {"minAvailable": 4}},
    ),
    "unless a replica may go before its successor is there": Case(
        pool_of("a"),
        [("fp16/server/a/1", 4)],
        (Code.PLACED, "4 replicas on 1 x a each, pool a"),
        holdings=[OWN_ON_A],
        variants=[variant("fp16", precision="fp16")],
        spec={"replicas": 4, "disruption": {"minAvailable": 3}},
        replaces=True,
    ),
    "or doesn't serve": Case(
        pool_of("a"),
        [("fp16/server/a/1", 4)],
        (Code.PLACED, "4 replicas on 1 x a each, pool a"),
        holdings=[replace(OWN_ON_A, ready=3)],
        variants=[variant("fp16", precision="fp16")],
        spec={"replicas": 4, "disruption": {"minAvailable": 4}},
        replaces=True,
    ),
    "or replaces what serves": Case(
        pool_of("a"),
        [("fp16/server/a/1", 1)],
        (Code.PLACED, "1 replica on 1 x a, pool a"),
        holdings=[OWN_ON_A],
        variants=[variant("fp16", precision="fp16")],
        spec={"disruption": {"whenFull": "Replace"}},
        replaces=True,
    ),
    "and doesn't where a device is spare": Case(
        [*pool_of("a"), *pool_of("b")],
        [("fp16/server/b/1", 1)],
        (Code.PLACED, "1 replica on 1 x b, pool b"),
        holdings=[OWN_ON_A],
        variants=[variant("fp16", precision="fp16")],
        spec={"disruption": {"whenFull": "Replace"}},
    ),
    "another's devices are never replaced": Case(
        pool_of("a"),
        [],
        (Code.NO_CAPACITY, f"nearest is bf16 on a: no node of a has room for one replica: {NEEDS}; {SHORT}"),
        holdings=[someone("a", "a", ONE, 4, bound=["a0"] * 4)],
        spec={"disruption": {"whenFull": "Replace"}},
    ),
}
LARGE = accelerator("large", memory="80Gi")


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in FIRST.items()])
def test_first(case: Case) -> None:
    seen = bind(snapshot(case.nodes, [A, B, LARGE, cpu_class()], used=case.used), *case.holdings)
    demand = Demand(workload(case.variants, **case.spec), policy(**case.policy))
    decision = decide(seen, demand, (), case.backoffs)
    found = (placed(decision), (decision.outcome.code, decision.outcome.message), decision.replaces)
    assert found == (case.expected, case.outcome, case.replaces)


# --- What serves stays.


@dataclass(frozen=True)
class Later:
    """A decision where something serves: a Deployment for each entry of ``serves``."""

    serves: Sequence[tuple[Placement, int, Sequence[str]]]
    """Placement, replicas, nodes of bound pods."""
    expected: list[tuple[str, int]]
    code: Code
    nodes: Sequence[Node] = ()
    used: dict[str, Amounts] = field(default_factory=dict)
    policy: Spec = field(default_factory=dict)
    spec: Spec = field(default_factory=dict)
    backoffs: Backoffs = field(default_factory=dict)
    pools: Sequence[Any] = ()
    wanted: int | None = None


BOTH = [*pool_of("a"), *pool_of("b")]
A_FIRST = [tier("x", classes=["a"]), tier("y", classes=["b"]), tier("z", classes=["c"])]
PRICES = [priced("a", "a", "1"), priced("b", "b", "4")]

LATER = {
    "a feasible placement stays though another is better": Later(
        [(B1, 1, ["b0"])],
        [(B1.id, 1)],
        Code.PLACED,
        BOTH,
        policy={"goal": "Cheapest"},
        pools=PRICES,
    ),
    "and though another is of an earlier tier": Later(
        [(B1, 1, ["b0"])], [(B1.id, 1)], Code.PLACED, BOTH, policy={"tiers": A_FIRST}
    ),
    "and though fewer devices would do": Later(
        [(replace(A1, devices=2), 1, ["a0"])], [("bf16/server/a/2", 1)], Code.PLACED, BOTH
    ),
    "it moves where it failed": Later(
        [(A1, 1, ["a0"])], [(B1.id, 1)], Code.PLACED, BOTH, backoffs=failed(A1)
    ),
    "what failed is kept while nothing else can serve": Later(
        [(A1, 1, [])], [], Code.UNSCHEDULABLE, pool_of("a"), backoffs=failed(A1, code=Code.UNSCHEDULABLE)
    ),
    "what serves in a pool stays though another failed there": Later(
        [(A1, 1, ["a0"])],
        [(A1.id, 1)],
        Code.PLACED,
        BOTH,
        backoffs=failed(replace(A1, variant="other"), code=Code.UNSCHEDULABLE),
    ),
    "what can't be fetched is kept where it is": Later(
        [(A1, 1, [])], [], Code.FETCH_FAILED, BOTH, backoffs=failed(A1, code=Code.FETCH_FAILED)
    ),
    "what was fetched before serves on": Later(
        [(A1, 1, ["a0"])], [(A1.id, 1)], Code.PLACED, BOTH, backoffs=failed(B1, code=Code.FETCH_FAILED)
    ),
    "it moves where it is no more allowed": Later(
        [(A1, 1, ["a0"])], [(B1.id, 1)], Code.PLACED, BOTH, policy={"tiers": [tier("y", classes=["b"])]}
    ),
    "it stays where it can be scaled up": Later(
        [(A1, 1, ["a0"])], [(A1.id, 3)], Code.PLACED, BOTH, spec={"replicas": 3}
    ),
    "a scale-up beyond the pool never moves": Later(
        [(A1, 1, ["a0"])], [(A1.id, 4)], Code.PARTIALLY_PLACED, BOTH, spec={"replicas": 9}
    ),
    "nor beyond the budget": Later(
        [(A1, 1, ["a0"])],
        [(A1.id, 2)],
        Code.PARTIALLY_PLACED,
        BOTH,
        pools=PRICES,
        spec={"replicas": 4, "requirements": {"maxCostPerHour": "0.5"}},
    ),
    "what no budget allows at all goes": Later(
        [(B1, 1, ["b0"])],
        [(A1.id, 1)],
        Code.PLACED,
        BOTH,
        pools=PRICES,
        spec={"requirements": {"maxCostPerHour": "0.5"}},
    ),
    "the rest of a scale-up is split": Later(
        [(A1, 1, ["a0"])],
        [(A1.id, 4), (B1.id, 2)],
        Code.PLACED,
        BOTH,
        policy=SPLIT,
        spec={"replicas": 6},
    ),
    "but not to what failed": Later(
        [(A1, 1, ["a0"])],
        [(A1.id, 4)],
        Code.PARTIALLY_PLACED,
        BOTH,
        policy=SPLIT,
        spec={"replicas": 6},
        backoffs=failed(B1),
    ),
    "a scale-down leaves the last tier first": Later(
        [(B1, 2, ["b0", "b0"]), (A1, 4, ["a0"] * 4)],
        [(A1.id, 4), (B1.id, 1)],
        Code.PLACED,
        BOTH,
        policy={**SPLIT, "tiers": A_FIRST},
        spec={"replicas": 5},
    ),
    "until nothing of it is left": Later(
        [(B1, 2, ["b0", "b0"]), (A1, 4, ["a0"] * 4)],
        [(A1.id, 3)],
        Code.PLACED,
        BOTH,
        policy={**SPLIT, "tiers": A_FIRST},
        spec={"replicas": 3},
    ),
    "a split stays though the first pool has room again": Later(
        [(B1, 2, ["b0", "b0"]), (A1, 1, ["a0"])],
        [(A1.id, 1), (B1.id, 2)],
        Code.PLACED,
        BOTH,
        policy={**SPLIT, "tiers": A_FIRST},
        spec={"replicas": 3},
    ),
    "a split that is no more allowed is undone": Later(
        [(B1, 2, ["b0", "b0"]), (A1, 1, ["a0"])],
        [(A1.id, 3)],
        Code.PLACED,
        BOTH,
        policy={"tiers": A_FIRST},
        spec={"replicas": 3},
    ),
    "a Deployment's replicas are no proof of room": Later(
        [(A1, 4, ["a0"])],
        [(A1.id, 4)],
        Code.PARTIALLY_PLACED,
        pool_of("a"),
        used={"a0": {GPU: 3}},
        spec={"replicas": 4},
    ),
    "what lost its node waits until it counts as failed": Later(
        [(A1, 3, [])], [(A1.id, 3)], Code.PARTIALLY_PLACED, BOTH, used=fill("a0"), spec={"replicas": 3}
    ),
    "scaled to zero": Later(
        [(A1, 2, ["a0", "a0"])], [(A1.id, 0)], Code.SCALED_TO_ZERO, BOTH, spec={"replicas": 0}, wanted=0
    ),
    "back from zero": Later([(A1, 0, [])], [(A1.id, 2)], Code.PLACED, BOTH, spec={"replicas": 2}),
    "back from zero where the pool is full by now": Later(
        [(A1, 0, [])], [(B1.id, 2)], Code.PLACED, BOTH, used=fill("a0"), spec={"replicas": 2}
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in LATER.items()])
def test_later(case: Later) -> None:
    held = [
        Holding(("shop", "chat"), f"chat-{p.pool}", p, {**ONE, GPU: p.devices}, count, tuple(bound))
        for p, count, bound in case.serves
    ]
    seen = bind(snapshot(case.nodes, [A, B, C], case.pools, used=case.used), *held)
    demand = Demand(workload(**case.spec), policy(**case.policy))
    current = tuple(p for p, _, _ in case.serves)
    decision = decide(seen, demand, current, case.backoffs)
    assert (placed(decision), decision.outcome.code) == (case.expected, case.code)
    assert decide(seen, demand, current[::-1], case.backoffs) == decision
    if case.wanted is not None:
        assert decision.wanted == case.wanted


def test_what_stays_says_so_of_the_others() -> None:
    seen = bind(snapshot([*BOTH, *pool_of("c")], [A, B, C]), replace(OWN_ON_A, replicas=1, bound=("a0",)))
    decision = decide(seen, Demand(workload(), policy()), (A1,), failed(C1))
    assert verdicts(decision) == [(B1.id, True, ["NotBest"]), (C1.id, False, ["InBackoff"])]


def test_what_would_be_better_says_that_the_other_serves() -> None:
    holding = replace(OWN_ON_A, placement=B1, deployment="chat-b", replicas=1, bound=("b0",))
    decision = decide(bind(snapshot(BOTH, [A, B]), holding), Demand(workload(), policy()), (B1,))
    assert placed(decision) == [(B1.id, 1)]
    assert verdicts(decision) == [(A1.id, True, ["KeptCurrent"])]


def test_a_cut_by_the_budget_says_so() -> None:
    seen = bind(snapshot(pool_of("a"), [A], PRICES[:1]), replace(OWN_ON_A, replicas=1, bound=("a0",)))
    wanted = workload(replicas=4, requirements={"maxCostPerHour": "0.5"})
    assert decide(seen, Demand(wanted, policy()), (A1,)).outcome == Reason(
        Code.PARTIALLY_PLACED,
        "2 of 4 replicas are placed: 4 replicas cost 1.00 per hour, at most 0.5 is allowed",
    )


def test_two_placements_on_one_pool_are_never_kept_as_a_split() -> None:
    other = Placement("fp16", "server", "b", "b", 1)
    held = [
        Holding(("shop", "chat"), p.variant + p.pool, p, ONE, 1, (f"{p.pool}0",)) for p in (A1, B1, other)
    ]
    seen = bind(snapshot(BOTH, [A, B]), *held)
    spec = workload([variant(), variant("fp16", precision="fp16")], replicas=3)
    rules = policy(split="Allowed", mixedPrecision=True)
    decision = decide(seen, Demand(spec, rules), (A1, B1, other))
    assert len({c.as_placed.pool for c in decision.placements}) == len(decision.placements)


# --- While nodes are being provisioned.

GROWS = declared("d", {GKE_POOL: "a"}, "a", provisionable={"maxNodes": 2, "devicesPerNode": 4})
TIERED = {"tiers": [tier("x", classes=["a"]), tier("y", classes=["b"])]}


def growing(*holdings: Holding) -> Snapshot:
    return bind(snapshot(pool_of("b"), [A, B], [GROWS]), *holdings)


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        pytest.param(TIERED, [("bf16/server/a/1", 2, False), ("bf16/server/b/1", 2, True)], id="by default"),
        pytest.param(
            {**TIERED, "serveWhileProvisioning": False}, [("bf16/server/a/1", 2, False)], id="not asked for"
        ),
    ],
)
def test_a_later_tier_serves_while_nodes_are_provisioned(
    rules: Spec, expected: list[tuple[str, int, bool]]
) -> None:
    decision = decide(growing(), Demand(workload(replicas=2), policy(**rules)), ())
    found = [(c.as_placed.id, c.replicas, c.meanwhile) for c in decision.placements]
    assert (found, decision.outcome.message) == (expected, "2 replicas on 1 x a each, pool a")


def test_and_is_let_go_of_by_the_next_decision() -> None:
    demand = Demand(workload(replicas=2), policy(**TIERED))
    first = decide(growing(), demand, ())
    held = [holding(c, bound=["b0", "b0"] if c.meanwhile else []) for c in first.placements]
    decision = decide(growing(*held), demand, tuple(c.as_placed for c in first.placements))
    assert (placed(decision), decision.outcome.code) == ([("bf16/server/a/1", 2)], Code.PLACED)


def test_it_takes_over_where_the_nodes_never_come() -> None:
    demand = Demand(workload(replicas=2), policy(**TIERED))
    seen = growing(Holding(("shop", "chat"), "b", B1, ONE, 2, ("b0", "b0")))
    assert placed(decide(seen, demand, (A1,), failed(A1))) == [("bf16/server/b/1", 2)]


def test_no_later_tier_serves_beside_one_that_has_room() -> None:
    seen = snapshot([*pool_of("a"), *pool_of("b")], [A, B], [GROWS])
    decision = decide(seen, Demand(workload(replicas=6), policy(**TIERED)), ())
    assert placed(decision) == [("bf16/server/a/1", 6)]


# --- Text.


def test_text_holds_no_live_counts() -> None:
    """Other people's pods must not change a word."""
    demand = Demand(workload(replicas=2), policy())

    def words(decision: Decision) -> list[tuple[str, ...]]:
        return [(v.candidate.pool.name, *(r.message for r in v.reasons)) for v in decision.verdicts]

    texts = [
        (words(found), found.outcome)
        for free in (4, 3, 2)
        for found in [
            decide(snapshot(BOTH, [A, B], used={"a0": {GPU: 4 - free}, "b0": {GPU: 4}}), demand, ())
        ]
    ]
    assert texts[0] == texts[1] == texts[2]


def test_a_decision_is_the_same_twice() -> None:
    assert decide(fleet_snapshot(), sample("chat"), ()) == decide(fleet_snapshot(), sample("chat"), ())


def test_runtimes_in_any_order() -> None:
    servers = [runtime("one"), runtime("two")]
    found = [
        decide(snapshot(BOTH, [A, B], runtimes=order), Demand(workload(), policy()), ())
        for order in (servers, servers[::-1])
    ]
    assert found[0] == found[1]


FP16 = {"variants": [variant("bf16"), variant("fp16", precision="fp16")]}


@pytest.mark.parametrize(
    ("nodes", "code", "found", "gives_way"),
    [
        (pool_of("a"), Code.CRASH_LOOP, [("fp16/server/a/1", 1)], {"chat-a"}),
        (pool_of("a"), Code.NODE_LOST, [], set()),
        (BOTH, Code.CRASH_LOOP, [(B1.id, 1)], set()),
    ],
    ids=["the failed pod's device is the only one", "no use where the pool is to blame", "another has room"],
)
def test_a_failed_placement_gives_way(
    nodes: list[Node], code: Code, found: list[tuple[str, int]], gives_way: set[str]
) -> None:
    held = Holding(("shop", "chat"), "chat-a", A1, ONE, 1, ("a0",))
    seen = bind(snapshot(nodes, [A, B], used={"a0": {GPU: 3}}), held)
    decision = decide(seen, Demand(workload(**FP16), policy()), (A1,), failed(A1, code=code))
    assert (placed(decision), decision.gives_way) == (found, gives_way)


SHARED = accelerator("shared", memory="4Gi", sharing=[{"strategyLabel": "example.com/sharing"}])


def test_shares_of_a_device_add_up_to_no_larger_one() -> None:
    """Four shares of 4 GiB may be of one device, so 8 GiB don't fit; nor does more speed come of them."""
    seen = snapshot([node("n", "shared", "p", labels={"example.com/sharing": "time-slicing"})], [SHARED])
    rules = policy(sharedDevices=True)
    assert placed(choose(seen, workload([variant(size="1Mi")], CLASSIFIER), rules)) == [
        ("bf16/server/p.shared/1", 1)
    ]
    decision = choose(seen, workload(), rules)
    assert verdicts(decision) == [("bf16/server/p.shared/1", False, ["InsufficientMemory"])]


@pytest.mark.parametrize(
    ("latency", "counts", "expected"),
    [
        pytest.param("20ms", [1, 2, 4], [("bf16/server/s/1", 1)], id="one device is quick enough"),
        pytest.param("7ms", [1, 2, 4], [("bf16/server/s/2", 1)], id="two are"),
        pytest.param("4ms", [1, 2, 4], [("bf16/server/s/4", 1)], id="four are"),
        pytest.param("4ms", [1, 2, 8], [], id="the runtime can't use four, and the node has no eight"),
        pytest.param("1ms", [1, 2, 4], [], id="none are"),
    ],
)
def test_as_many_devices_as_the_latency_takes(
    latency: str, counts: list[int], expected: list[tuple[str, int]]
) -> None:
    """A token alone takes 12.4 ms on one device, 6.2 on two, 3.1 on four."""
    seen = snapshot(
        [node("s", "small", "s")],
        [accelerator("small")],
        runtimes=[runtime(supports=[{"deviceCounts": counts}])],
    )
    wanted = workload(requirements={"latency": {"timePerOutputToken": latency}})
    assert placed(choose(seen, wanted)) == expected


def test_what_does_not_fit_is_refused_for_that_alone() -> None:
    """What it would do, and cost, on too small a device says nothing."""
    seen = snapshot([node("s", "small", "s", gpu=1)], [accelerator("small")], [priced("s", "small", "1")])
    asked = {
        "latency": {"timePerOutputToken": "1ms"},
        "throughput": {"requestsPerSecond": "1000"},
        "maxCostPerHour": "0.5",
    }
    decision = choose(seen, workload([variant(size="40Gi")], requirements=asked))
    assert verdicts(decision) == [("bf16/server/s/1", False, ["InsufficientMemory"])]
    assert decision.verdicts[0].candidate.replicas == 1


ANY_NUMBER = declared("d", {GKE_POOL: "a"}, "a", provisionable={"devicesPerNode": 4})
TRIED = "; nodes must be provisioned, and whether they can be is unknown"
SEVERAL = {"goal": "FirstAvailable"}


@pytest.mark.parametrize(
    ("nodes", "pools", "backoffs", "expected", "outcome"),
    [
        pytest.param([], [ANY_NUMBER], {}, [("bf16/server/a/1", 2)], f"pool a{TRIED}", id="it is tried"),
        pytest.param(
            pool_of("a"), [ANY_NUMBER], {}, [("bf16/server/a/1", 2)], "each, pool a", id="free room is known"
        ),
        pytest.param(
            pool_of("b"), [ANY_NUMBER], {}, [("bf16/server/b/1", 2)], "pool b", id="after those with room"
        ),
        pytest.param(
            [],
            [
                ANY_NUMBER,
                declared("b", {GKE_POOL: "b"}, "b", provisionable={"maxNodes": 1, "devicesPerNode": 4}),
            ],
            {},
            [("bf16/server/b/1", 2)],
            "pool b",
            id="after those that are known to grow",
        ),
        pytest.param(
            pool_of("b", gpu=1),
            [ANY_NUMBER],
            {},
            [("bf16/server/a/1", 2)],
            f"pool a{TRIED}",
            id="before those that have room for some only",
        ),
        pytest.param(
            [], [ANY_NUMBER], "it failed", [], "it failed lately: Unschedulable, it did", id="once a backoff"
        ),
    ],
)
def test_a_pool_of_unknown_size(
    nodes: list[Node], pools: list[Any], backoffs: Any, expected: list[tuple[str, int]], outcome: str
) -> None:
    seen = snapshot(nodes, [A, B], pools)
    failed = {"bf16/server/a/1": Reason(Code.UNSCHEDULABLE, "it did")} if backoffs else {}
    decision = decide(seen, Demand(workload(replicas=2), policy(**SEVERAL)), (), failed)
    assert placed(decision) == expected
    assert decision.outcome.message.endswith(outcome)


def test_what_waits_for_nodes_of_an_unknown_number_says_so_until_they_come() -> None:
    demand = Demand(workload(replicas=2), policy())
    seen = snapshot([], [A], [ANY_NUMBER])
    first = decide(seen, demand, ())
    held = [holding(c) for c in first.placements]
    again = decide(bind(seen, *held), demand, (A1,))
    assert (placed(again), again.outcome) == (placed(first), first.outcome)
    came = snapshot(pool_of("a"), [A], [ANY_NUMBER])
    bound = [holding(c, bound=["a0", "a0"]) for c in first.placements]
    after = decide(bind(came, *bound), demand, (A1,))
    assert (placed(after), after.outcome.message) == (placed(first), "2 replicas on 1 x a each, pool a")


def test_an_unknown_number_of_nodes_too_small_is_none() -> None:
    small = declared("d", {GKE_POOL: "a"}, "a", provisionable={"devicesPerNode": 4, "memory": "8Gi"})
    decision = decide(snapshot([], [A], [small]), Demand(workload(), policy()), ())
    assert (placed(decision), decision.outcome.code) == ([], Code.NO_CAPACITY)


def test_nothing_moves_to_an_earlier_tier_of_unknown_size() -> None:
    rules = policy(tiers=[tier("first", classes=["a"]), tier("second")], moveBack={"after": "1m"})
    seen = snapshot(pool_of("b"), [A, B], [ANY_NUMBER])
    current = Holding(("shop", "chat"), "chat-b", B1, ONE, 1, ("b0",))
    decision = decide(bind(seen, current), Demand(workload(), rules), (B1,))
    assert (placed(decision), decision.better) == ([("bf16/server/b/1", 1)], ())

"""The order of feasible candidates, and the sentence that says why one lost."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.placement.decision import Decision
from stowage.placement.gain import gain
from stowage.placement.snapshot import Node

from .builders import (
    GPU,
    Spec,
    accelerator,
    choose,
    declared,
    node,
    policy,
    priced,
    runtime,
    snapshot,
    tier,
    variant,
    workload,
)

PRECISIONS = [{"name": "bf16", "peak": "100"}]
SMALL = accelerator("small", memory="16Gi", powerWatts="50")
LARGE = accelerator(
    "large",
    memory="80Gi",
    memoryBandwidth="4000",
    precisions=[{"name": "bf16", "peak": "400"}],
    powerWatts="400",
)
BLANK = accelerator(
    "blank", memoryBandwidth=None, precisions=[{"name": "bf16"}], memory="40Gi", powerWatts=None
)
CLASSES = [SMALL, LARGE, BLANK]
NODES = [node("s", "small", "s"), node("l", "large", "l"), node("b", "blank", "b")]
PRICES = [priced("s", "small", "4"), priced("l", "large", "2")]


def short(decision: Decision) -> tuple[str, list[tuple[str, str, str]]]:
    """The chosen pool, and pool, code and sentence of those that could serve too."""
    others = [
        (v.candidate.pool.name, v.reasons[0].code.value, v.reasons[0].message) for v in decision.verdicts
    ]
    return decision.placements[0].as_placed.pool, others


@pytest.mark.parametrize(
    ("goal", "best", "others"),
    [
        (
            "Cheapest",
            "l",
            [
                ("s", "NotBest", "Cheapest: costs 1.00 per hour, the chosen one costs 0.50 per hour"),
                (
                    "b",
                    "NotBest",
                    "Cheapest: has no known price and takes 40.0 GiB, the chosen one costs 0.50 per hour",
                ),
            ],
        ),
        (
            "LowestLatency",
            "l",
            [
                (
                    "s",
                    "NotBest",
                    "LowestLatency: answers a lone request in 1.75 s, "
                    "the chosen one answers a lone request in 0.437 s",
                ),
                (
                    "b",
                    "NotBest",
                    "LowestLatency: has no known latency, the chosen one answers a lone request in 0.437 s",
                ),
            ],
        ),
        (
            "HighestThroughput",
            "l",
            [
                (
                    "s",
                    "NotBest",
                    "HighestThroughput: has throughput 4.41 requests/s, "
                    "the chosen one has throughput 19.5 requests/s",
                ),
                (
                    "b",
                    "NotBest",
                    "HighestThroughput: has no known throughput, "
                    "the chosen one has throughput 19.5 requests/s",
                ),
            ],
        ),
        (
            "LowestEnergy",
            "s",
            [
                (
                    "l",
                    "NotBest",
                    "LowestEnergy: has energy 20.5 J a request, the chosen one has energy 11.3 J a request",
                ),
                (
                    "b",
                    "NotBest",
                    "LowestEnergy: has no known energy, the chosen one has energy 11.3 J a request",
                ),
            ],
        ),
        (
            "BestFit",
            "s",
            [
                ("b", "NotBest", "BestFit: takes 40.0 GiB, the chosen one takes 16.0 GiB"),
                ("l", "NotBest", "BestFit: takes 80.0 GiB, the chosen one takes 16.0 GiB"),
            ],
        ),
        (
            "MostCapable",
            "l",
            [
                (
                    "s",
                    "NotBest",
                    "MostCapable: peaks at 100 TFLOPS of bf16, the chosen one peaks at 400 TFLOPS of bf16",
                ),
                (
                    "b",
                    "NotBest",
                    "MostCapable: has no known peak of bf16, the chosen one peaks at 400 TFLOPS of bf16",
                ),
            ],
        ),
        (
            "FirstAvailable",
            "l",
            [
                (
                    "s",
                    "NotBest",
                    "equal, but serves 4.41 requests/s, the chosen one serves 19.5 requests/s",
                ),
                (
                    "b",
                    "NotBest",
                    "equal, but has no known rate, the chosen one serves 19.5 requests/s",
                ),
            ],
        ),
    ],
)
def test_goals(goal: str, best: str, others: list[tuple[str, str, str]]) -> None:
    decision = choose(snapshot(NODES, CLASSES, PRICES), workload(), policy(goal=goal))
    assert short(decision) == (best, others)


TIERS = [
    tier("first", classes=["large"]),
    tier("second", classes=["small"]),
    tier("third", classes=["blank"]),
]


def test_tiers_come_before_the_goal() -> None:
    decision = choose(snapshot(NODES, CLASSES, PRICES), workload(), policy(goal="BestFit", tiers=TIERS))
    assert short(decision) == (
        "l",
        [
            ("s", "LaterTier", "tier second comes after first"),
            ("b", "LaterTier", "tier third comes after first"),
        ],
    )


def test_room_for_all_comes_before_the_tier() -> None:
    seen = snapshot(NODES, CLASSES, used={"l": {GPU: 3}})
    decision = choose(seen, workload(replicas=2), policy(tiers=TIERS[:2]))
    assert short(decision) == (
        "s",
        [
            ("l", "LessRoom", "l hasn't room for all 2 replicas"),
            ("b", "ExcludedByPolicy", "no tier of policy test includes on-demand blank"),
        ],
    )


GROWS = declared(
    "l", {"cloud.google.com/gke-nodepool": "l"}, "large", provisionable={"maxNodes": 1, "devicesPerNode": 4}
)


def test_inside_a_tier_what_is_free_comes_before_what_must_be_provisioned() -> None:
    seen = snapshot(NODES[:1], [SMALL, LARGE], [GROWS])
    decision = choose(seen, workload(), policy(goal="MostCapable"))
    assert short(decision) == ("s", [("l", "LessRoom", "nodes of l would have to be provisioned")])


@pytest.mark.parametrize(
    ("variants", "gpus", "others"),
    [
        pytest.param(
            [variant("a", size="25Gi", quality="1.0"), variant("b", size="8Gi", quality="0.9")],
            {"s": 4},
            [("a", "NotBest", "takes 4 devices a replica, the chosen one 1")],
            id="fewer devices",
        ),
        pytest.param(
            [variant("a", quality="0.98"), variant("b", quality="0.99")],
            {"s": 4},
            [("a", "NotBest", "quality 0.98, the chosen one has 0.99")],
            id="higher quality",
        ),
        pytest.param(
            [variant("a", size="9Gi"), variant("b", size="8Gi")],
            {"s": 4},
            [
                (
                    "a",
                    "NotBest",
                    "equal, but serves 3.47 requests/s, the chosen one serves 4.41 requests/s",
                )
            ],
            id="a higher rate",
        ),
        pytest.param(
            [variant("c"), variant("b")],
            {"s": 4},
            [("c", "NotBest", "equal, and its name comes later")],
            id="name",
        ),
    ],
)
def test_ties(variants: Sequence[Spec], gpus: dict[str, int], others: list[tuple[str, str, str]]) -> None:
    nodes = [node(name, "small", name, gpu=count) for name, count in gpus.items()]
    decision = choose(snapshot(nodes, [SMALL]), workload(variants), policy(goal="FirstAvailable"))
    found = [
        (v.candidate.variant.name, v.reasons[0].code.value, v.reasons[0].message) for v in decision.verdicts
    ]
    assert (decision.placements[0].as_placed.variant, found) == ("b", others)


def test_a_preferred_runtime_comes_before_a_faster_candidate() -> None:
    servers = [
        runtime("plain", supports=[{"deviceCounts": [1]}]),
        runtime("preferred", preference=101, supports=[{"deviceCounts": [1]}], formats=["onnx"]),
    ]
    wanted = workload([variant("a", size="8Gi"), variant("b", size="9Gi", format="onnx")])
    seen = snapshot([node("s", "small", "s")], [SMALL], runtimes=servers)
    decision = choose(seen, wanted, policy(goal="FirstAvailable"))
    assert decision.placements[0].as_placed.id == "b/preferred/s/1"
    found = {v.candidate.placement.id: v.reasons[0].message for v in decision.verdicts if v.feasible}
    preferred = "equal, and preferred is preferred to plain"
    assert found == {"a/plain/s/1": preferred, "b/plain/s/1": preferred}


def test_lowest_latency_goes_by_a_request_alone() -> None:
    """At its best batch the roomy device serves 64 at once, each slower than the small one's 32, which
    has less bandwidth and half the peak: alone, a request is answered sooner by the roomy one."""
    roomy = accelerator("roomy", memory="80Gi", memoryBandwidth="1200")
    nodes = [node("s", "small", "s"), node("r", "roomy", "r")]
    decision = choose(snapshot(nodes, [SMALL, roomy]), workload(), policy(goal="LowestLatency"))
    chosen, (other,) = decision.placements[0].candidate, [v.candidate for v in decision.verdicts]
    assert (chosen.pool.name, other.pool.name) == ("r", "s")
    loaded, alone = ([getattr(c.estimate, f) for c in (chosen, other)] for f in ("latency", "latency_alone"))
    assert alone[0] < alone[1]
    assert loaded[0] > loaded[1]
    assert gain("LowestLatency", [other], [1], chosen) == pytest.approx(1 - alone[0] / alone[1])


NARROW = accelerator(
    "narrow", memory="24Gi", precisions=[{"name": "bf16", "peak": "150"}, {"name": "int4", "peak": "9000"}]
)


@pytest.mark.parametrize(
    ("variants", "best"),
    [
        pytest.param([variant()], "bf16 on l", id="what int4 could do is no matter"),
        pytest.param(
            [variant(), variant("fp16", precision="fp16", sparsity="2:4")], "fp16 on p", id="pruned, sparse"
        ),
    ],
)
def test_most_capable_at_the_variants_own_arithmetic(variants: list[Spec], best: str) -> None:
    pruned = accelerator("pruned", precisions=[{"name": "fp16", "peak": "300", "sparsePeak": "600"}])
    nodes = [node("n", "narrow", "n"), node("l", "large", "l"), node("p", "pruned", "p")]
    decision = choose(
        snapshot(nodes, [NARROW, LARGE, pruned]), workload(variants), policy(goal="MostCapable")
    )
    chosen = decision.placements[0].as_placed
    assert f"{chosen.variant} on {chosen.pool}" == best


def ordered(decision: Decision) -> list[str]:
    return [
        *(c.as_placed.pool for c in decision.placements),
        *(v.candidate.pool.name for v in decision.verdicts if v.feasible),
    ]


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        pytest.param([], ["s", "l", "b"], id="no price: the smallest device; an unknown rate comes last"),
        pytest.param([priced("l", "large", "99")], ["l", "s", "b"], id="a price, however high, comes first"),
        pytest.param(
            [priced("l", "large", "99"), priced("b", "blank", "1")],
            ["l", "b", "s"],
            id="what nobody knows the rate of isn't cheap",
        ),
    ],
)
def test_cheapest_where_not_all_is_known(prices: list[AcceleratorPool], expected: list[str]) -> None:
    decision = choose(snapshot(NODES, CLASSES, prices), workload(), policy(goal="Cheapest"))
    assert ordered(decision) == expected


@pytest.mark.parametrize(
    "goal", ["Cheapest", "LowestLatency", "HighestThroughput", "LowestEnergy", "MostCapable"]
)
@pytest.mark.parametrize("name", ["aaa", "zzz"])
def test_unknown_never_wins_whatever_its_name(goal: str, name: str) -> None:
    nodes: list[Node] = [node("x", "blank", name), node("y", "small", "m")]
    classes: list[AcceleratorClass] = [BLANK, SMALL]
    prices: list[AcceleratorPool] = [priced("m", "small", "1000")]
    decision = choose(snapshot(nodes, classes, prices), workload(), policy(goal=goal))
    assert decision.placements[0].as_placed.pool == "m"


def test_a_short_latency_is_said_in_milliseconds() -> None:
    classic = {"name": "tiny", "task": "image-classification", "inference": {"flops": 10_000_000_000}}
    decision = choose(
        snapshot(NODES[:2], CLASSES[:2]),
        workload(variants=[variant(size="16Mi")], model=classic),
        policy(goal="LowestLatency"),
    )
    assert short(decision)[1] == [
        (
            "s",
            "NotBest",
            "LowestLatency: answers a lone request in 0.2 ms, "
            "the chosen one answers a lone request in 0.05 ms",
        )
    ]

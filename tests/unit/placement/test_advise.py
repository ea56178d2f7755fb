"""What a model needs of every class, before there is a fleet.

A device here has 16 GiB, of which servers may fill 13.4; the plain variant takes 11.5 of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import InferenceRuntime
from stowage.catalog import load_catalog
from stowage.placement.advise import ANY_POLICY, Advice, Offer, advise
from stowage.placement.decide import decide
from stowage.placement.figures import figures
from stowage.placement.pareto import Point, dominates, dominators
from stowage.placement.snapshot import Demand, Provision, Snapshot

from .builders import (
    ARCHITECTURE,
    CLASSIFIER,
    KIND,
    Spec,
    accelerator,
    cpu_class,
    runtime,
    sample,
    variant,
    workload,
)

numbers = st.sampled_from([0.5, 1.0, 2.0, 3.0, 5.0, 8.0])
planes = st.lists(st.tuples(numbers, numbers), max_size=25)
quickly = settings(max_examples=300, deadline=None, derandomize=True, database=None)


@quickly
@given(planes)
def test_the_front_is_what_nothing_dominates(points: list[Point]) -> None:
    for point, found in zip(points, dominators(points), strict=True):
        assert (found is None) == (not any(dominates(p, point) for p in points))


@quickly
@given(planes)
def test_who_dominates_is_named_and_on_the_front(points: list[Point]) -> None:
    found = dominators(points)
    for point, index in zip(points, found, strict=True):
        if index is not None:
            assert dominates(points[index], point)
            assert found[index] is None


@quickly
@given(planes)
def test_the_front_does_not_depend_on_the_order(points: list[Point]) -> None:
    def named(given: list[Point]) -> list[tuple[Point, Point | None]]:
        found = dominators(given)
        return sorted((p, None if i is None else given[i]) for p, i in zip(given, found, strict=True))

    assert named(points) == named(points[::-1])


def test_equal_points_share_the_front() -> None:
    assert dominators([(1, 1), (1, 1), (1, 2)]) == [None, None, 0]


def ask(
    wanted: InferenceDeployment,
    *classes: AcceleratorClass,
    runtimes: Sequence[InferenceRuntime] | None = None,
    **prices: str,
) -> Advice:
    costs = {name: Decimal(price) for name, price in prices.items()}
    return advise(wanted, classes, runtimes or [runtime()], costs)


def only(advice: Advice) -> Offer:
    (offer,) = advice.offers
    return offer


def codes(offer: Offer) -> list[str]:
    return [r.code.value for r in offer.reasons]


@pytest.mark.parametrize(
    ("size", "spec", "devices"),
    [
        pytest.param("8Gi", {}, 1, id="fits into one"),
        pytest.param("15Gi", {}, 2, id="fits into two"),
        pytest.param("60Gi", {}, 8, id="fits into eight"),
        pytest.param("15Gi", {"wholeNode": True}, 2, id="takes a whole node of two"),
        pytest.param("15Gi", {"memory": "80Gi"}, 1, id="fits into a large one"),
    ],
)
def test_the_least_number_of_devices(size: str, spec: Spec, devices: int) -> None:
    offer = only(ask(workload([variant(size=size)]), accelerator("x", **spec)))
    assert (offer.serves, offer.candidate.devices, offer.standing) == (True, devices, "Front")


def test_too_small_says_how_much_is_missing() -> None:
    advice = ask(workload([variant(size="400Gi")]), accelerator("x"))
    offer = only(advice)
    assert codes(offer) == ["InsufficientMemory"]
    assert offer.reasons[0].message.startswith("needs 56.")
    assert "each of 8 x offers 13.4 GiB usable" in offer.reasons[0].message
    assert advice.outcome is not None
    assert advice.outcome.message.startswith("nearest is bf16 on x: needs 56.")


@pytest.mark.parametrize(("bandwidth", "devices", "found"), [("1000", 4, []), ("10", 8, ["LatencyTooHigh"])])
def test_as_many_devices_as_the_latency_takes(bandwidth: str, devices: int, found: list[str]) -> None:
    wanted = workload(requirements={"latency": {"timePerOutputToken": "5ms"}})
    offer = only(ask(wanted, accelerator("x", memoryBandwidth=bandwidth)))
    assert (codes(offer), offer.candidate.devices) == (found, devices)


def test_unsupported_where_no_runtime_runs() -> None:
    gpus_of_amd = runtime(supports=[{"accelerators": {"vendors": ["AMD"]}}])
    offer = only(ask(workload(), accelerator("x"), runtimes=[gpus_of_amd]))
    assert [r.message for r in offer.reasons] == ["no runtime runs on x"]
    assert not offer.runs


def test_every_class_and_variant_has_one_offer() -> None:
    wanted = workload([variant("a"), variant("b", precision="fp8"), variant("c", format="gguf")])
    advice = ask(
        wanted, accelerator("x"), accelerator("y"), cpu_class(), runtimes=[runtime("r"), runtime("s")]
    )
    assert sorted(o.key for o in advice.offers) == [(c, v) for c in ("cpu", "x", "y") for v in "abc"]
    assert {o.key for o in advice.serving} == {("cpu", "a"), ("x", "a"), ("y", "a")}
    assert all(o.runtimes == ("r", "s") for o in advice.serving)


def test_a_runtime_that_needs_fewer_devices_wins() -> None:
    servers = [runtime("a", supports=[{"deviceCounts": [4]}]), runtime("b")]
    offer = only(ask(workload(), accelerator("x"), runtimes=servers))
    assert (offer.candidate.runtime.name, offer.candidate.devices, offer.runtimes) == ("b", 1, ("b",))


ARM = [{"provider": "t", "matchLabels": {KIND: "x", ARCHITECTURE: "arm64"}}]


@pytest.mark.parametrize(
    ("match", "images", "found"),
    [
        pytest.param(None, ["amd64"], ("amd64",), id="image for amd64"),
        pytest.param(None, ["arm64"], ("arm64",), id="image for arm64"),
        pytest.param(None, ["amd64", "arm64"], ("amd64", "arm64"), id="image for both"),
        pytest.param(ARM, ["amd64", "arm64"], ("arm64",), id="nodes are arm64"),
        pytest.param(ARM, ["amd64"], (), id="nodes are arm64, the image isn't"),
    ],
)
def test_architectures(match: list[Spec] | None, images: list[str], found: tuple[str, ...]) -> None:
    device = accelerator("x", **({"match": match} if match else {}))
    offer = only(ask(workload(), device, runtimes=[runtime(supports=[{"architectures": images}])]))
    assert offer.architectures == found
    assert codes(offer) == ([] if found else ["ArchitectureMismatch"])


@pytest.mark.parametrize(
    ("spec", "replicas"),
    [
        pytest.param({}, 1, id="one"),
        pytest.param({"replicas": 3}, 3, id="as wished"),
        pytest.param({"replicas": 0}, 1, id="scaled to zero, asked for all the same"),
        pytest.param({"requirements": {"throughput": {"requestsPerSecond": "50"}}}, 6, id="for the load"),
        pytest.param({"policy": "unknown"}, 1, id="a policy speaks of a fleet"),
    ],
)
def test_replicas(spec: Spec, replicas: int) -> None:
    profile = {"acceleratorClass": "x", "requestsPerSecond": "9"}
    offer = only(ask(workload([variant(profiles=[profile])], **spec), accelerator("x")))
    assert offer.candidate.replicas == replicas


def test_cost_against_latency_where_a_price_is_known() -> None:
    classes = [accelerator("slow", memoryBandwidth="500"), accelerator("fast"), accelerator("odd")]
    advice = ask(workload(), *classes, slow="1", fast="2.5")
    assert advice.axis == "costPerHour"
    assert [(o.key[0], o.standing, o.on(advice.axis)) for o in advice.offers] == [
        ("slow", "Front", 1.0),
        ("fast", "Front", 2.5),
        ("odd", "NotCompared", None),
    ]


def test_energy_against_latency_where_no_price_is() -> None:
    classes = [accelerator("hot", powerWatts="300"), accelerator("cool"), accelerator("odd", powerWatts=None)]
    advice = ask(workload(), *classes)
    assert advice.axis == "joulesPerRequest"
    assert [(o.key[0], o.standing, o.dominated_by) for o in advice.offers] == [
        ("cool", "Front", None),
        ("hot", "Dominated", ("cool", "bf16")),
        ("odd", "NotCompared", None),
    ]
    assert [(o.latency_rank, o.alone_rank) for o in advice.offers] == [(1, 1), (1, 1), (1, 1)]


def test_what_looks_equal_is_equal() -> None:
    """A thousandth is no difference between estimates: the cheaper one is in front alone."""
    advice = ask(workload(), accelerator("a", powerWatts="101"), accelerator("b", memoryBandwidth="999.9"))
    assert {o.key[0]: o.standing for o in advice.offers} == {"a": "Dominated", "b": "Front"}


def test_the_best_variant_of_a_class() -> None:
    variants = [variant("wide"), variant("narrow", precision="fp16", size="4Gi", quality="0.99")]
    advice = ask(workload(variants), accelerator("x"))
    assert {o.key[1]: o.best_of_class for o in advice.offers} == {"wide": False, "narrow": True}


def test_a_budget_speaks_only_where_a_price_is_known() -> None:
    wanted = workload(requirements={"maxCostPerHour": "1"})
    advice = ask(wanted, accelerator("dear"), accelerator("cheap"), accelerator("odd"), dear="3", cheap="0.5")
    found = {o.key[0]: (codes(o), o.budget_unchecked) for o in advice.offers}
    assert found == {"dear": (["OverBudget"], False), "cheap": ([], False), "odd": ([], True)}


MEASURED = {"acceleratorClass": "x", "requestsPerSecond": "10", "tokensPerSecond": "1000", "latency": "2s"}
RECALLED = {"provenance": {"performance": "Memory"}}


@pytest.mark.parametrize(
    ("profiles", "spec", "marks"),
    [
        pytest.param([], {}, {"latency": "estimated", "latencyAlone": "estimated"}, id="estimated"),
        pytest.param([], RECALLED, {"latency": "estimated?", "memoryUsable": "estimated?"}, id="from memory"),
        pytest.param(
            [MEASURED],
            RECALLED,
            {
                "latency": "measured",
                "latencyAlone": "measured",
                "timeToFirstToken": "estimated?",
                "joulesPerRequest": "estimated?",
                "costPerHour": "measured",
                "costPerMillionOutputTokens": "measured",
                "memoryNeeded": "estimated?",
            },
            id="measured",
        ),
        pytest.param([], {"powerWatts": None}, {"joulesPerRequest": "unknown"}, id="no power"),
        pytest.param(
            [], {"memoryBandwidth": None}, {"latency": "unknown", "replicas": "estimated"}, id="unknown"
        ),
    ],
)
def test_every_number_says_what_it_rests_on(profiles: list[Spec], spec: Spec, marks: dict[str, str]) -> None:
    offer = only(ask(workload([variant(profiles=profiles)]), accelerator("x", **spec), x="3.6"))
    known = figures(offer)
    found = {name: known[name] for name in marks}
    assert {n: f"{f.basis}{'?' if f.from_memory else ''}" for n, f in found.items() if f} == marks


def value(offer: Offer, name: str) -> Any:
    figure = figures(offer)[name]
    return None if figure is None else figure.value


def test_costs_by_hand() -> None:
    """3.6 an hour for each of two devices and 1000 tokens a second: 7.2 / 3.6 million x a million."""
    profile = {**MEASURED, "devices": 2}
    wanted = workload([variant(size="15Gi", profiles=[profile])], replicas=3)
    offer = only(ask(wanted, accelerator("x"), x="3.6"))
    assert value(offer, "costPerHour") == pytest.approx(21.6)
    assert value(offer, "costPerMillionOutputTokens") == pytest.approx(2.0)
    assert value(offer, "costPerMillionInferences") is None
    classic = workload([variant(profiles=[MEASURED])], model=CLASSIFIER)
    offer = only(ask(classic, accelerator("x"), x="3.6"))
    assert value(offer, "costPerMillionInferences") == pytest.approx(100.0)
    assert figures(offer)["timeToFirstToken"] is None


@pytest.mark.parametrize("name", ["chat", "chat-70b", "classifier", "summaries", "assistant", "detector"])
def test_the_operator_would_decide_the_same_on_such_nodes(name: str) -> None:
    """Each offer, brought by an autoscaler, is what the engine places there, and it places no other."""
    wanted, catalog = sample(name).workload, load_catalog()
    runtimes = tuple(catalog.runtimes.values())
    advice = advise(wanted, catalog.classes.values(), runtimes, {})
    assert advice.serving
    for offer in advice.offers:
        pool = offer.candidate.pool
        nodes = {
            pool.resource: pool.devices_per_node,
            "cpu": 10**9,
            "memory": 2**60,
            "ephemeral-storage": 2**60,
        }
        brought = replace(pool, provision=Provision(10_000, nodes))
        spec = wanted.spec.model_copy(update={"variants": [offer.candidate.variant]})
        one = Demand(wanted.model_copy(update={"spec": spec}), ANY_POLICY)
        decision = decide(Snapshot((brought,), runtimes, {}), one, ())
        found = [(c.as_placed.runtime, c.as_placed.devices, c.replicas) for c in decision.placements]
        c = offer.candidate
        assert found == ([(c.runtime.name, c.devices, c.replicas)] if offer.serves else []), offer.key

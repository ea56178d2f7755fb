"""Variants that are built: what is decided before, meanwhile and after, and which are worth building."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import InferenceDeploymentStatus, VariantStatus
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.reasons import Code
from stowage.placement.build_nodes import building_pools
from stowage.placement.builds import build_inputs, build_states, effective_variants, result_folder
from stowage.placement.decide import decide
from stowage.placement.snapshot import Demand, Snapshot

from .builders import CLASSIFIER, GKE_POOL, Spec, cpu_class, node, policy, snapshot, tier, workload

FP32: Spec = {
    "name": "fp32", "precision": "fp32", "format": "onnx",
    "uri": "pvc://models/digits/model.onnx", "size": "400Mi",
}  # fmt: skip
BUILD: Spec = {"from": "fp32", "method": "onnx-static-int8", "calibration": "pvc://data/digits.npz"}
SCRIPTED: Spec = {**BUILD, "script": "pvc://data/measure.py"}
INT8: Spec = {"name": "int8", "precision": "int8", "format": "onnx", "build": BUILD}
BUILDS: Spec = {"claimName": "variants"}
BUILT: Spec = {
    "state": "Built", "uri": "pvc://variants/stowage/chat/int8-x/model.onnx", "size": "110100480",
    "digest": f"sha256:{'0' * 64}", "quality": "0.998", "metric": "top-1 agreement with the reference",
    "examples": 540,
}  # fmt: skip
INT8_ON_CPU = "int8/server/cpus/1"
FP32_ON_CPU = "fp32/server/cpus/1"


def digits(
    status: Spec | None = None, variants: list[Spec] | None = None, **spec: Any
) -> InferenceDeployment:
    """A classifier in fp32 and an int8 that is to be built, of which status says so much."""
    made = workload(variants or [FP32, INT8], CLASSIFIER, **spec)
    if status is None:
        return made
    inputs = build_inputs(made, made.spec.variants[1])
    told = VariantStatus.model_validate({"name": "int8", "inputs": inputs, **status})
    return made.model_copy(update={"status": InferenceDeploymentStatus(variants=[told])})


def cpus() -> Snapshot:
    computes = [{"name": "fp32", "peak": "1"}, {"name": "int8", "peak": "4"}]
    return snapshot([node("n1", None, "cpus")], [cpu_class(precisions=computes)])


def rules(**spec: Any) -> PlacementPolicy:
    given = {
        "tiers": [tier("cpus", types=["CPU"])],
        "allowCPU": True,
        "builds": BUILDS,
        "goal": "FirstAvailable",
    }
    return policy(**{k: v for k, v in {**given, **spec}.items() if v is not None})


@dataclass(frozen=True)
class Case:
    """What status and policy say of int8, and what follows."""

    reasons: list[tuple[Code, str]]
    needs: tuple[str, ...] = ()
    status: Spec | None = None
    spec: Spec = field(default_factory=dict)
    policy: Spec = field(default_factory=dict)


CASES = {
    "not yet": Case(
        [(Code.VARIANT_NOT_BUILT, "variant int8 isn't built yet")], ("int8",)
    ),
    "status says so": Case(
        [(Code.VARIANT_NOT_BUILT, "variant int8 isn't built yet")], ("int8",), {"state": "NotBuilt"}
    ),
    "nothing is wanted": Case(
        [(Code.VARIANT_NOT_BUILT, "variant int8 isn't built yet")], (), None, {"replicas": 0}
    ),
    "no candidate needs it": Case(
        [
            (Code.VARIANT_NOT_BUILT, "variant int8 isn't built yet"),
            (Code.UNKNOWN_PRICE, "no price of cpus is known; create an AcceleratorPool with costPerHour"),
        ],
        (), None, {"requirements": {"maxCostPerHour": "1"}},
    ),
    "the policy builds nothing": Case(
        [(Code.BUILD_NOT_ALLOWED, "policy test doesn't set builds")], (), None, {}, {"builds": None}
    ),
    "the policy lets no script measure": Case(
        [(Code.BUILD_NOT_ALLOWED, "variant int8 has a script, and builds.scripts of policy test is Never")],
        (), None, {"variants": [FP32, {**INT8, "build": SCRIPTED}]},
    ),
    "the policy lets a script measure": Case(
        [(Code.VARIANT_NOT_BUILT, "variant int8 isn't built yet")],
        ("int8",), None, {"variants": [FP32, {**INT8, "build": SCRIPTED}]},
        {"builds": {**BUILDS, "scripts": "Allowed"}},
    ),
    "a Job runs": Case(
        [(Code.VARIANT_BUILDING, "variant int8 is being built")], (), {"state": "Building"}
    ),
    "it failed": Case(
        [(Code.BUILD_FAILED, "variant int8 could not be built: no room")],
        (), {"state": "Failed", "message": "no room"},
    ),
    "below the minimum": Case(
        [(Code.QUALITY_TOO_LOW,
          "quality of int8 is 0.998 (top-1 agreement with the reference, 540 examples), "
          "at least 0.999 is asked")],
        (), BUILT, {"requirements": {"minQuality": "0.999"}},
    ),
    "the minimum": Case([], (), BUILT, {"requirements": {"minQuality": "0.998"}}),
    "built": Case([], (), BUILT),
    "built, and the policy builds no more": Case([], (), BUILT, {}, {"builds": None}),
    "built from something else": Case(
        [(Code.VARIANT_NOT_BUILT, "variant int8 isn't built yet")],
        ("int8",), {**BUILT, "inputs": "ffffffff"},
    ),
    "unknown quality": Case(
        [(Code.QUALITY_UNKNOWN,
          "quality of int8 wasn't measured for want of data, and policy test refuses what is unknown")],
        (), {**BUILT, "quality": ""},
    ),
    "unknown quality that may serve": Case(
        [], (), {**BUILT, "quality": ""}, {}, {"builds": {**BUILDS, "unknownQuality": "Serve"}}
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_said_of_a_variant_to_be_built(case: Case) -> None:
    demand = Demand(digits(case.status, **case.spec), rules(**case.policy))

    decision = decide(cpus(), demand, ())

    told = next((v for v in decision.verdicts if v.candidate.placement.id == INT8_ON_CPU), None)
    found = [(r.code, r.message) for r in told.reasons] if told and not told.feasible else []
    assert found == case.reasons
    assert decision.needs() == case.needs


def test_the_reference_serves_meanwhile() -> None:
    decision = decide(cpus(), Demand(digits({"state": "Building"}), rules()), ())
    assert [c.as_placed.id for c in decision.placements] == [FP32_ON_CPU]


@pytest.mark.parametrize(
    ("status", "code"),
    [(None, Code.VARIANT_NOT_BUILT), ({"state": "Building"}, Code.VARIANT_BUILDING)],
)
def test_waiting_for_a_build_is_no_dead_end(status: Spec | None, code: Code) -> None:
    """Where nothing else can serve: the object is under way, not stalled."""
    demanding = digits(status, [{**FP32, "quality": "0.5"}, INT8], requirements={"minQuality": "0.99"})

    decision = decide(cpus(), Demand(demanding, rules()), ())

    assert decision.placements == ()
    assert decision.outcome.code == code


def test_a_failed_build_is_a_dead_end() -> None:
    demanding = digits({"state": "Failed", "message": "no room"}, [{**FP32, "quality": "0.5"}, INT8],
                       requirements={"minQuality": "0.99"})  # fmt: skip
    assert decide(cpus(), Demand(demanding, rules()), ()).outcome.code == Code.NO_CANDIDATE


def test_what_was_built_stands_in_the_place_of_what_was_asked() -> None:
    (fp32, int8) = Demand(digits(BUILT), rules()).variants
    assert fp32.uri == FP32["uri"]
    assert (int8.uri, int8.stored_bytes, int8.quality) == (BUILT["uri"], 105 * 2**20, "0.998")


def test_before_it_is_built_its_size_follows_from_the_reference() -> None:
    made = digits()
    int8 = Demand(made, rules()).variants[1]
    assert int8.stored_bytes == 100 * 2**20
    inputs = build_inputs(made, made.spec.variants[1])
    assert int8.uri == f"pvc://variants/stowage/chat/int8-{inputs}/model.onnx"


def test_the_size_that_a_user_expects_goes_before_the_estimate() -> None:
    made = digits(None, [FP32, {**INT8, "size": "120Mi"}])
    assert Demand(made, rules()).variants[1].stored_bytes == 120 * 2**20


def test_a_measured_profile_wins_over_the_estimate_and_a_written_one_over_both() -> None:
    measured = {"acceleratorClass": "cpu", "devices": 1, "requestsPerSecond": "31500.5",
                "latencySeconds": "0.000014"}  # fmt: skip
    written = {"acceleratorClass": "cpu", "devices": 1, "latency": "3ms"}
    status = {**BUILT, "profiles": [measured]}
    for variants, latency in (([FP32, INT8], 0.000014), ([FP32, {**INT8, "profiles": [written]}], 0.003)):
        decision = decide(cpus(), Demand(digits(status, variants), rules(goal="LowestLatency")), ())
        int8 = [c.candidate for c in decision.placements] + [v.candidate for v in decision.verdicts]
        (found,) = [c.estimate for c in int8 if c.placement.id == INT8_ON_CPU]
        assert found.latency == latency
        assert "latency" in found.measured


def changed(**build: Any) -> str:
    made = digits(None, [FP32, {**INT8, "build": {**BUILD, **build}}])
    return build_inputs(made, made.spec.variants[1])


def test_inputs_change_with_whatever_the_result_depends_on_and_nothing_else() -> None:
    plain = changed()
    moved = digits(None, [{**FP32, "uri": "pvc://models/digits/v2.onnx"}, INT8])
    others = {
        build_inputs(moved, moved.spec.variants[1]),
        changed(calibration="pvc://data/other.npz"),
        changed(evaluation="pvc://data/test.npz"),
        changed(method="onnx-dynamic-int8"),
        changed(benchmark=True),
    }
    assert len(others | {plain}) == 6
    same = digits(None, [{**FP32, "quality": "0.9"}, {**INT8, "size": "1Gi"}], replicas=3)
    assert build_inputs(same, same.spec.variants[1]) == plain


def test_the_folder_of_a_result_is_one_of_its_own() -> None:
    made = digits()
    assert result_folder(made, made.spec.variants[1]) == f"stowage/chat/int8-{changed()}"


@pytest.mark.parametrize(
    ("builds", "expected"),
    [
        ({"acceleratorClass": "cpu"}, ["one", "two"]),
        ({"acceleratorClass": "cpu", "nodeSelector": {GKE_POOL: "two"}}, ["two"]),
        ({"acceleratorClass": "cpu", "nodeSelector": {GKE_POOL: "three"}}, []),
        ({"acceleratorClass": "gpu"}, []),
    ],
)
def test_pools_build_whose_nodes_are_of_the_class_and_have_the_labels(
    builds: Spec, expected: list[str]
) -> None:
    pools = snapshot([node("n1", None, "one"), node("n2", None, "two")], [cpu_class(name="cpu")]).pools
    given = rules(builds={**BUILDS, **builds}).spec.builds
    assert given is not None
    assert sorted(p.name for p in building_pools(given, pools)) == expected


@pytest.mark.parametrize(("digest", "expected"), [(BUILT["digest"], BUILT["digest"]), ("", None)])
def test_what_serves_a_built_variant_is_told_its_digest(digest: str, expected: str | None) -> None:
    made = digits({**BUILT, "digest": digest})
    _, int8 = effective_variants(made, rules(), build_states(made))
    assert int8.digest == expected

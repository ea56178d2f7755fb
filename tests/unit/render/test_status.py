"""The status: what it says, that it fits what the API server allows, and that it stays still."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowage.api.inference_deployment_status import InferenceDeploymentStatus, PlacementStatus
from stowage.api.reasons import Code
from stowage.placement.candidates import Candidate
from stowage.placement.decision import Chosen, Decision, Verdict
from stowage.placement.estimate import Estimate
from stowage.placement.reasons import Reason
from stowage.render.names import deployment_name, runtime_revision
from stowage.render.status import Situation, _text, status
from stowage.render.transition import Serving

from .bounds import SCHEMA, breaches
from .builders import BF16, CATALOG, CLASSIC, candidate, choose, decision, policy, pool, workload

NOW, LATER, THEN = "2026-01-02T03:04:05Z", "2026-01-02T04:00:00Z", "2026-01-01T00:00:00Z"
TIERS = [{"name": "reserved", "accelerators": {"types": ["TPU"]}}, {"name": "any", "accelerators": {}}]
RULES = policy(tiers=TIERS)
ON_L4 = candidate(workload(), pool("nvidia-l4"), rules=RULES)
ON_A100 = candidate(workload(), pool("nvidia-a100-80gb"), rules=RULES)
REVISION = runtime_revision(CATALOG.runtimes["vllm"])
TOO_SMALL = Reason(
    Code.INSUFFICIENT_MEMORY, "needs 20.0 GiB, one nvidia-t4 offers 13.4 GiB usable: 6.6 GiB short"
)
NOT_NATIVE = Reason(Code.PRECISION_NOT_NATIVE, "bf16 is not native on nvidia-t4")
NO_ROOM = Reason(Code.NO_CAPACITY, "no node of l4 has room for one replica")
LESS_ROOM = Reason(Code.LESS_ROOM, "l4 hasn't room for all 2 replicas")
NOT_BEST = Reason(Code.NOT_BEST, "BestFit: takes 74.5 GiB, the chosen one takes 22.4 GiB")
STAYS = Reason(Code.KEPT_CURRENT, "what serves is feasible and stays")


def priced(one: Candidate, cost: str | None) -> Candidate:
    """The candidate in a pool of this price of a node."""
    amount = Decimal(cost) if cost is not None else None
    return replace(one, pool=replace(one.pool, cost_per_hour=amount))


def in_pool(name: str, one: Candidate = ON_L4) -> Candidate:
    return replace(one, pool=replace(one.pool, name=name))


def rejected(one: Candidate, *reasons: Reason) -> Verdict:
    return Verdict(one, feasible=False, reasons=reasons)


def feasible(one: Candidate, reason: Reason = NOT_BEST) -> Verdict:
    return Verdict(one, feasible=True, reasons=(reason,))


def serving(one: Chosen, ready: int, replicas: int | None = None) -> Serving:
    count = one.replicas if replicas is None else replicas
    return Serving(deployment_name(workload(), one.as_placed), one.as_placed, count, ready)


def situation(
    decided: Decision | None, *children: Serving, before: InferenceDeploymentStatus | None = None, **more: Any
) -> Situation:
    made = workload(replicas=2, status=before, generation=4)
    return Situation(made, children, decision=decided, **more)


L4, A100 = choose(priced(ON_L4, "8.40"), 2), choose(ON_A100, 2)


def test_the_whole_status() -> None:
    first = status(situation(decision(L4, verdicts=[feasible(ON_A100)])), NOW)
    decided = decision(
        L4, verdicts=[feasible(ON_A100, STAYS), rejected(in_pool("t4"), TOO_SMALL, NOT_NATIVE)]
    )
    name = "chat-33646f77"
    again = situation(decided, serving(L4, 1), before=first, revisions={name: "older"})
    assert status(again, LATER).to_wire() == {
        "observedGeneration": 4,
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Starting",
                "message": "1 of 2 replicas are ready",
                "lastTransitionTime": NOW,
                "observedGeneration": 4,
            },
            {
                "type": "Placed",
                "status": "True",
                "reason": "Placed",
                "message": "all placed",
                "lastTransitionTime": NOW,
                "observedGeneration": 4,
            },
            {
                "type": "Reconciling",
                "status": "True",
                "reason": "Starting",
                "message": "1 of 2 replicas are ready",
                "lastTransitionTime": NOW,
                "observedGeneration": 4,
            },
            {
                "type": "Stalled",
                "status": "False",
                "reason": "Settled",
                "message": "nothing is under way",
                "lastTransitionTime": NOW,
                "observedGeneration": 4,
            },
        ],
        "placements": [
            {
                "deployment": name,
                "pool": "l4",
                "acceleratorClass": "nvidia-l4",
                "acceleratorType": "GPU",
                "capacityType": "on-demand",
                "variant": "bf16",
                "precision": "bf16",
                "runtime": "vllm",
                "runtimeRevision": "older",
                "devicesPerReplica": 1,
                "replicas": 2,
                "readyReplicas": 1,
                "tier": "any",
                "since": NOW,
                "costPerHour": "2.10",
                "estimate": {k: v for k, v in _estimates().items() if v is not None},
                "draining": False,
            }
        ],
        "candidates": [
            {
                "pool": "l4",
                "acceleratorClass": "nvidia-l4",
                "variant": "bf16",
                "runtime": "vllm",
                "verdict": "Chosen",
                "reasons": [],
            },
            {
                "pool": ON_A100.pool.name,
                "acceleratorClass": "nvidia-a100-80gb",
                "variant": "bf16",
                "runtime": "vllm",
                "verdict": "Feasible",
                "reasons": [{"code": "KeptCurrent", "message": STAYS.message}],
            },
            {
                "pool": "t4",
                "acceleratorClass": "nvidia-l4",
                "variant": "bf16",
                "runtime": "vllm",
                "verdict": "Rejected",
                "reasons": [
                    {"code": "InsufficientMemory", "message": TOO_SMALL.message},
                    {"code": "PrecisionNotNative", "message": NOT_NATIVE.message},
                ],
            },
        ],
        "backoffs": [],
        "variants": [],
        "replicas": 2,
        "readyReplicas": 1,
        "selector": "stowage.dev/inference-deployment=chat",
        "address": "http://chat.shop.svc:8000",
        "summary": {
            "accelerator": "1 x nvidia-l4",
            "variant": "bf16",
            "pool": "l4",
            "replicas": "1/2",
            "costPerHour": "2.10",
        },
    }


def _estimates() -> dict[str, str | None]:
    one = ON_L4.estimate
    return {
        "basis": "estimated",
        "latencySeconds": _text(one.latency),
        "timeToFirstTokenSeconds": _text(one.time_to_first_token),
        "timePerOutputTokenSeconds": _text(one.time_per_output_token),
        "requestsPerSecond": _text(one.requests_per_second),
        "tokensPerSecond": _text(one.tokens_per_second),
        "joulesPerRequest": _text(one.joules_per_request),
    }


# Placements


def placements(one: Situation, now: str = LATER) -> dict[str, tuple[int, int, bool, str | None]]:
    """Each placement's replicas, ready ones, whether it drains, and since when, by pool."""
    found = status(one, now).placements
    return {p.pool: (p.replicas, p.ready_replicas, p.draining, p.since) for p in found}


def test_a_move_shows_both_until_the_old_one_is_gone() -> None:
    old = serving(L4, 2)
    before = status(situation(decision(L4), old), THEN)
    moving = situation(decision(A100), old, serving(A100, 1), before=before, draining=(old.name,))
    a100 = ON_A100.pool.name
    assert placements(moving) == {a100: (2, 1, False, LATER), "l4": (2, 2, True, THEN)}
    found = status(moving, LATER)
    assert (found.replicas, found.ready_replicas) == (4, 3)
    assert found.summary is not None
    assert found.summary.replicas == "3/2"
    done = situation(decision(A100), serving(A100, 2), before=status(moving, LATER))
    assert placements(done, NOW) == {a100: (2, 2, False, LATER)}


def test_what_comes_back_from_draining_serves_since_now() -> None:
    old = serving(L4, 2)
    before = status(situation(decision(L4), old), THEN)
    moving = status(situation(decision(A100), old, before=before, draining=(old.name,)), NOW)
    assert placements(situation(decision(L4), old, before=moving)) == {"l4": (2, 2, False, LATER)}


def test_where_nothing_could_be_decided_what_serves_is_still_shown() -> None:
    old = serving(L4, 2)
    before = status(situation(decision(L4), old), THEN)
    nothing = decision(wanted=2, outcome=NO_ROOM)
    assert placements(situation(nothing, old, before=before)) == {"l4": (2, 2, False, THEN)}


def test_a_problem_shows_what_serves_as_it_was() -> None:
    old, new = serving(L4, 2), serving(A100, 0)
    before = status(situation(decision(L4), old), THEN)
    moving = status(situation(decision(A100), old, new, before=before, draining=(old.name,)), NOW)
    paused = situation(None, old, new, before=moving, problem=Reason(Code.PAUSED, "spec.paused is set"))
    assert placements(paused) == {"l4": (2, 2, True, THEN), ON_A100.pool.name: (2, 0, False, NOW)}


def test_what_an_older_template_serves_goes_on_where_its_successor_fails() -> None:
    crash = Reason(Code.CRASH_LOOP, "its container crashed 3 times, at last with Error")
    rolling = replace(serving(L4, 0), available=1, rolling=True)
    found = status(situation(decision(L4), rolling, problem=crash), NOW)
    ready = next(c for c in found.conditions if c.type == "Ready")
    assert (ready.status, ready.reason) == ("False", "CrashLoop")
    assert ready.message == f"{crash.message}; 1 replica goes on serving"
    assert found.ready_replicas == 0


def test_what_was_refused_is_no_placement() -> None:
    conflict = Reason(Code.NAME_CONFLICT, "Service shop/chat exists and isn't Stowage's")
    found = status(situation(decision(L4), problem=conflict), NOW)
    assert (found.placements, found.replicas) == ([], 0)
    assert {c.type: (c.status, c.reason) for c in found.conditions} == {
        "Ready": ("False", "NameConflict"),
        "Placed": ("False", "NameConflict"),
        "Reconciling": ("False", "Settled"),
        "Stalled": ("True", "NameConflict"),
    }


def test_what_served_before_a_refusal_stays_placed() -> None:
    conflict = Reason(Code.NAME_CONFLICT, "Service shop/chat exists and isn't Stowage's")
    found = status(situation(decision(L4), serving(L4, 2), problem=conflict), NOW)
    assert [(p.deployment, p.ready_replicas) for p in found.placements] == [("chat-33646f77", 2)]
    assert {c.type: c.status for c in found.conditions}["Placed"] == "True"


def test_a_lost_status_is_filled_from_the_deployment() -> None:
    lost = situation(None, serving(L4, 1), problem=Reason(Code.INVALID_SPEC, "no"))
    (found,) = status(lost, NOW).placements
    assert found == PlacementStatus(
        deployment="chat-33646f77",
        pool="l4",
        accelerator_class="nvidia-l4",
        accelerator_type="",
        variant="bf16",
        precision="",
        runtime="vllm",
        devices_per_replica=1,
        replicas=2,
        ready_replicas=1,
    )


def test_more_ready_pods_than_wanted_are_no_more_ready_replicas() -> None:
    assert placements(situation(decision(L4), serving(L4, 5))) == {"l4": (2, 2, False, LATER)}


# Candidates


def lines(found: InferenceDeploymentStatus) -> list[tuple[str, str, str]]:
    return [(c.pool, c.verdict, c.reasons[0].code if c.reasons else "") for c in found.candidates]


SMALL = rejected(in_pool("t4"), TOO_SMALL)


def decided(*verdicts: Verdict, chosen: Chosen = L4) -> Decision:
    return decision(chosen, verdicts=verdicts)


@pytest.mark.parametrize(
    ("first", "then", "kept"),
    [
        # room that comes and goes with other people's pods
        ([feasible(ON_A100)], [rejected(ON_A100, NO_ROOM)], True),
        ([rejected(ON_A100, NO_ROOM)], [feasible(ON_A100)], True),
        ([feasible(ON_A100)], [feasible(ON_A100, STAYS)], True),
        ([feasible(ON_A100)], [feasible(ON_A100, LESS_ROOM)], True),
        ([feasible(ON_A100), SMALL], [SMALL, rejected(ON_A100, NO_ROOM)], True),
        # what holds until somebody changes something
        ([feasible(ON_A100)], [rejected(ON_A100, TOO_SMALL)], False),
        ([rejected(ON_A100, TOO_SMALL)], [feasible(ON_A100)], False),
        ([rejected(ON_A100, TOO_SMALL)], [rejected(ON_A100, NOT_NATIVE)], False),
        ([rejected(ON_A100, TOO_SMALL)], [rejected(ON_A100, TOO_SMALL, NOT_NATIVE)], False),
        ([rejected(ON_A100, TOO_SMALL)], [rejected(ON_A100, replace(TOO_SMALL, message="other"))], False),
        ([feasible(ON_A100)], [], False),
        ([feasible(ON_A100)], [feasible(ON_A100), feasible(in_pool("new"))], False),
    ],
)  # fmt: skip
def test_candidates_change_with_what_lasts(first: list[Verdict], then: list[Verdict], kept: bool) -> None:
    before = status(situation(decided(*first)), NOW)
    after = status(situation(decided(*then), before=before), LATER)
    fresh = status(situation(decided(*then)), LATER)
    assert after.candidates == (before if kept else fresh).candidates


def test_candidates_change_with_the_choice() -> None:
    before = status(situation(decided(feasible(ON_A100))), NOW)
    after = status(situation(decided(feasible(ON_L4), chosen=A100), before=before), LATER)
    assert lines(after) == [(ON_A100.pool.name, "Chosen", ""), ("l4", "Feasible", "NotBest")]


def test_sixteen_lines_tell_of_as_many_pools_as_they_can() -> None:
    same = [rejected(ON_A100, NO_ROOM) for _ in range(20)]
    pools = [rejected(in_pool(f"p{i:02}"), TOO_SMALL) for i in range(20)]
    found = status(situation(decided(*same, *pools)), NOW)
    assert [line[0] for line in lines(found)] == ["l4", ON_A100.pool.name, *(f"p{i:02}" for i in range(14))]


def test_a_full_list_stays_still_while_others_room_comes_and_goes() -> None:
    """Candidates without room come before those that are rejected for good, and push them out."""
    names = [f"p{i:02}" for i in range(30)]
    lasting = [rejected(in_pool(name), TOO_SMALL) for name in names[10:]]
    able = [in_pool(name) for name in names[:10]]
    before = status(situation(decided(*(feasible(c) for c in able), *lasting)), NOW)
    assert len(before.candidates) == 16
    for full in range(11):
        verdicts = [feasible(c) for c in able[full:]] + [rejected(c, NO_ROOM) for c in able[:full]]
        for order in (verdicts, verdicts[::-1]):
            after = status(situation(decided(*order, *lasting), before=before), LATER)
            assert after.candidates == before.candidates


def test_without_a_decision_the_last_candidates_stay() -> None:
    before = status(situation(decided(feasible(ON_A100))), NOW)
    problem = Reason(Code.UNKNOWN_POLICY, "spec.policy: PlacementPolicy 'x' doesn't exist")
    after = status(situation(None, before=before, problem=problem), LATER)
    assert after.candidates == before.candidates


# The summary


CPU = candidate(
    workload(
        [{**BF16, "name": "int8", "precision": "int8", "format": "openvino", "size": "26Mi"}], model=CLASSIC
    ),
    pool("cpu-x86-amx-int8", 64),
)


@pytest.mark.parametrize(
    ("chosen", "accelerator", "where", "cost"),
    [
        ([], "", "", ""),
        ([choose(ON_L4)], "1 x nvidia-l4", "l4", ""),
        ([choose(replace(priced(ON_L4, "8"), devices=2))], "2 x nvidia-l4", "l4", "2.00"),
        ([choose(CPU)], "1 core of cpu-x86-amx-int8", CPU.pool.name, ""),
        ([choose(replace(CPU, devices=4))], "4 cores of cpu-x86-amx-int8", CPU.pool.name, ""),
        (
            [choose(priced(ON_L4, "8")), choose(priced(in_pool("b"), "4"))],
            "1 x nvidia-l4 +1",
            "l4 +1",
            "1.50",
        ),
        ([choose(priced(ON_L4, "8")), choose(in_pool("b"))], "1 x nvidia-l4 +1", "l4 +1", ""),
    ],
)
def test_the_summary(chosen: list[Chosen], accelerator: str, where: str, cost: str) -> None:
    found = status(situation(decision(*chosen, wanted=2, outcome=NO_ROOM)), NOW).summary
    assert found is not None
    assert (found.accelerator, found.pool, found.cost_per_hour, found.replicas) == (
        accelerator,
        where,
        cost,
        "0/2",
    )


# Bounds


def test_the_port_of_the_schema_sees_what_is_wrong() -> None:
    wire = status(situation(decision(L4)), NOW).to_wire()
    assert not list(breaches(wire, SCHEMA))
    wire["placements"] *= 17
    wire["replicas"] = -1
    wire["candidates"][0]["verdict"] = "Perhaps"
    wire["selector"] = "x" * 254
    del wire["conditions"][0]["reason"]
    wire["other"] = 1
    assert list(breaches(wire, SCHEMA)) == [
        "status.conditions[0]: no reason",
        "status.placements: 17 items",
        "status.placements: a key is there twice",
        "status.candidates[0].verdict: 'Perhaps'",
        "status.replicas: -1",
        "status.selector: 254 characters",
        "status: other",
    ]


LONG = "n" * 63
LONG_POOL = f"{LONG}.{LONG}.{LONG}.shared"


def long_candidate(number: int) -> Candidate:
    """Every name as long as the API lets it be."""
    entry = ON_L4.pool.accelerator_class
    named = entry.model_copy(update={"metadata": entry.metadata.model_copy(update={"name": LONG})})
    where = f"{number:03}{LONG_POOL[3:]}"
    server = ON_L4.runtime.model_copy(update={"metadata": entry.metadata.model_copy(update={"name": LONG})})
    return replace(
        priced(ON_L4, "999999999999.999999"),
        variant=ON_L4.variant.model_copy(update={"name": LONG}),
        runtime=server,
        pool=replace(
            ON_L4.pool, name=where, accelerator_class=named, cost_per_hour=Decimal("999999999999.999999")
        ),
        devices=65536,
        estimate=Estimate("estimated", 1e-12, 1e300, float("inf"), 1e20, float("nan"), 0.0),
    )


@pytest.mark.parametrize("split", [1, 16, 17, 200])
def test_the_longest_status_fits(split: int) -> None:
    every = [long_candidate(i) for i in range(200)]
    chosen = [choose(one, 7_208_960) for one in every[:split]]
    reasons = [Reason(Code.INSUFFICIENT_MEMORY, "x" * 9000)] * 8
    verdicts = [rejected(one, *reasons) for one in every[split:]]
    made = decision(
        *chosen, verdicts=verdicts, wanted=10**12, outcome=Reason(Code.PARTIALLY_PLACED, "y" * 9000)
    )
    children = [serving(one, 7_208_960) for one in chosen]
    old = [serving(choose(in_pool(f"old{i}"), 1), 1) for i in range(20)]
    long = workload(name="a" * 50, status=None)
    one = Situation(long, (*children, *old), made, draining=tuple(s.name for s in old))
    found = status(one, NOW)
    wire = found.to_wire()
    assert not list(breaches(wire, SCHEMA))
    assert len(found.placements) == 16
    assert len(found.candidates) == 16
    again = status(replace(one, workload=long.model_copy(update={"status": found})), LATER)
    assert again.candidates == found.candidates
    assert len(json.dumps(wire)) < 100_000


# Figures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        (0, "0"),
        (0.0, "0"),
        (1, "1"),
        (0.0123456, "0.0123"),
        (1234.5, "1230"),
        (1e-9, "0.000000001"),
        (1e-12, "0"),
        (123456789.0, "123000000"),
        (1e20, "100000000000000000000"),
        (1e22, None),
        (float("inf"), None),
        (float("nan"), None),
    ],
)
def test_figures(value: float | None, text: str | None) -> None:
    assert _text(value) == text


@given(st.floats(min_value=0, allow_nan=False, allow_infinity=True))
def test_figures_are_short_plain_decimals(value: float) -> None:
    text = _text(value)
    assert text is None or re.fullmatch(r"[0-9]{1,22}([.][0-9]{1,9})?", text)
    if text is not None and value > 1e-6:
        assert float(text) == pytest.approx(value, rel=0.006)


# Quiet

REASONS = st.sampled_from([TOO_SMALL, NOT_NATIVE, NO_ROOM, NOT_BEST, LESS_ROOM, STAYS])
VERDICTS = st.builds(
    lambda name, ok, reasons: Verdict(in_pool(f"pool-{name}"), ok, tuple(reasons)),
    st.integers(0, 30),
    st.booleans(),
    st.lists(REASONS, min_size=1, max_size=4),
)
CHOSEN = st.lists(
    st.builds(
        lambda name, n: choose(priced(in_pool(f"chosen-{name}"), "3.10"), n),
        st.integers(0, 3),
        st.integers(1, 4),
    ),
    max_size=3,
    unique_by=lambda c: c.candidate.pool.name,
)


@st.composite
def situations(draw: st.DrawFn) -> Situation:
    chosen = draw(CHOSEN)
    made = decision(
        *chosen,
        verdicts=draw(st.lists(VERDICTS, max_size=40, unique_by=lambda v: v.candidate.pool.name)),
        wanted=draw(st.integers(0, 12)),
        outcome=draw(st.sampled_from([Reason(code, "why") for code in Code])),
    )
    children = [
        serving(c, draw(st.integers(0, 5)), draw(st.integers(0, 5))) for c in chosen if draw(st.booleans())
    ]
    old = [
        serving(choose(in_pool(f"old-{i}")), draw(st.integers(0, 2))) for i in range(draw(st.integers(0, 2)))
    ]
    draining = tuple(s.name for s in old if chosen)
    problem = draw(st.sampled_from([None, None, *(Reason(code, "trouble") for code in Code)]))
    what = draw(st.booleans()) or problem is None
    return Situation(workload(), (*children, *old), made if what else None, problem, draining)


def settled(one: Situation, now: str, before: InferenceDeploymentStatus | None) -> InferenceDeploymentStatus:
    made = one.workload.model_copy(update={"status": before})
    return status(replace(one, workload=made), now)


@given(situations(), situations())
@settings(max_examples=150, deadline=None)
def test_nothing_new_is_no_new_status(earlier: Situation, one: Situation) -> None:
    """After any past, the second look at the same things says the same, byte for byte, and fits."""
    past = settled(earlier, THEN, None)
    first = settled(one, NOW, past)
    assert settled(one, LATER, first) == first
    assert not list(breaches(first.to_wire(), SCHEMA))

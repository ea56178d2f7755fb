"""Every situation's four conditions, and what kstatus makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from stowage.api.meta import Condition
from stowage.api.reasons import Code
from stowage.placement.reasons import Reason
from stowage.render.conditions import STALLS, conditions

from .kstatus import kstatus

NOW, THEN = "2026-01-02T03:04:05Z", "2026-01-01T00:00:00Z"
PLACED = Reason(Code.PLACED, "2 replicas on 1 x nvidia-l4 each, pool l4")
ZERO = Reason(Code.SCALED_TO_ZERO, "no replicas are wanted")
PARTLY = Reason(Code.PARTIALLY_PLACED, "1 of 2 replicas have room")
FULL = Reason(Code.NO_CAPACITY, "no node has room")
NO_SPARE = Reason(Code.NO_SPARE_DEVICE, "a move waits for a spare device")
NOWHERE = Reason(Code.NO_CANDIDATE, "nearest is bf16 on l4: needs 20.0 GiB")
PAUSED = Reason(Code.PAUSED, "spec.paused is set")
INVALID = Reason(Code.INVALID_SPEC, "spec.model: name is missing")
REFUSED = Reason(Code.APPLY_FAILED, "quota exceeded")


@dataclass(frozen=True)
class Case:
    """A situation; then status and reason of Ready, Placed, Reconciling and Stalled; then kstatus."""

    what: str
    outcome: Reason | None = None
    problem: Reason | None = None
    ready: int = 0
    serving: int | None = None
    wanted: int = 2
    draining: bool = False
    found: tuple[str, str, str, str] = ("", "", "", "")
    says: str = ""
    kstatus: str = ""


STALLED = "True {0}"
CASES = [
    Case(
        "it starts",
        PLACED,
        found=("False Starting", "True Placed", "True Starting", "False Settled"),
        says="0 of 2 replicas are ready",
        kstatus="InProgress",
    ),
    Case(
        "some serve",
        PLACED,
        ready=1,
        found=("False Starting", "True Placed", "True Starting", "False Settled"),
        says="1 of 2 replicas are ready",
        kstatus="InProgress",
    ),
    Case(
        "all serve",
        PLACED,
        ready=2,
        found=("True Serving", "True Placed", "False Settled", "False Settled"),
        says="2 of 2 replicas serve",
        kstatus="Current",
    ),
    Case(
        "a move: the old placement serves",
        PLACED,
        ready=0,
        serving=2,
        draining=True,
        found=("False Moving", "True Placed", "True Moving", "False Settled"),
        says="0 of 2 replicas of the new placement are ready",
        kstatus="InProgress",
    ),
    Case(
        "a move: both serve",
        PLACED,
        ready=2,
        serving=4,
        draining=True,
        found=("False Moving", "True Placed", "True Moving", "False Settled"),
        says="2 of 2 replicas of the new placement are ready",
        kstatus="InProgress",
    ),
    Case(
        "scaled to zero",
        ZERO,
        wanted=0,
        found=("True Serving", "True ScaledToZero", "False Settled", "False Settled"),
        says="0 of 0 replicas serve",
        kstatus="Current",
    ),
    Case(
        "partly placed",
        PARTLY,
        ready=1,
        found=("False PartiallyPlaced", "False PartiallyPlaced", "True PartiallyPlaced", "False Settled"),
        says="1 of 2 replicas have room; 1 replica goes on serving",
        kstatus="InProgress",
    ),
    Case(
        "no room",
        FULL,
        found=("False NoCapacity", "False NoCapacity", "True NoCapacity", "False Settled"),
        says="no node has room",
        kstatus="InProgress",
    ),
    Case(
        "a move waits for a device",
        NO_SPARE,
        ready=2,
        found=("False NoSpareDevice", "False NoSpareDevice", "True NoSpareDevice", "False Settled"),
        says="a move waits for a spare device; 2 replicas go on serving",
        kstatus="InProgress",
    ),
    Case(
        "no variant fits anywhere",
        NOWHERE,
        found=(
            "False NoFeasibleCandidate",
            "False NoFeasibleCandidate",
            "False Settled",
            "True NoFeasibleCandidate",
        ),
        says="nearest is bf16 on l4: needs 20.0 GiB",
        kstatus="Failed",
    ),
    Case(
        "the spec can't be understood, and what serves goes on",
        problem=INVALID,
        ready=2,
        found=("False InvalidSpec", "False InvalidSpec", "False Settled", "True InvalidSpec"),
        says="spec.model: name is missing; 2 replicas go on serving",
        kstatus="Failed",
    ),
    Case(
        "a decision that can't be carried out",
        PLACED,
        REFUSED,
        found=("False ApplyFailed", "True Placed", "False Settled", "True ApplyFailed"),
        says="quota exceeded",
        kstatus="Failed",
    ),
    Case(
        "paused while it serves",
        problem=PAUSED,
        ready=2,
        found=("True Paused", "Unknown Paused", "False Paused", "False Paused"),
        says="spec.paused is set; 2 replicas go on serving",
        kstatus="Current",
    ),
    Case(
        "paused before it was placed",
        problem=PAUSED,
        found=("False Paused", "Unknown Paused", "False Paused", "False Paused"),
        says="spec.paused is set",
        kstatus="InProgress",
    ),
    Case(
        "nothing is known yet",
        found=("False NotPlaced", "False NotPlaced", "True NotPlaced", "False Settled"),
        says="nothing was decided yet",
        kstatus="InProgress",
    ),
]


def make(case: Case, previous: list[Condition] | None = None, generation: int = 3) -> list[Condition]:
    return conditions(
        generation,
        previous or [],
        case.outcome,
        case.problem,
        wanted=case.wanted,
        ready=case.ready,
        draining=case.draining,
        serving=case.ready if case.serving is None else case.serving,
        now=NOW,
    )


def body(found: list[Condition], **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"generation": 3, **metadata},
        "status": {
            "observedGeneration": found[0].observed_generation,
            "conditions": [c.to_wire() for c in found],
        },
    }


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.what)
def test_the_four_conditions(case: Case) -> None:
    found = make(case)
    assert tuple(c.type for c in found) == ("Ready", "Placed", "Reconciling", "Stalled")
    assert tuple(f"{c.status} {c.reason}" for c in found) == case.found
    assert found[0].message == case.says
    assert {(c.last_transition_time, c.observed_generation) for c in found} == {(NOW, 3)}


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.what)
def test_kstatus(case: Case) -> None:
    found = make(case)
    assert kstatus(body(found)) == case.kstatus
    assert kstatus(body(found, generation=4)) == "InProgress", "the spec was edited since"
    assert kstatus(body(found, deletionTimestamp=NOW)) == "Terminating"


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.what)
def test_what_is_stalled_is_not_reconciling_nor_ready(case: Case) -> None:
    ready, _, reconciling, stalled = (c.status for c in make(case))
    assert [ready, reconciling, stalled].count("True") <= 1


@pytest.mark.parametrize("code", Code)
def test_every_outcome_is_either_done_or_stalled_or_under_way(code: Code) -> None:
    found = make(Case("", Reason(code, "why")))
    expected = "Failed" if code in STALLS else "InProgress"
    assert kstatus(body(found)) == expected


@pytest.mark.parametrize("code", Code)
def test_every_problem_is_seen(code: Code) -> None:
    found = make(Case("", PLACED, Reason(code, "why"), ready=2))
    assert found[0].reason == code.value
    if code is not Code.PAUSED:
        assert kstatus(body(found)) == ("Failed" if code in STALLS else "InProgress")


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.what)
def test_nothing_new_keeps_the_time(case: Case) -> None:
    before = [c.model_copy(update={"last_transition_time": THEN}) for c in make(case)]
    assert make(case, before) == before


def test_the_time_changes_with_the_status_alone() -> None:
    by_name = {case.what: case for case in CASES}
    before = [c.model_copy(update={"last_transition_time": THEN}) for c in make(by_name["it starts"])]
    times = {
        what: {c.type: c.last_transition_time == NOW for c in make(by_name[what], before)}
        for what in ("some serve", "all serve", "no room", "no variant fits anywhere")
    }
    assert times == {
        "some serve": {"Ready": False, "Placed": False, "Reconciling": False, "Stalled": False},
        "all serve": {"Ready": True, "Placed": False, "Reconciling": True, "Stalled": False},
        "no room": {"Ready": False, "Placed": True, "Reconciling": False, "Stalled": False},
        "no variant fits anywhere": {"Ready": False, "Placed": True, "Reconciling": True, "Stalled": True},
    }


@pytest.mark.parametrize("before", ["True", "False"])
def test_pausing_keeps_whether_it_is_placed(before: str) -> None:
    placed = Condition(type="Placed", status=before, reason="X", last_transition_time=THEN)
    found = make(Case("", problem=PAUSED, ready=2), [placed])
    assert (found[1].status, found[1].last_transition_time) == (before, THEN)


def test_a_message_is_cut_to_what_a_condition_holds_and_still_says_what_serves() -> None:
    found = make(Case("", problem=Reason(Code.INVALID_SPEC, "x" * 5000), ready=1))
    assert [len(c.message) for c in found] == [1024, 1024, len("nothing is under way"), 1024]
    assert found[0].message.endswith("x…; 1 replica goes on serving")
    assert found[1].message.endswith("x…")

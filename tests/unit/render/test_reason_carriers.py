"""What the reference says of which condition carries a reason is what the conditions do."""

from __future__ import annotations

import re

import pytest

from stowage.api.meta import Condition
from stowage.api.reasons import Code
from stowage.placement.reasons import Reason
from stowage.render.conditions import conditions

OUTCOMES = (
    Code.PLACED, Code.PARTIALLY_PLACED, Code.SCALED_TO_ZERO, Code.NO_CANDIDATE, Code.NO_POOL, Code.NO_RUNTIME,
    Code.NO_SPARE_DEVICE, Code.NO_CAPACITY, Code.UNSCHEDULABLE, Code.PODS_REFUSED, Code.NODE_LOST,
    Code.IMAGE_PULL_BACK_OFF, Code.CRASH_LOOP, Code.OOM_KILLED, Code.START_TIMEOUT,
    Code.FETCH_FAILED, Code.NO_ROOM_FOR_MODEL,
    Code.VARIANT_NOT_BUILT, Code.VARIANT_BUILDING,
)  # fmt: skip
BEFORE_DECIDING = (
    Code.UNKNOWN_POLICY,
    Code.POLICY_NOT_ADMITTED,
    Code.INVALID_SPEC,
    Code.PRIORITY_NOT_ALLOWED,
    Code.SERVICE_ACCOUNT_NOT_ALLOWED,
)
CARRYING_OUT = (Code.RESERVED_ARGUMENT, Code.RESERVED_VARIABLE, Code.NAME_CONFLICT, Code.APPLY_FAILED)


def found(
    outcome: Code | None = None, problem: Code | None = None, ready: int = 0, *, draining: bool = False
) -> list[Condition]:
    return conditions(
        1,
        (),
        Reason(outcome, "") if outcome else None,
        Reason(problem, "") if problem else None,
        wanted=0 if outcome is Code.SCALED_TO_ZERO else 1,
        ready=ready,
        draining=draining,
        serving=0,
        now="2026-01-01T00:00:00Z",
    )


def carried(code: Code, given: list[Condition]) -> set[str]:
    return {f"{c.type}={c.status}" for c in given if c.reason == code.value}


def documented(code: Code) -> set[str]:
    return set(re.findall(r"(?<!Policy's )\b[A-Z][a-z]+=(?:True|False)", code.where))


CASES = {
    **{code: found(code) for code in OUTCOMES},
    **{code: found(None, code) for code in BEFORE_DECIDING},
    **{code: found(Code.PLACED, code) for code in CARRYING_OUT},
    Code.SERVING: found(Code.PLACED, ready=1),
    Code.STARTING: found(Code.PLACED),
    Code.MOVING: found(Code.PLACED, ready=1, draining=True),
    Code.SETTLED: found(Code.PLACED, ready=1),
    Code.NOT_PLACED: found(),
}


@pytest.mark.parametrize("code", CASES, ids=str)
def test_conditions_carry_it_as_documented(code: Code) -> None:
    assert documented(code) == carried(code, CASES[code])


def test_a_paused_object_says_so_in_all_conditions() -> None:
    given = found(None, Code.PAUSED)
    assert {c.type for c in given if c.reason == Code.PAUSED.value} == {
        "Ready", "Placed", "Reconciling", "Stalled",
    }  # fmt: skip
    assert documented(Code.PAUSED) <= carried(Code.PAUSED, given)


def test_every_code_is_carried_by_something() -> None:
    for code in Code:
        conditional = code in CASES or code in (Code.PAUSED, Code.DEFAULT_CONFLICT)
        assert conditional or re.fullmatch(r"a (Rejected|Feasible) candidate|an event", code.where), code

"""The conditions Ready, Placed, Reconciling and Stalled, such that kstatus reads them right.

kstatus (github.com/kubernetes-sigs/cli-utils, pkg/kstatus) takes Stalled=True for failed,
Reconciling=True for in progress, and else Ready.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from stowage.api.meta import Condition
from stowage.api.reasons import Code
from stowage.placement.reasons import Reason
from stowage.render.names import clip

STALLS = frozenset(
    {
        Code.NO_CANDIDATE,
        Code.NO_POOL,
        Code.NO_RUNTIME,
        Code.UNKNOWN_POLICY,
        Code.POLICY_NOT_ADMITTED,
        Code.INVALID_SPEC,
        Code.RESERVED_ARGUMENT,
        Code.RESERVED_VARIABLE,
        Code.SERVICE_ACCOUNT_NOT_ALLOWED,
        Code.PRIORITY_NOT_ALLOWED,
        Code.NAME_CONFLICT,
        Code.APPLY_FAILED,
    }
)
"""Outcomes that only a person or a change of the cluster's objects can mend."""
COMPLETE = frozenset({Code.PLACED, Code.SCALED_TO_ZERO})
MESSAGE_LENGTH = 1024

Status = Literal["True", "False", "Unknown"]
Found = tuple[tuple[str, Status, Reason], ...]
"""Type, status and reason of each condition."""


def conditions(
    generation: int,
    previous: Iterable[Condition],
    outcome: Reason | None,
    problem: Reason | None,
    *,
    wanted: int,
    ready: int,
    draining: bool,
    serving: int,
    now: str,
) -> list[Condition]:
    """All four conditions; one whose status stays keeps its time.

    Args:
        outcome: of the decision; None where none could be made.
        problem: why none could be made or carried out; it goes before the outcome.
        ready: ready replicas of what was decided.
        serving: all ready replicas, those that drain included.
    """
    before = {c.type: c for c in previous}
    if problem is not None and problem.code == Code.PAUSED:
        found = _frozen(before.get("Placed"), problem, complete=ready >= wanted, serving=serving)
    else:
        found = _found(outcome, problem, wanted=wanted, ready=ready, draining=draining, serving=serving)
    return [_condition(before.get(kind), kind, truth, why, generation, now) for kind, truth, why in found]


def _frozen(placed: Condition | None, paused: Reason, *, complete: bool, serving: int) -> Found:
    """A paused object: nothing is under way, so it must not keep a pipeline waiting. What serves counts."""
    state = Reason(paused.code, _goes_on(paused.message, serving))
    return (
        ("Ready", _truth(complete), state),
        ("Placed", placed.status if placed is not None else "Unknown", paused),
        ("Reconciling", "False", paused),
        ("Stalled", "False", paused),
    )


def _found(
    outcome: Reason | None,
    problem: Reason | None,
    *,
    wanted: int,
    ready: int,
    draining: bool,
    serving: int,
) -> Found:
    placed = problem if problem is not None and outcome is None else outcome
    placed = placed or Reason(Code.NOT_PLACED, "nothing was decided yet")
    trouble = problem or (placed if placed.code not in COMPLETE else None)
    settled = trouble is None and ready >= wanted and not draining
    if settled:
        state = Reason(Code.SERVING, f"{ready} of {wanted} replicas serve")
    elif trouble is not None:
        state = Reason(trouble.code, _goes_on(trouble.message, serving))
    elif draining:
        state = Reason(Code.MOVING, f"{ready} of {wanted} replicas of the new placement are ready")
    else:
        state = Reason(Code.STARTING, f"{ready} of {wanted} replicas are ready")
    stalled = trouble is not None and trouble.code in STALLS
    progress = Reason(Code.SETTLED, "nothing is under way")
    return (
        ("Ready", _truth(settled), state),
        ("Placed", _truth(placed.code in COMPLETE), placed),
        ("Reconciling", _truth(not settled and not stalled), progress if settled or stalled else state),
        ("Stalled", _truth(stalled), trouble if stalled and trouble else progress),
    )


def _goes_on(message: str, serving: int) -> str:
    if serving == 0:
        return message
    tail = f"; {serving} {'replica goes' if serving == 1 else 'replicas go'} on serving"
    return clip(message, MESSAGE_LENGTH - len(tail)) + tail


def _truth(value: bool) -> Status:
    return "True" if value else "False"


def _condition(
    before: Condition | None, kind: str, truth: Status, why: Reason, generation: int, now: str
) -> Condition:
    changed = before is None or before.status != truth
    return Condition(
        type=kind,
        status=truth,
        reason=why.code.value,
        message=clip(why.message, MESSAGE_LENGTH),
        last_transition_time=now if changed or before is None else before.last_transition_time,
        observed_generation=generation,
    )

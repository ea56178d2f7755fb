"""The lines of ``status.candidates``: where a deployment is served, could be, and why not elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from stowage.api.inference_deployment_status import CandidateStatus, InferenceDeploymentStatus, ReasonStatus
from stowage.api.reasons import TRANSIENT
from stowage.placement.decision import Chosen, Decision, Verdict
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Placement
from stowage.render.names import clip

MAX_CANDIDATES = 16
MAX_REASONS = 3
MESSAGE_LENGTH = 253
"""The bounds of the CustomResourceDefinition: the API server refuses a status that is beyond them."""


def candidates(
    decision: Decision | None, previous: InferenceDeploymentStatus | None, *, same_ground: bool = False
) -> list[CandidateStatus]:
    """The best candidates. Where only room changed meanwhile, the last ones stay: other people's
    pods are no cause for a write.

    Args:
        same_ground: nothing else than room has changed since the previous ones were told, which spares asking
            for every verdict again.
    """
    before = previous.candidates if previous else []
    if decision is None:
        return before
    if before and _same_chosen(before, decision) and (same_ground or _still_true(before, decision)):
        return before
    chosen = [_candidate(c.candidate.placement, "Chosen", ()) for c in decision.placements[:MAX_CANDIDATES]]
    others = _nearest_by_pool(decision.verdicts, decision.placements, MAX_CANDIDATES - len(chosen))
    return chosen + [
        _candidate(v.candidate.placement, "Feasible" if v.feasible else "Rejected", v.reasons) for v in others
    ]


def _nearest_by_pool(verdicts: Iterable[Verdict], chosen: Sequence[Chosen], count: int) -> list[Verdict]:
    """So many verdicts, each pool's nearest first, so that sixteen lines tell of more than one pool."""
    first: list[Verdict] = []
    rest: list[Verdict] = []
    seen = {(c.candidate.pool.name, c.candidate.variant.name) for c in chosen}
    for verdict in verdicts:
        if len(first) >= count:
            break
        key = (verdict.candidate.pool.name, verdict.candidate.variant.name)
        (rest if key in seen else first).append(verdict)
        seen.add(key)
    return (first + rest)[:count]


def _candidate(
    placement: Placement, verdict: Literal["Chosen", "Feasible", "Rejected"], reasons: Sequence[Reason]
) -> CandidateStatus:
    return CandidateStatus(
        pool=placement.pool,
        accelerator_class=placement.accelerator_class,
        variant=placement.variant,
        runtime=placement.runtime,
        verdict=verdict,
        reasons=[
            ReasonStatus(code=r.code.value, message=clip(r.message, MESSAGE_LENGTH))
            for r in reasons[:MAX_REASONS]
        ],
    )


Line = tuple[str, str, str, str]
"""Pool, class, variant and runtime: what tells one line of status.candidates from another."""


def _same_chosen(before: Sequence[CandidateStatus], decision: Decision) -> bool:
    chosen = [_line_of(c.candidate.placement) for c in decision.placements[:MAX_CANDIDATES]]
    return [_line(c) for c in before if c.verdict == "Chosen"] == chosen


def _still_true(before: Sequence[CandidateStatus], decision: Decision) -> bool:
    """Whether the last lines still hold, apart from what comes and goes with other people's pods: room,
    and which of those that could serve is the better.

    A full list is only the best part of all candidates, so others may be there.
    """
    for one in before:
        if one.verdict == "Chosen":
            continue  # compared already, and measuring it anew would tell nothing
        found = decision.fails(_placement(one)) if decision.fails is not None else None
        if found is None or _lasting(one) != _lasting_of(found):
            return False
    if len(before) >= MAX_CANDIDATES:
        return True
    return len(decision.placements) + len(decision.verdicts[: MAX_CANDIDATES + 1]) == len(before)


def _line(candidate: CandidateStatus) -> Line:
    return candidate.pool, candidate.accelerator_class, candidate.variant, candidate.runtime


def _line_of(placement: Placement) -> Line:
    return placement.pool, placement.accelerator_class, placement.variant, placement.runtime


def _lasting(candidate: CandidateStatus) -> tuple[tuple[str, str], ...]:
    """Why a candidate is rejected for good; empty where it isn't."""
    if candidate.verdict != "Rejected":
        return ()
    return tuple((r.code, r.message) for r in candidate.reasons if r.code not in TRANSIENT)


def _placement(candidate: CandidateStatus) -> Placement:
    return Placement(
        pool=candidate.pool,
        accelerator_class=candidate.accelerator_class,
        variant=candidate.variant,
        runtime=candidate.runtime,
        devices=0,
    )


def _lasting_of(reasons: Sequence[Reason]) -> tuple[tuple[str, str], ...]:
    """The same of a verdict's reasons, as its line would say it."""
    told = reasons[:MAX_REASONS]
    return tuple((r.code.value, clip(r.message, MESSAGE_LENGTH)) for r in told if r.code not in TRANSIENT)

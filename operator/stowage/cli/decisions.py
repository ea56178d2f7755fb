"""A plan as data: the documented JSON of ``stowage plan -o json``."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from stowage.cli.performance import estimate_json
from stowage.control.offline import Planned
from stowage.placement.candidates import Candidate
from stowage.placement.decision import Chosen, Verdict
from stowage.placement.reasons import Reason

Json = dict[str, Any]


def plan_json(planned: list[Planned]) -> Json:
    """``{"decisions": [...]}``; see docs/plan.md for each field."""
    return {"decisions": [_decision(p) for p in planned]}


def _decision(planned: Planned) -> Json:
    decision = planned.decision
    chosen = decision.placements if decision is not None else ()
    verdicts = decision.verdicts if decision is not None else ()
    return {
        "namespace": planned.workload.metadata.namespace,
        "name": planned.workload.name,
        "placed": planned.placed,
        "reason": planned.outcome.code.value,
        "message": planned.outcome.message,
        "placements": [_placement(c) for c in chosen],
        "candidates": [
            *(_candidate(planned, c.candidate, "Chosen", ()) for c in chosen),
            *(_verdict(planned, v) for v in verdicts),
        ],
    }


def _placement(chosen: Chosen) -> Json:
    candidate = chosen.candidate
    tiers = candidate.demand.policy.spec.tiers
    cost = candidate.replica_cost
    return {
        "pool": chosen.as_placed.pool,
        "acceleratorClass": candidate.pool.accelerator_class.name,
        "acceleratorType": candidate.pool.accelerator_class.spec.type,
        "variant": candidate.variant.name,
        "precision": candidate.variant.precision,
        "runtime": candidate.runtime.name,
        "devicesPerReplica": candidate.devices,
        "replicas": chosen.replicas,
        "tier": tiers[candidate.tier].name if tiers and candidate.tier is not None else "",
        "costPerHour": _money(cost * chosen.replicas if cost is not None else None),
        "estimate": estimate_json(candidate),
    }


def _money(value: Decimal | None) -> float | None:
    return None if value is None else float(round(value, 4))


def _verdict(planned: Planned, verdict: Verdict) -> Json:
    kind = "Feasible" if verdict.feasible else "Rejected"
    return _candidate(planned, verdict.candidate, kind, verdict.reasons)


def _candidate(planned: Planned, candidate: Candidate, verdict: str, reasons: tuple[Reason, ...]) -> Json:
    placement, room = candidate.placement, planned.room(candidate)
    return {
        "pool": placement.pool,
        "acceleratorClass": placement.accelerator_class,
        "variant": placement.variant,
        "runtime": placement.runtime,
        "verdict": verdict,
        "reasons": [{"code": r.code.value, "message": r.message} for r in reasons],
        "room": None if room is None else {"free": room.free, "provisionable": room.provisionable},
    }

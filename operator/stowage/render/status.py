"""The status of an InferenceDeployment from a decision and what serves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import (
    BackoffStatus,
    EstimateStatus,
    InferenceDeploymentStatus,
    PlacementStatus,
    Summary,
    VariantStatus,
)
from stowage.placement.decision import Chosen, Decision
from stowage.placement.estimate import Estimate
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Placement
from stowage.render.candidates import candidates
from stowage.render.children import address
from stowage.render.conditions import conditions
from stowage.render.names import OWNER_LABEL, deployment_name, runtime_revision
from stowage.render.transition import Serving

MAX_PLACEMENTS = 16
MAX_NUMBER = 1_000_000
"""The bounds of the CustomResourceDefinition: the API server refuses a status that is beyond them."""
MAX_FIGURE = 1e21
"""Above, an estimate says nothing, and its text would be longer than a status may hold."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What is true of one InferenceDeployment, apart from what to do about it."""

    workload: InferenceDeployment
    serving: tuple[Serving, ...]
    decision: Decision | None = None
    problem: Reason | None = None
    """Why nothing could be decided, or why the decision could not be carried out."""
    draining: tuple[str, ...] = ()
    revisions: Mapping[str, str] = field(default_factory=dict)
    """Runtime revision by Deployment, as its pods were rendered."""
    backoffs: Sequence[BackoffStatus] | None = None
    """Candidates that failed lately; None where that was not looked at."""
    same_ground: bool = False
    """Whether nothing but room has changed since the status was last written."""
    variants: Sequence[VariantStatus] | None = None
    """Variants that are built; None where that was not looked at."""


def status(situation: Situation, now: str) -> InferenceDeploymentStatus:
    """The new status.

    Args:
        now: the time as RFC 3339 text, for what changed.
    """
    workload, previous = situation.workload, situation.workload.status
    placements = _placements(situation, previous, now)
    replicas = sum(p.replicas for p in placements)
    ready = sum(p.ready_replicas for p in placements)
    wanted = situation.decision.wanted if situation.decision else workload.spec.replicas
    return InferenceDeploymentStatus(
        observed_generation=workload.metadata.generation,
        conditions=conditions(
            workload.metadata.generation,
            previous.conditions if previous else (),
            _outcome(situation),
            situation.problem,
            wanted=wanted,
            ready=sum(p.ready_replicas for p in placements if not p.draining),
            draining=bool(situation.draining),
            # Pods of an older template, too: a roll whose new pods fail goes on by them.
            serving=max(ready, sum(s.serves for s in situation.serving)),
            now=now,
        ),
        placements=placements[:MAX_PLACEMENTS],
        candidates=candidates(situation.decision, previous, same_ground=situation.same_ground),
        backoffs=list(
            previous.backoffs if previous and situation.backoffs is None else situation.backoffs or ()
        ),
        variants=list(
            previous.variants if previous and situation.variants is None else situation.variants or ()
        ),
        replicas=_number(replicas),
        ready_replicas=_number(ready),
        selector=f"{OWNER_LABEL}={workload.name}",
        address=address(workload),
        summary=_summary(placements, ready, wanted),
    )


def _outcome(situation: Situation) -> Reason | None:
    """The decision's outcome; None where there is none, or where it could not be carried out."""
    if situation.decision is None or len(_carried_out(situation)) < len(situation.decision.placements):
        return None
    return situation.decision.outcome


def _carried_out(situation: Situation) -> list[tuple[str, Chosen]]:
    """Deployments that were decided, by name; where something went wrong, those that exist."""
    decided = situation.decision.placements if situation.decision else ()
    named = [(deployment_name(situation.workload, c.as_placed), c) for c in decided]
    exists = {s.name for s in situation.serving}
    return [(name, c) for name, c in named if situation.problem is None or name in exists]


def _placements(
    situation: Situation, previous: InferenceDeploymentStatus | None, now: str
) -> list[PlacementStatus]:
    before = {p.deployment: p for p in previous.placements} if previous else {}
    serving = {s.name: s for s in situation.serving}
    result: list[PlacementStatus] = []
    for name, chosen in _carried_out(situation):
        since = before[name].since if name in before and not before[name].draining else now
        ready = min(serving[name].ready, chosen.replicas) if name in serving else 0
        result.append(_placement(chosen, name, ready, since or now, situation.revisions.get(name)))
    done = {p.deployment for p in result}
    decided = situation.decision is not None
    stays = situation.decision is None or not situation.decision.placements
    for one in situation.serving:
        if one.name not in done and (stays or one.name in situation.draining):
            entry = before.get(one.name) or _remembered(one)
            update = {
                "replicas": _number(one.replicas),
                "ready_replicas": _number(one.ready),
                "draining": one.name in situation.draining if decided else entry.draining,
            }
            result.append(entry.model_copy(update=update))
    return result


def _placement(chosen: Chosen, name: str, ready: int, since: str, revision: str | None) -> PlacementStatus:
    candidate, placement = chosen.candidate, chosen.as_placed
    pool, accelerator = candidate.pool, candidate.pool.accelerator_class
    tiers = candidate.demand.policy.spec.tiers
    cost = candidate.replica_cost
    return PlacementStatus(
        deployment=name,
        pool=placement.pool,
        accelerator_class=accelerator.name,
        accelerator_type=accelerator.spec.type,
        capacity_type=pool.capacity_type,
        variant=candidate.variant.name,
        precision=candidate.variant.precision,
        runtime=candidate.runtime.name,
        runtime_revision=revision or runtime_revision(candidate.runtime),
        devices_per_replica=candidate.devices,
        replicas=_number(chosen.replicas),
        ready_replicas=_number(ready),
        tier=tiers[candidate.tier].name if tiers and candidate.tier is not None else "",
        since=since,
        cost_per_hour=f"{cost * chosen.replicas:.2f}" if cost is not None else None,
        estimate=_estimate(candidate.estimate),
    )


def _estimate(one: Estimate) -> EstimateStatus:
    return EstimateStatus(
        basis=one.basis,
        latency_seconds=_text(one.latency),
        time_to_first_token_seconds=_text(one.time_to_first_token),
        time_per_output_token_seconds=_text(one.time_per_output_token),
        requests_per_second=_text(one.requests_per_second),
        tokens_per_second=_text(one.tokens_per_second),
        joules_per_request=_text(one.joules_per_request),
    )


def _number(count: int) -> int:
    return min(count, MAX_NUMBER)


def _text(value: float | None) -> str | None:
    """A figure with three significant digits and no exponent; None where there is none to speak of."""
    if value is None or not math.isfinite(value) or value > MAX_FIGURE:
        return None
    text = f"{float(f'{value:.3g}'):.9f}".rstrip("0").rstrip(".")
    return text or "0"


def _remembered(one: Serving) -> PlacementStatus:
    """What the Deployment itself says of its placement, where the status was lost."""
    placement: Placement = one.placement
    return PlacementStatus(
        deployment=one.name,
        pool=placement.pool,
        accelerator_class=placement.accelerator_class,
        accelerator_type="",
        variant=placement.variant,
        precision="",
        runtime=placement.runtime,
        devices_per_replica=placement.devices,
        replicas=_number(one.replicas),
    )


def _summary(placements: Sequence[PlacementStatus], ready: int, wanted: int) -> Summary:
    current = [p for p in placements if not p.draining] or list(placements)
    if not current:
        return Summary(replicas=f"0/{wanted}")
    first, more = current[0], len(current) - 1
    suffix = f" +{more}" if more else ""
    cores = " core of " if first.devices_per_replica == 1 else " cores of "
    unit = cores if first.accelerator_type == "CPU" else " x "
    costs = [p.cost_per_hour for p in placements]
    known = [float(c) for c in costs if c is not None]
    return Summary(
        accelerator=f"{first.devices_per_replica}{unit}{first.accelerator_class}{suffix}",
        variant=first.variant,
        pool=f"{first.pool}{suffix}",
        replicas=f"{ready}/{wanted}",
        cost_per_hour=f"{sum(known):.2f}" if known and len(known) == len(costs) else "",
    )

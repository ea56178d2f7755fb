"""Which of two candidates is better: a tuple, so that one sentence explains it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from stowage.api.reasons import Code
from stowage.placement.candidates import Candidate
from stowage.placement.capacity import Capacity, Room
from stowage.placement.reasons import Reason

Key = tuple[int, float]
"""Known before unknown, then smaller before larger."""

UNKNOWN: Key = (1, 0.0)


def _known(value: float | None) -> Key:
    return UNKNOWN if value is None else (0, value)


def _cheapest(c: Candidate) -> Key:
    cost = c.total_cost
    return _known(None if cost is None else float(cost))


def _lowest_latency(c: Candidate) -> Key:
    return _known(c.estimate.latency)


def _highest_throughput(c: Candidate) -> Key:
    rate = c.estimate.requests_per_second
    return _known(None if rate is None else -rate)


def _lowest_energy(c: Candidate) -> Key:
    return _known(c.estimate.joules_per_request)


def _best_fit(c: Candidate) -> Key:
    """The least device memory taken; CPUs have none and count their requested memory."""
    memory = c.pool.device_memory
    return (0, float(memory * c.devices)) if memory else (0, float(c.requests.get("memory", 0)))


def _most_capable(c: Candidate) -> Key:
    peaks = [float(p.peak) for p in c.pool.accelerator_class.spec.precisions if p.peak is not None]
    return _known(-max(peaks) * c.devices if peaks else None)


def _first_available(c: Candidate) -> Key:  # noqa: ARG001 - one shape for all goals
    return (0, 0.0)


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal's key, and how to say that another candidate beats it."""

    key: Callable[[Candidate], Key]
    says: Callable[[Candidate], str]


def _cost_text(c: Candidate) -> str:
    return "has no known price" if c.total_cost is None else f"costs {c.total_cost:.2f} per hour"


def _number(value: float | None, unit: str, name: str) -> str:
    return f"has no known {name}" if value is None else f"has {name} {value:.3g} {unit}"


GOALS: dict[str, Goal] = {
    "Cheapest": Goal(_cheapest, _cost_text),
    "LowestLatency": Goal(_lowest_latency, lambda c: _number(c.estimate.latency, "s", "latency")),
    "HighestThroughput": Goal(
        _highest_throughput, lambda c: _number(c.estimate.requests_per_second, "requests/s", "throughput")
    ),
    "LowestEnergy": Goal(
        _lowest_energy, lambda c: _number(c.estimate.joules_per_request, "J a request", "energy")
    ),
    "BestFit": Goal(_best_fit, lambda c: f"takes {_best_fit(c)[1] / 2**30:.1f} GiB"),
    "MostCapable": Goal(
        _most_capable, lambda c: f"peaks at {-_most_capable(c)[1]:.0f} TOPS" if _most_capable(c)[0] == 0 else
        "has no known peak"
    ),
    "FirstAvailable": Goal(_first_available, lambda c: f"is pool {c.pool.name}"),
}  # fmt: skip


Merit = tuple[Key, int, Decimal, int]
"""The goal, fewer devices, higher quality, the runtime's preference: the same wherever there is room."""


class Rank(NamedTuple):
    """The order of feasible candidates; smaller is better.

    Candidates that hold all wanted replicas come before those that hold only some, so that a later
    tier serves where an earlier one can't. Then tier, room (free before provisionable), the goal,
    fewer devices, higher quality, the runtime's preference, names.
    """

    partial: bool
    tier: int
    room: int
    goal: Key
    devices: int
    quality: Decimal
    preference: int
    name: str


def rank(candidate: Candidate, capacity: Capacity, wanted: int) -> Rank:
    """The candidate's place in the order, with ``wanted`` replicas still to be given room."""
    room = capacity.room(wanted)
    tier = candidate.tier if candidate.tier is not None else 99
    return Rank(room >= Room.PARTIAL, tier, int(room), *merit(candidate), candidate.placement.id)


def merit(candidate: Candidate) -> Merit:
    """The part of the rank that room, tier and names have no say in."""
    return (
        GOALS[candidate.demand.policy.spec.goal].key(candidate),
        candidate.devices,
        -Decimal(candidate.variant.quality),
        -candidate.runtime.spec.preference,
    )


def why_not(candidate: Candidate, own: Rank, best: Candidate, winning: Rank) -> Reason:
    """Why a feasible candidate was not chosen: the first place where it loses."""
    goal = candidate.demand.policy.spec.goal
    tiers = candidate.demand.policy.spec.tiers
    if own.partial != winning.partial:
        return Reason(
            Code.LESS_ROOM, f"{candidate.pool.name} hasn't room for all {candidate.replicas} replicas"
        )
    if own.tier != winning.tier and tiers:
        names = f"{tiers[candidate.tier or 0].name} comes after {tiers[best.tier or 0].name}"
        return Reason(Code.LATER_TIER, f"tier {names}")
    if own.room != winning.room:
        return Reason(Code.LESS_ROOM, f"nodes of {candidate.pool.name} would have to be provisioned")
    if own.goal != winning.goal:
        says = GOALS[goal].says
        return Reason(Code.NOT_BEST, f"{goal}: {says(candidate)}, the chosen one {says(best)}")
    if own.devices != winning.devices:
        return Reason(
            Code.NOT_BEST, f"takes {candidate.devices} devices a replica, the chosen one {best.devices}"
        )
    if own.quality != winning.quality:
        return Reason(
            Code.NOT_BEST,
            f"quality {candidate.variant.quality}, the chosen one has {best.variant.quality}",
        )
    if own.preference != winning.preference:
        return Reason(
            Code.NOT_BEST, f"equal, and {best.runtime.name} is preferred to {candidate.runtime.name}"
        )
    return Reason(Code.NOT_BEST, "equal, and its name comes later")

"""Which of two candidates is better: a tuple, so that one sentence explains it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from stowage.api.reasons import Code
from stowage.placement.candidates import Candidate, cost_of
from stowage.placement.capacity import Capacity, Room
from stowage.placement.estimate import Estimate
from stowage.placement.reasons import Reason
from stowage.placement.roofline import peak_of
from stowage.placement.snapshot import Pool

Key = tuple[int, float]
"""Known before unknown, then smaller before larger."""

UNKNOWN: Key = (1, 0.0)


def _known(value: float | None) -> Key:
    return UNKNOWN if value is None else (0, value)


def _negative(value: float | None) -> Key:
    """For what is better the more there is of it."""
    return _known(None if value is None else -value)


def _cheapest(c: Candidate) -> Key:
    """Cost, where price and rate are known; then those whose rate nobody knows, so that nobody can tell
    what their work costs; without a price the smallest device comes first."""
    cost, blind = c.total_cost, c.estimate.requests_per_second is None
    return (2 + blind, _memory_taken(c)) if cost is None else (int(blind), float(cost))


def _lowest_latency(c: Candidate) -> Key:
    return _known(c.estimate.latency_alone)


def _highest_throughput(c: Candidate) -> Key:
    return _negative(c.estimate.requests_per_second)


def _lowest_energy(c: Candidate) -> Key:
    return _known(c.estimate.joules_per_request)


def _best_fit(c: Candidate) -> Key:
    """The least device memory taken; CPUs have none and count their requested memory."""
    return 0, _memory_taken(c)


def _memory_taken(c: Candidate) -> float:
    memory = c.pool.device_memory
    return float(memory * c.devices if memory else c.requests.get("memory", 0))


def _most_capable(c: Candidate) -> Key:
    """The peak at the variant's own arithmetic, of all devices together."""
    peak = peak_of(c.pool.accelerator_class, c.variant)
    return _negative(None if peak is None else peak * c.devices)


def _first_available(c: Candidate) -> Key:  # noqa: ARG001 - one shape for all goals
    return (0, 0.0)


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal's key, and how to say that another candidate beats it."""

    key: Callable[[Candidate], Key]
    says: Callable[[Candidate], str]


def _cost_text(c: Candidate) -> str:
    if c.total_cost is None:
        return f"has no known price and takes {_memory_taken(c) / 2**30:.1f} GiB"
    text = f"costs {c.total_cost:.2f} per hour"
    return f"{text} at an unknown rate" if c.estimate.requests_per_second is None else text


def _latency_text(c: Candidate) -> str:
    alone = c.estimate.latency_alone
    if alone is None:
        return "has no known latency"
    text = f"{alone:.3g} s" if alone >= 0.1 else f"{alone * 1000:.3g} ms"
    return f"answers a lone request in {text}"


def _rate(c: Candidate) -> str:
    rate = c.estimate.requests_per_second
    return "has no known rate" if rate is None else f"serves {rate:.3g} requests/s"


def _peak_text(c: Candidate) -> str:
    known, peak = _most_capable(c)
    precision = c.variant.activations
    unit = "TOPS" if precision.startswith("int") else "TFLOPS"
    return f"peaks at {-peak:.0f} {unit} of {precision}" if not known else f"has no known peak of {precision}"


def _number(value: float | None, unit: str, name: str) -> str:
    return f"has no known {name}" if value is None else f"has {name} {value:.3g} {unit}"


GOALS: dict[str, Goal] = {
    "Cheapest": Goal(_cheapest, _cost_text),
    "LowestLatency": Goal(_lowest_latency, _latency_text),
    "HighestThroughput": Goal(
        _highest_throughput, lambda c: _number(c.estimate.requests_per_second, "requests/s", "throughput")
    ),
    "LowestEnergy": Goal(
        _lowest_energy, lambda c: _number(c.estimate.joules_per_request, "J a request", "energy")
    ),
    "BestFit": Goal(_best_fit, lambda c: f"takes {_best_fit(c)[1] / 2**30:.1f} GiB"),
    "MostCapable": Goal(_most_capable, _peak_text),
    "FirstAvailable": Goal(_first_available, lambda c: f"is pool {c.pool.name}"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reach:
    """What is known of a variant on alike pools before it is measured there."""

    cheapest: Pool
    fewest: int
    """Devices that fit."""
    most: Callable[[], int]
    """Devices that a replica may come to have: more than the fewest only for the sake of a latency."""
    ceiling: Callable[[], Estimate | None]
    """What no number of devices that is allowed surpasses; None where only measuring tells."""


def _least_cost(c: Candidate, reach: Reach) -> Key:
    """With no replicas and devices more, and at a known rate."""
    cost = cost_of(reach.cheapest, reach.fewest, c.demand.workload.spec.replicas)
    return (2, 0.0) if cost is None else (0, float(cost))


def _least_memory(c: Candidate, reach: Reach) -> Key:  # noqa: ARG001 - one shape for all goals
    """With no devices more."""
    return 0, float((reach.cheapest.device_memory or 0) * reach.fewest)


def _highest_peak(c: Candidate, reach: Reach) -> Key:
    peak = peak_of(reach.cheapest.accelerator_class, c.variant)
    return _negative(None if peak is None else peak * reach.most())


def _at_ceiling(key: Callable[[Estimate], Key]) -> Callable[[Candidate, Reach], Key]:
    """The key of what can't be surpassed."""

    def least(c: Candidate, reach: Reach) -> Key:  # noqa: ARG001 - one shape for all goals
        ceiling = reach.ceiling()
        return UNBOUNDED if ceiling is None else key(ceiling)

    return least


UNBOUNDED: Key = (0, -math.inf)
"""Before any key."""
HOPELESS: Key = (9, 0.0)
"""After any key."""
LEAST: dict[str, Callable[[Candidate, Reach], Key]] = {
    "Cheapest": _least_cost,
    "LowestLatency": _at_ceiling(lambda e: _known(e.latency_alone)),
    "HighestThroughput": _at_ceiling(lambda e: _negative(e.requests_per_second)),
    "LowestEnergy": _at_ceiling(lambda e: _known(e.joules_per_request)),
    "BestFit": _least_memory,
    "MostCapable": _highest_peak,
}
"""A bound of the goal before a candidate is measured: nothing within its reach has a smaller key."""


Merit = tuple[Key, int, Decimal, int, Key]
"""The goal, fewer devices, higher quality, the runtime's preference, the rate: the same wherever there is
room."""


class Rank(NamedTuple):
    """The order of feasible candidates; smaller is better.

    Candidates that hold all wanted replicas come before those that hold only some, so that a later
    tier serves where an earlier one can't. Then tier, room (free before provisionable), the goal,
    fewer devices, higher quality, the runtime's preference, a higher rate, and last the name.
    """

    partial: bool
    tier: int
    room: int
    goal: Key
    devices: int
    quality: Decimal
    preference: int
    rate: Key
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
        _highest_throughput(candidate),
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
        unknown = ", and how many can be is unknown" if own.room == Room.UNKNOWN else ""
        return Reason(Code.LESS_ROOM, f"nodes of {candidate.pool.name} would have to be provisioned{unknown}")
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
    if own.rate != winning.rate:
        return Reason(Code.NOT_BEST, f"equal, but {_rate(candidate)}, the chosen one {_rate(best)}")
    return Reason(Code.NOT_BEST, "equal, and its name comes later")

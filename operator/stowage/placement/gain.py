"""When another candidate is better than what serves: the rule by which placements move by themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

from stowage.placement.backoffs import Backoffs
from stowage.placement.candidates import Candidate
from stowage.placement.capacity import Capacity, Ledger
from stowage.placement.options import backed_off, may_join, room_in
from stowage.placement.order import rank

Figure = Callable[[Sequence[Candidate], Sequence[int]], float | None]
"""A figure of so many replicas of these candidates together; None where it isn't known."""


def _worst(values: Sequence[float | None]) -> float | None:
    """The largest; None where one isn't known."""
    known = [v for v in values if v is not None]
    return max(known) if known and len(known) == len(values) else None


def _cost(candidates: Sequence[Candidate], counts: Sequence[int]) -> float | None:
    """Per hour, all replicas together."""
    costs = [c.cost_of(n) for c, n in zip(candidates, counts, strict=True)]
    known = [x for x in costs if x is not None]
    return float(sum(known)) if len(known) == len(costs) else None


def _latency(candidates: Sequence[Candidate], counts: Sequence[int]) -> float | None:  # noqa: ARG001
    """Seconds that a lone request takes, of the slowest: what the goal compares."""
    return _worst([c.estimate.latency_alone for c in candidates])


def _energy(candidates: Sequence[Candidate], counts: Sequence[int]) -> float | None:  # noqa: ARG001
    """Joules a request, of the thirstiest."""
    return _worst([c.estimate.joules_per_request for c in candidates])


def _interval(candidates: Sequence[Candidate], counts: Sequence[int]) -> float | None:  # noqa: ARG001
    """Seconds between two requests that one replica takes, of the slowest: the inverse of its rate."""
    rates = [c.estimate.requests_per_second for c in candidates]
    return _worst([None if not r else 1.0 / r for r in rates])


def _less(now: float, then: float) -> float:
    """What is saved, as a fraction of what it is now."""
    return (now - then) / now if now > 0 else 0.0


def _more(now: float, then: float) -> float:
    """How much faster, as a fraction of the rate now, by intervals."""
    return now / then - 1.0 if then > 0 else 0.0


GAINS: dict[str, tuple[Figure, Callable[[float, float], float]]] = {
    "Cheapest": (_cost, _less),
    "LowestLatency": (_latency, _less),
    "LowestEnergy": (_energy, _less),
    "HighestThroughput": (_interval, _more),
}
"""What a gain is for each goal. BestFit, MostCapable and FirstAvailable have none: under these,
placements move between tiers only."""


def gain(goal: str, current: Sequence[Candidate], counts: Sequence[int], other: Candidate) -> float | None:
    """What would be gained by serving all replicas by ``other``, as a fraction of what is now: of the
    cost, latency or energy saved, or of the rate added. None where the goal has no gain or a figure
    isn't known."""
    if goal not in GAINS:
        return None
    figure, compare = GAINS[goal]
    now, then = figure(current, counts), figure([other], [other.replicas])
    return None if now is None or then is None else compare(now, then)


def better(
    ledger: Ledger,
    current: Sequence[Candidate],
    counts: Sequence[int],
    able: Sequence[Candidate],
    backoffs: Backoffs,
) -> list[Candidate]:
    """Candidates to which the policy would move what serves, the best first.

    One of an earlier tier that has, or can be given, room for all replicas beside what serves; one of the
    same tier that has the room now, and gains enough; and of a split, a part of an earlier tier that has
    room for more.

    Args:
        current: what serves, the earliest tier first; some of ``counts`` replicas each.
    """
    move_back = current[0].demand.policy.spec.move_back
    if move_back is None:
        return []
    least, goal = Decimal(move_back.minimum_gain), current[0].demand.policy.spec.goal
    placements, first = {c.placement for c in current}, _tier(current[0])
    # What a wish for more replicas lacks is no loss: the cost now is that of all wanted.
    whole = [current[0].replicas] if len(current) == 1 else counts
    found = []
    for other in able:
        if other.placement in placements or _tier(other) > first or backed_off(other, backoffs):
            continue
        room = room_in(ledger, other)
        if _tier(other) < first:
            fits = room.free + room.provisionable >= other.replicas  # nobody leaves for what is unknown
        else:
            won = gain(goal, current, whole, other)
            fits = room.free >= other.replicas and won is not None and Decimal(repr(won)) >= least
        if fits:
            found.append(other)
    found.sort(key=lambda c: rank(c, Capacity(0, 0, 0), 0))
    return [*found, *_grow(ledger, current, counts)]


def _grow(ledger: Ledger, current: Sequence[Candidate], counts: Sequence[int]) -> list[Candidate]:
    """Parts of a split that could take replicas of a later tier."""
    return [
        one
        for index, one in enumerate(current)
        if any(
            _tier(other) > _tier(one) and count
            for other, count in zip(current[index + 1 :], counts[index + 1 :], strict=True)
        )
        and counts[index]
        and room_in(ledger, one).free
        and may_join(one, [c for c in current if c is not one])
    ]


def gather(counts: Sequence[int], rooms: Sequence[int], index: int) -> list[int]:
    """The counts of a split with as many replicas as have room in the part ``index``, taken from the last."""
    found = list(counts)
    want = rooms[index] - found[index]
    for other in range(len(found) - 1, index, -1):
        taken = min(max(0, want), found[other])
        found[other] -= taken
        found[index] += taken
        want -= taken
    return found


def _tier(candidate: Candidate) -> int:
    return candidate.tier if candidate.tier is not None else 99

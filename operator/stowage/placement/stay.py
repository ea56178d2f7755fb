"""What serves stays: it is looked at before anything else is, and given what it lacks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from stowage.api.reasons import Code
from stowage.placement.backoffs import Backoffs
from stowage.placement.candidates import Candidate, device_counts, measure
from stowage.placement.capacity import Capacity, Ledger, Room
from stowage.placement.checks import RUNS, SUITS, failures
from stowage.placement.decision import Chosen, Decision, Verdict
from stowage.placement.gain import better, gather
from stowage.placement.giving_way import is_leaving, room_freed
from stowage.placement.lazy import Lazy
from stowage.placement.options import backed_off, best_first, join, may_join, room_in
from stowage.placement.order import Rank, rank, why_not
from stowage.placement.outcome import outcome
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Holding, Placement, Snapshot

STAYS = Reason(Code.KEPT_CURRENT, "it would be chosen anew, but what serves is feasible and stays")


@dataclass(frozen=True, slots=True)
class Kept:
    """A current placement that can still serve."""

    placement: Placement
    candidate: Candidate
    replicas: int
    """Replicas that its Deployment has."""
    bound: int
    """Those that have a pod on a node. A pod more, of a roll in place or on its way out, is none: it may have
    room that was promised to others."""


def keep(
    snapshot: Snapshot,
    demand: Demand,
    known: Iterable[Candidate],
    current: Iterable[Placement],
    backoffs: Backoffs,
) -> list[Kept]:
    """The current placements that stay: those still able to serve, the earliest tier first.

    Its number of devices is part of a placement: where fewer would do by now, it stays as it is.
    """
    by_place = {_place(c.placement): c for c in known}
    held = {h.placement: h for h in snapshot.room.held_by(demand.key)}
    found: list[Kept] = []
    for placement in set(current):
        base = by_place.get(_place(placement))
        if base is None or placement.id in backoffs:
            continue
        candidate = _as_placed(base, placement.devices)
        if candidate is not None:
            holding = held.get(placement)
            found.append(_kept(placement, candidate, holding))
    found.sort(key=lambda k: _neutral(k.candidate))
    kept: list[Kept] = []
    for one in found:
        if not kept or may_join(one.candidate, [k.candidate for k in kept]):
            kept.append(one)
    return kept


def _place(placement: Placement) -> tuple[str, str, str, str]:
    """A placement without its number of devices."""
    return placement.variant, placement.runtime, placement.pool, placement.accelerator_class


def _kept(placement: Placement, candidate: Candidate, holding: Holding | None) -> Kept:
    if holding is None:
        return Kept(placement, candidate, 0, 0)
    return Kept(placement, candidate, holding.replicas, min(holding.replicas, len(holding.bound)))


def _as_placed(base: Candidate, devices: int) -> Candidate | None:
    """The candidate with so many devices, where it may serve. More replicas than the budget allows are
    a scale-up that is cut, and no reason to move what serves."""
    if failures(base, RUNS) or devices not in device_counts(base):
        return None
    candidate = base if base.devices == devices else measure(base, devices)
    codes = {r.code for r in failures(candidate, SUITS)}
    if not codes:
        return candidate
    return candidate if codes == {Code.OVER_BUDGET} and affordable(candidate) else None


def affordable(candidate: Candidate) -> int | None:
    """Replicas that the budget allows; None where none is set or no price is known."""
    most = candidate.demand.workload.spec.requirements.max_cost_per_hour
    cost = candidate.replica_cost
    if most is None or not cost:
        return None
    count = int(Decimal(most) / cost)
    following = candidate.cost_of(count + 1)
    return count + 1 if following is not None and following <= Decimal(most) else count


def stay(
    snapshot: Snapshot,
    ledger: Ledger,
    kept: Sequence[Kept],
    able: Sequence[Candidate],
    rejected: Sequence[Verdict],
    backoffs: Backoffs,
    ripe: frozenset[str] = frozenset(),
) -> Decision | None:
    """Keeps what serves, gives further replicas the room beside it, then that of a split. What of it lost
    its room waits. Moves to a better candidate where one is ripe.

    None where nothing serves yet and there isn't room for all here: then the choice is free.
    """
    best = kept[0].candidate
    limit = affordable(best)
    goal = best.replicas if limit is None else min(best.replicas, limit)
    rooms = [k.bound + room_in(ledger, k.candidate).total for k in kept]
    counts = _counts(kept, rooms, goal)
    if sum(counts) < goal and not any(k.replicas for k in kept):
        return None
    found = better(ledger, [k.candidate for k in kept], counts, able, backoffs) if goal > 0 else []
    target = next((c for c in found if c.placement.id in ripe), None)
    if target is not None and target.placement not in {k.placement for k in kept}:
        return _move(target, able, rejected, backoffs)
    if target is not None:
        counts = gather(counts, rooms, next(i for i, k in enumerate(kept) if k.candidate is target))
    tried = any(
        room_in(ledger, k.candidate).room(max(0, count - k.bound)) is Room.UNKNOWN
        for k, count in zip(kept, counts, strict=True)
    )
    for one, count in zip(kept, counts, strict=True):
        ledger.take(one.candidate.pool, one.candidate.requests, max(0, count - one.bound))
    chosen = [
        Chosen(k.candidate, count, k.placement)
        for k, count in zip(kept, counts, strict=True)
        if count or best.replicas == 0
    ]
    left = goal - sum(counts)
    if left > 0:
        used = {k.candidate.pool.key for k in kept if k.replicas}  # also where they wait
        others = [c for c in able if c.pool.key not in used]
        options = list(best_first(ledger, others, backoffs, wanted=left))  # before anything is taken
        left = join(chosen, options, ledger, left)
    freed = room_freed(snapshot, kept, rooms) if left > 0 else 0
    chosen, waiting = _with_waiting(chosen, kept, left)
    placed = goal - left + min(left, freed)
    return Decision(
        placements=tuple(chosen),
        verdicts=Lazy(lambda: _verdicts(chosen, able, rejected, backoffs)),
        wanted=best.replicas,
        outcome=outcome(best.replicas, placed, best, limit, tried=tried),
        replaces=freed > 0 and not is_leaving(snapshot, best.demand.key),
        waiting=waiting,
        limit=limit,
        better=tuple(c.placement.id for c in found),
    )


def _move(
    target: Candidate, able: Sequence[Candidate], rejected: Sequence[Verdict], backoffs: Backoffs
) -> Decision:
    """All replicas to a better candidate, which has room for them beside what serves."""
    chosen = (Chosen(target, target.replicas, target.placement),)
    return Decision(
        placements=chosen,
        verdicts=Lazy(lambda: _verdicts(chosen, able, rejected, backoffs)),
        wanted=target.replicas,
        outcome=outcome(target.replicas, target.replicas, target),
    )


def _with_waiting(chosen: Sequence[Chosen], kept: Sequence[Kept], left: int) -> tuple[list[Chosen], int]:
    """The placements, with the replicas that exist already and have no room now: they wait, since taking
    a pending pod away would stop the autoscaler that it waits for. And how many these are."""
    have = {k.placement: k.replicas for k in kept}
    found = {c.as_placed: c for c in chosen}
    waiting = 0
    for one in kept:
        count = found[one.placement].replicas if one.placement in found else 0
        more = min(left - waiting, have[one.placement] - count)
        if more > 0:
            found[one.placement] = Chosen(one.candidate, count + more, one.placement)
            waiting += more
    return list(found.values()), waiting


def _counts(kept: Sequence[Kept], rooms: Sequence[int], goal: int) -> list[int]:
    """Replicas of each kept placement that have room: first what each has, the earliest tier first, so
    that the last tier shrinks first; then more."""
    left = goal
    counts: list[int] = []
    for one, room in zip(kept, rooms, strict=True):
        counts.append(min(left, one.replicas, room))
        left -= counts[-1]
    for index, room in enumerate(rooms):
        more = min(left, room - counts[index])
        counts[index] += more
        left -= more
    return counts


def _verdicts(
    chosen: Sequence[Chosen],
    able: Sequence[Candidate],
    rejected: Sequence[Verdict],
    backoffs: Backoffs,
) -> Iterator[Verdict]:
    """Verdicts on all that wasn't chosen, the best first, which is the order of ``able``."""
    taken = {c.as_placed for c in chosen}
    best = chosen[0].candidate if chosen else None
    yield from (_verdict(c, best or c, backoffs) for c in able if c.placement not in taken)
    yield from (v for v in rejected if v.candidate.placement not in taken)


def _verdict(other: Candidate, best: Candidate, backoffs: Backoffs) -> Verdict:
    """What the one that serves has over another, whatever the room; else just that it serves."""
    failed = backed_off(other, backoffs)
    if failed is not None:
        return Verdict(other, False, (failed,))
    own, winning = _neutral(other), _neutral(best)
    return Verdict(other, True, (why_not(other, own, best, winning) if own > winning else STAYS,))


def _neutral(candidate: Candidate) -> Rank:
    """The candidate's rank, room aside."""
    return rank(candidate, Capacity(0, 0, 0), 0)

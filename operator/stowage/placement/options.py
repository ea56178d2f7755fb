"""Feasible candidates with their room, and how several of them share the replicas of a split."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from stowage.api.reasons import Code
from stowage.placement.backoffs import POOL_WIDE, VARIANT_WIDE, WIDE_IN_POOL, Backoffs, pool_of, variant_of
from stowage.placement.candidates import Candidate
from stowage.placement.capacity import Capacity, Ledger, Room, usable
from stowage.placement.decision import Chosen, Verdict
from stowage.placement.order import Rank, rank
from stowage.placement.outcome import room_text
from stowage.placement.reasons import Reason
from stowage.placement.requests import too_large
from stowage.placement.snapshot import Demand, Pool


@dataclass(frozen=True, slots=True)
class Option:
    """A feasible candidate with its room and its rank."""

    candidate: Candidate
    capacity: Capacity
    rank: Rank


def room_in(ledger: Ledger, candidate: Candidate) -> Capacity:
    """The room that the candidate's pool has for its replicas."""
    return ledger.capacity(candidate.pool, candidate.requests, candidate.demand.policy.spec.tolerations)


def backed_off(candidate: Candidate, backoffs: Backoffs) -> Reason | None:
    """Why the candidate is left alone: it failed lately, or another did of what the pool, not the variant, is
    to blame for, or the variant, not the pool."""
    own = backoffs.get(candidate.placement.id)
    if own is not None:
        return Reason(Code.IN_BACKOFF, f"it failed lately: {own.code}, {own.message}")
    for other, reason in backoffs.items():
        here, same = pool_of(other) == candidate.pool.name, variant_of(other) == candidate.variant.name
        if here and reason.code in POOL_WIDE:
            what = candidate.pool.name
        elif same and (reason.code in VARIANT_WIDE or (here and reason.code in WIDE_IN_POOL)):
            what = candidate.variant.name
        else:
            continue
        return Reason(Code.IN_BACKOFF, f"{what} failed lately: {reason.code}, {reason.message}")
    return None


def best_first(
    ledger: Ledger, able: Iterable[Candidate], backoffs: Backoffs, wanted: int | None = None
) -> Iterator[Option]:
    """The candidates that have room for one replica at least, in the order of their ranks; weighed no
    further than somebody looks.

    Args:
        able: the best first, room aside, so that one that has all room it needs comes when it is its turn.
        wanted: replicas to be given room. None: all that each candidate needs.
    """
    partial: list[Option] = []
    for _, same_tier in groupby(able, key=attrgetter("tier")):
        later: list[Option] = []
        for candidate in same_tier:
            if backoffs and backed_off(candidate, backoffs):
                continue
            found = _weigh_one(ledger, candidate, wanted)
            if found is None:
                continue
            if found.rank.partial:
                partial.append(found)
            elif found.rank.room > Room.FREE:
                later.append(found)
            else:
                yield found
        yield from sorted(later, key=attrgetter("rank"))
    yield from sorted(partial, key=attrgetter("rank"))


def without_room(ledger: Ledger, able: Iterable[Candidate], backoffs: Backoffs) -> Iterator[Verdict]:
    """Verdicts on those that have no room, or are left alone."""
    for candidate in able:
        failed = backed_off(candidate, backoffs) if backoffs else None
        if failed is not None or _weigh_one(ledger, candidate, None) is None:
            yield Verdict(candidate, False, (failed or _no_room(ledger, candidate),))


def first(ledger: Ledger, able: Iterable[Candidate], backoffs: Backoffs) -> Option | None:
    """The best option; looks no further than it must."""
    return next(best_first(ledger, able, backoffs), None)


def _weigh_one(ledger: Ledger, candidate: Candidate, wanted: int | None) -> Option | None:
    """The candidate with its room; None where it has none."""
    count = max(1, candidate.replicas if wanted is None else wanted)
    tolerations = candidate.demand.policy.spec.tolerations
    capacity = ledger.capacity(candidate.pool, candidate.requests, tolerations, enough=count)
    if capacity.room(1) is Room.FULL:
        return None
    return Option(candidate, capacity, rank(candidate, capacity, count))


def _no_room(ledger: Ledger, candidate: Candidate) -> Reason:
    """Why the candidate's pool has room for none of its replicas."""
    pool, tolerations = candidate.pool, candidate.demand.policy.spec.tolerations
    if pool.nodes and not any(usable(pool, n, tolerations) for n in pool.nodes):
        return Reason(
            Code.NO_USABLE_NODE, f"all nodes of {pool.name} are {_unusable(pool, candidate.demand)}"
        )
    missing = [RESOURCES.get(r, r) for r in ledger.short(pool, candidate.requests, tolerations)]
    short = too_large(candidate.requests, pool, candidate.demand.workload)
    short = short or (f"short of {' and '.join(missing)}" if missing else None)
    return Reason(
        Code.NO_CAPACITY,
        f"no node of {pool.name} has room for one replica: {room_text(candidate)}"
        + (f"; {short}" if short else ""),
    )


RESOURCES = {"cpu": "CPU", "memory": "memory", "ephemeral-storage": "local storage", "pods": "pods"}
"""Resources in words."""


def _unusable(pool: Pool, demand: Demand) -> str:
    """What keeps new pods off the pool's nodes."""
    keys = _untolerated(pool, demand)
    states = [
        "cordoned" if any(n.cordoned for n in pool.nodes) else "",
        "not ready" if any(not n.ready for n in pool.nodes) else "",
        f"tainted (not tolerated: {', '.join(keys)})" if keys else "",
    ]
    return " or ".join(state for state in states if state)


def _untolerated(pool: Pool, demand: Demand) -> list[str]:
    known = {*pool.accelerator_class.spec.taints, *demand.policy.spec.tolerations}
    return sorted({t.key for n in pool.nodes for t in n.taints if t.key not in known})


def join(chosen: list[Chosen], options: Iterable[Option], ledger: Ledger, left: int) -> int:
    """Adds placements of a split to ``chosen`` until nothing is left, or no option is.

    Returns how many replicas are left.
    """
    for option in options:
        if left < 1:
            break
        candidate = option.candidate
        if may_join(candidate, [c.candidate for c in chosen]):
            count = min(left, room_in(ledger, candidate).total)
            if count > 0:
                ledger.take(candidate.pool, candidate.requests, count)
                chosen.append(Chosen(candidate, count, candidate.placement))
                left -= count
    return left


def may_join(other: Candidate, chosen: Sequence[Candidate]) -> bool:
    """Whether a split may use the candidate beside those chosen: another pool, and the same variant
    unless the policy lets precisions mix."""
    policy = other.demand.policy.spec
    if policy.split != "Allowed" or any(other.pool.key == c.pool.key for c in chosen):
        return False
    return policy.mixed_precision or other.variant.name == chosen[0].variant.name

"""The decision: one demand against one snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from stowage.api.reasons import Code
from stowage.placement.backoffs import NO_BACKOFFS, Backoffs
from stowage.placement.candidates import Candidate
from stowage.placement.capacity import Ledger, Room
from stowage.placement.decision import Chosen, Decision, Verdict
from stowage.placement.giving_way import may_give_way
from stowage.placement.in_vain import InVain
from stowage.placement.lazy import Lazy
from stowage.placement.options import Option, best_first, first, join, without_room
from stowage.placement.order import why_not
from stowage.placement.outcome import nowhere, outcome, what_failed
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Placement, Snapshot
from stowage.placement.stay import keep, stay
from stowage.placement.survey import Survey


def decide(
    snapshot: Snapshot,
    demand: Demand,
    current: tuple[Placement, ...],
    backoffs: Backoffs = NO_BACKOFFS,
    ripe: frozenset[str] = frozenset(),
) -> Decision:
    """Decides where a demand is served.

    Args:
        current: what serves now and isn't draining. What of it is still feasible stays.
        backoffs: why candidates that failed are left alone, by their ids.
        ripe: ids of candidates that were ``better`` for as long as the policy asks, and may be moved to now.
    """
    survey = Survey(snapshot, demand)
    return replace(_decide(snapshot, demand, current, backoffs, ripe, survey), fails=survey.fails)


def _decide(
    snapshot: Snapshot,
    demand: Demand,
    current: tuple[Placement, ...],
    backoffs: Backoffs,
    ripe: frozenset[str],
    survey: Survey,
) -> Decision:
    able, rejected = survey.able(), survey.rejected()
    kept = keep(snapshot, demand, survey.at(current), current, backoffs) if current else []
    ledger = Ledger(snapshot, demand.key, released=frozenset())
    staying = stay(snapshot, ledger, kept, able, rejected, backoffs, ripe) if kept else None
    if staying is not None:
        return staying
    if demand.workload.spec.replicas == 0:
        return _nothing_wanted(able, rejected)
    best = first(ledger, able, backoffs)
    if best is not None:
        return _choose(demand, Lot(snapshot, demand, frozenset(), able, backoffs), best, rejected)
    mine = snapshot.room.held_by(demand.key)
    failed = [h for h in mine if h.placement.id in backoffs]
    gives_way = frozenset(h.deployment for h in failed if h.bound and not h.ready)
    if gives_way:
        freed = Lot(snapshot, demand, gives_way, able, backoffs)
        best = first(freed.ledger(), able, backoffs)
        if best is not None:
            return replace(_choose(demand, freed, best, rejected), gives_way=gives_way)
    if mine and may_give_way(snapshot, demand):
        freed = Lot(snapshot, demand, frozenset(h.deployment for h in mine), able, backoffs)
        best = first(freed.ledger(), able, backoffs)
        if best is not None:
            return _replacing(_choose(demand, freed, best, rejected))
    verdicts = Lazy(lambda: chain(without_room(ledger, able, backoffs), rejected))
    return Decision(
        placements=(),
        verdicts=verdicts,
        wanted=demand.workload.spec.replicas,
        outcome=what_failed(failed[0].placement, backoffs)
        if failed
        else nowhere(snapshot, demand, verdicts, serving=bool(mine)),
        in_vain=None if mine else InVain.of(snapshot, able, demand.policy.spec.tolerations),
    )


def _replacing(decision: Decision) -> Decision:
    """A decision for which what serves gives way, replica by replica: none of it has room yet."""
    return replace(decision, replaces=True, waiting=sum(c.replicas for c in decision.placements))


@dataclass(frozen=True, slots=True)
class Lot:
    """What a choice is made from. Each ledger and each list of options is the same as the first."""

    snapshot: Snapshot
    demand: Demand
    released: frozenset[str]
    able: Sequence[Candidate]
    backoffs: Backoffs

    def ledger(self) -> Ledger:
        """The room before anything is chosen."""
        return Ledger(self.snapshot, self.demand.key, self.released)

    def options(self) -> Iterator[Option]:
        """All of them, the best first."""
        return best_first(self.ledger(), self.able, self.backoffs)

    def full(self) -> Iterator[Verdict]:
        """Verdicts on what has no room."""
        return without_room(self.ledger(), self.able, self.backoffs)


def _nothing_wanted(able: Sequence[Candidate], rejected: Sequence[Verdict]) -> Decision:
    zero = Reason(Code.SCALED_TO_ZERO, "no replicas are wanted")

    def verdicts() -> Iterator[Verdict]:
        yield from sorted((Verdict(c, True, (zero,)) for c in able), key=lambda v: v.candidate.placement.id)
        yield from rejected

    return Decision((), Lazy(verdicts), 0, zero)


def _choose(demand: Demand, lot: Lot, best: Option, rejected: Sequence[Verdict]) -> Decision:
    wanted = best.candidate.replicas
    count = min(wanted, best.capacity.total)
    chosen = [Chosen(best.candidate, count, best.candidate.placement)]
    left = wanted - count
    if left and demand.policy.spec.split == "Allowed":
        ledger = lot.ledger()
        ledger.take(best.candidate.pool, best.candidate.requests, count)
        left = join(chosen, islice(lot.options(), 1, None), ledger, left)
    if len(chosen) == 1 and not best.capacity.free and demand.policy.spec.serve_while_provisioning:
        chosen += _meanwhile(best, lot.options())
    return Decision(
        placements=tuple(chosen),
        verdicts=Lazy(lambda: _verdicts(chosen, best, lot, rejected)),
        wanted=wanted,
        outcome=outcome(
            wanted, wanted - left, best.candidate, tried=best.capacity.room(count) is Room.UNKNOWN
        ),
    )


def _verdicts(
    chosen: Sequence[Chosen], best: Option, lot: Lot, rejected: Sequence[Verdict]
) -> Iterator[Verdict]:
    """What lost to the best, what has no room, what can't serve."""
    picked = {_identity(c.candidate) for c in chosen}
    for other in lot.options():
        if _identity(other.candidate) not in picked:
            why = why_not(other.candidate, other.rank, best.candidate, best.rank)
            yield Verdict(other.candidate, True, (why,))
    yield from lot.full()
    yield from rejected


def _identity(candidate: Candidate) -> tuple[str, str]:
    return candidate.placement.id, candidate.pool.accelerator_class.name


def _meanwhile(best: Option, options: Iterable[Option]) -> list[Chosen]:
    """What serves while nodes of an earlier tier are being provisioned: the best of a later tier that has
    room at once. It isn't kept by later decisions, so it drains as soon as the nodes are there and serve."""
    for option in options:
        if option.rank.tier > best.rank.tier and option.capacity.free:
            candidate = option.candidate
            count = min(candidate.replicas, option.capacity.free)
            return [Chosen(candidate, count, candidate.placement, meanwhile=True)]
    return []

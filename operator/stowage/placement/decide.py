"""The decision: one demand against one snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stowage.api.reasons import Code
from stowage.placement.backoffs import NO_BACKOFFS, Backoffs
from stowage.placement.candidates import Candidate, enumerate_candidates, measure
from stowage.placement.capacity import Ledger
from stowage.placement.checks import RUNS, SUITS, failures
from stowage.placement.decision import Chosen, Decision, Verdict
from stowage.placement.options import Option, join, weigh
from stowage.placement.order import why_not
from stowage.placement.outcome import nowhere, outcome, what_failed
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Placement, Snapshot
from stowage.placement.stay import keep, stay


def decide(
    snapshot: Snapshot, demand: Demand, current: tuple[Placement, ...], backoffs: Backoffs = NO_BACKOFFS
) -> Decision:
    """Decides where a demand is served.

    Args:
        current: what serves now and isn't draining. What of it is still feasible stays.
        backoffs: why candidates that failed are left alone, by their ids.
    """
    able, rejected = _check_all(snapshot, demand)
    kept = keep(snapshot, demand, [*able, *(v.candidate for v in rejected)], current, backoffs)
    ledger = Ledger(snapshot, demand.key, released=frozenset())
    staying = stay(ledger, kept, able, rejected, backoffs) if kept else None
    if staying is not None:
        return staying
    if demand.workload.spec.replicas == 0:
        return _nothing_wanted(able, rejected)
    options, full = weigh(ledger, able, backoffs)
    if options:
        return _choose(demand, ledger, options, full + rejected)
    own = frozenset(h.deployment for h in snapshot.holdings if h.owner == demand.key)
    failed = sorted(
        (h for h in snapshot.holdings if h.owner == demand.key and h.placement.id in backoffs),
        key=lambda h: h.deployment,
    )
    gives_way = frozenset(h.deployment for h in failed if h.bound)
    if gives_way and able:
        freed = Ledger(snapshot, demand.key, released=gives_way)
        options, full_then = weigh(freed, able, backoffs)
        if options:
            return replace(_choose(demand, freed, options, full_then + rejected), gives_way=gives_way)
    if own and able and demand.workload.spec.disruption.when_full == "Replace":
        freed = Ledger(snapshot, demand.key, released=own)
        options, full_then = weigh(freed, able, backoffs)
        if options:
            return replace(_choose(demand, freed, options, full_then + rejected), replaces=True)
    return Decision(
        placements=(),
        verdicts=(*full, *rejected),
        wanted=demand.workload.spec.replicas,
        outcome=what_failed(failed[0].placement, backoffs)
        if failed
        else nowhere(snapshot, demand, full + rejected, serving=bool(own)),
    )


def _check_all(snapshot: Snapshot, demand: Demand) -> tuple[list[Candidate], list[Verdict]]:
    """Candidates against which nothing but room may stand, and verdicts on the others: the nearest,
    with the fewest reasons and then the least memory short, first."""
    able: list[Candidate] = []
    rejected: list[tuple[int, Verdict]] = []
    for candidate in enumerate_candidates(snapshot, demand):
        reasons = failures(candidate, RUNS)
        if reasons:
            rejected.append((100 + len(reasons), Verdict(candidate, feasible=False, reasons=reasons)))
            continue
        measured = measure(candidate)
        reasons = failures(measured, SUITS)
        if reasons:
            rejected.append((len(reasons), Verdict(measured, feasible=False, reasons=reasons)))
        else:
            able.append(measured)
    rejected.sort(key=lambda r: (r[0], _shortage(r[1]), r[1].candidate.placement.id, r[1].candidate.pool.key))
    return able, [v for _, v in rejected]


def _shortage(verdict: Verdict) -> float:
    """How many times more memory is needed than there is; 1 where memory isn't what is missing."""
    found = verdict.candidate.fit
    return max(1.0, found.needed / found.usable) if found is not None and found.usable > 0 else 1.0


def _nothing_wanted(able: Sequence[Candidate], rejected: Sequence[Verdict]) -> Decision:
    zero = Reason(Code.SCALED_TO_ZERO, "no replicas are wanted")
    could = sorted((Verdict(c, True, (zero,)) for c in able), key=lambda v: v.candidate.placement.id)
    return Decision((), (*could, *rejected), 0, zero)


def _choose(demand: Demand, ledger: Ledger, options: list[Option], rejected: list[Verdict]) -> Decision:
    best = options[0]
    wanted = best.candidate.replicas
    count = min(wanted, best.capacity.total)
    ledger.take(best.candidate.pool, best.candidate.requests, count)
    chosen = [Chosen(best.candidate, count, best.candidate.placement)]
    left = join(chosen, options[1:], ledger, wanted - count)
    meanwhile = _meanwhile(demand, options) if len(chosen) == 1 else None
    if meanwhile is not None:
        chosen.append(meanwhile)
    picked = {id(c.candidate) for c in chosen}
    others = [
        Verdict(o.candidate, True, (why_not(o.candidate, o.rank, best.candidate, best.rank),))
        for o in options
        if id(o.candidate) not in picked
    ]
    return Decision(
        placements=tuple(chosen),
        verdicts=(*others, *rejected),
        wanted=wanted,
        outcome=outcome(wanted, wanted - left, best.candidate),
    )


def _meanwhile(demand: Demand, options: Sequence[Option]) -> Chosen | None:
    """What serves while nodes of an earlier tier are being provisioned: the best of a later tier that has
    room at once. It isn't kept by later decisions, so it drains as soon as the nodes are there and serve."""
    best = options[0]
    if best.capacity.free or not demand.policy.spec.serve_while_provisioning:
        return None
    for option in options[1:]:
        if option.rank.tier > best.rank.tier and option.capacity.free:
            candidate = option.candidate
            count = min(candidate.replicas, option.capacity.free)
            return Chosen(candidate, count, candidate.placement, meanwhile=True)
    return None

"""The decision: one demand against one snapshot."""

from __future__ import annotations

from dataclasses import dataclass, replace

from stowage.api.reasons import Code
from stowage.placement.candidates import Candidate, enumerate_candidates, measure
from stowage.placement.capacity import Capacity, Ledger, Room
from stowage.placement.checks import RUNS, SUITS, failures
from stowage.placement.decision import Chosen, Decision, Verdict
from stowage.placement.order import Rank, rank, why_not
from stowage.placement.outcome import nowhere, outcome, room_text
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Placement, Snapshot


@dataclass(frozen=True, slots=True)
class _Option:
    """A feasible candidate with its room and its rank."""

    candidate: Candidate
    capacity: Capacity
    rank: Rank


def decide(
    snapshot: Snapshot, demand: Demand, current: tuple[Placement, ...], backoffs: frozenset[str] = frozenset()
) -> Decision:
    """Decides where a demand is served.

    Args:
        current: what serves now and isn't draining. What of it is still feasible stays.
        backoffs: ids of candidates that failed and are left alone.
    """
    able, rejected = _check_all(snapshot, demand)
    ledger = Ledger(snapshot, demand.key, released=frozenset())
    kept = _keep(demand, able, current, backoffs)
    if kept:
        return _stay(snapshot, demand, ledger, kept, able, rejected)
    if demand.workload.spec.replicas == 0:
        return Decision((), tuple(rejected), 0, Reason(Code.SCALED_TO_ZERO, "no replicas are wanted"))
    options, full = _options(demand, ledger, able, backoffs)
    if options:
        return _choose(demand, options, full + rejected)
    own = frozenset(h.deployment for h in snapshot.holdings if h.owner == demand.key)
    if own and able and demand.workload.spec.disruption.when_full == "Replace":
        freed = Ledger(snapshot, demand.key, released=own)
        options, full = _options(demand, freed, able, backoffs)
        if options:
            return replace(_choose(demand, options, full + rejected), replaces=True)
    return Decision(
        placements=(),
        verdicts=(*full, *rejected),
        wanted=demand.workload.spec.replicas,
        outcome=nowhere(snapshot, demand, full + rejected, serving=bool(own)),
    )


def _check_all(snapshot: Snapshot, demand: Demand) -> tuple[list[Candidate], list[Verdict]]:
    able: list[Candidate] = []
    rejected: list[tuple[int, Verdict]] = []
    for candidate in enumerate_candidates(snapshot, demand):
        reasons = failures(candidate, RUNS)
        if not reasons:
            measured = measure(candidate)
            reasons = failures(measured, SUITS)
            if not reasons:
                able.append(measured)
                continue
            rejected.append((len(reasons), Verdict(measured, feasible=False, reasons=reasons)))
        else:
            rejected.append((100 + len(reasons), Verdict(candidate, feasible=False, reasons=reasons)))
    rejected.sort(key=lambda r: (r[0], r[1].candidate.placement.id))
    return able, [v for _, v in rejected]


def _keep(
    demand: Demand, able: list[Candidate], current: tuple[Placement, ...], backoffs: frozenset[str]
) -> list[tuple[Placement, Candidate]]:
    """The current placements that stay: those still able to serve, the earliest tier first.

    The number of devices is part of the identity; a spec edit that changes it is a move.
    """
    by_placement = {c.placement: c for c in able}
    found = [(p, by_placement[p]) for p in current if p in by_placement and p.id not in backoffs]
    found.sort(key=lambda f: f[1].tier or 0)
    return [f for f in found if f is found[0] or _may_join(demand, found[0][1], f[1])]


def _stay(
    snapshot: Snapshot,
    demand: Demand,
    ledger: Ledger,
    kept: list[tuple[Placement, Candidate]],
    able: list[Candidate],
    rejected: list[Verdict],
) -> Decision:
    """Keeps what serves, gives further replicas the room beside it, then that of a split."""
    best = kept[0][1]
    held = {h.placement: h for h in snapshot.holdings if h.owner == demand.key}
    running = [min(held[p].replicas, best.replicas) if p in held else 0 for p, _ in kept]
    left = best.replicas
    chosen: list[Chosen] = []
    for (placement, candidate), count in zip(kept, running, strict=True):
        chosen.append(Chosen(candidate, min(left, count), placement))
        left -= chosen[-1].replicas
    for index, one in enumerate(chosen):
        capacity = ledger.capacity(one.candidate.pool, one.candidate.requests, _allowed(demand))
        bound = len(held[one.as_placed].bound) if one.as_placed in held else 0
        room = bound + capacity.free + capacity.provisionable
        more = min(left, max(0, room - one.replicas))
        chosen[index] = replace(one, replicas=one.replicas + more)
        left -= more
    others = [c for c in able if all(c is not one.candidate for one in chosen)]
    if left > 0 and demand.policy.spec.split == "Allowed":
        options, _ = _options(demand, ledger, others, frozenset())
        left = _join(demand, chosen, options, left)
        others = [c for c in able if all(c is not one.candidate for one in chosen)]
    others.sort(key=lambda c: rank(c, Capacity(0, 0, 0), 0))
    stays = (Reason(Code.KEPT_CURRENT, "what serves is feasible and stays"),)
    return Decision(
        placements=tuple(c for c in chosen if c.replicas or best.replicas == 0),
        verdicts=(*(Verdict(c, True, stays) for c in others), *rejected),
        wanted=best.replicas,
        outcome=outcome(best.replicas, best.replicas - left, best),
    )


def _options(
    demand: Demand, ledger: Ledger, able: list[Candidate], backoffs: frozenset[str]
) -> tuple[list[_Option], list[Verdict]]:
    options: list[_Option] = []
    full: list[Verdict] = []
    for candidate in able:
        capacity = ledger.capacity(candidate.pool, candidate.requests, _allowed(demand))
        wanted = max(1, candidate.replicas)
        reason = _no_room(candidate, capacity, demand)
        if candidate.placement.id in backoffs:
            reason = Reason(Code.IN_BACKOFF, "it failed lately and is left alone for a while")
        if reason is not None:
            full.append(Verdict(candidate, feasible=False, reasons=(reason,)))
        else:
            options.append(_Option(candidate, capacity, rank(candidate, capacity, wanted)))
    options.sort(key=lambda o: o.rank)
    full.sort(key=lambda v: rank(v.candidate, Capacity(0, 0, 0), 1))
    return options, full


def _allowed(demand: Demand) -> tuple[str, ...]:
    return tuple(demand.policy.spec.tolerations)


def _no_room(candidate: Candidate, capacity: Capacity, demand: Demand) -> Reason | None:
    if capacity.room(1) is not Room.FULL:
        return None
    pool = candidate.pool
    if pool.nodes and not capacity.usable_nodes:
        allowed = _allowed(demand)
        own = pool.accelerator_class.spec.taints
        keys = sorted(
            {t.key for n in pool.nodes for t in n.taints if t.key not in own and t.key not in allowed}
        )
        taints = f" (not tolerated: {', '.join(keys)})" if keys else ""
        return Reason(
            Code.NO_USABLE_NODE, f"all nodes of {pool.name} are cordoned, not ready or tainted{taints}"
        )
    return Reason(
        Code.NO_CAPACITY, f"no node of {pool.name} has room for one replica: {room_text(candidate)}"
    )


def _choose(demand: Demand, options: list[_Option], rejected: list[Verdict]) -> Decision:
    best = options[0]
    wanted = best.candidate.replicas
    chosen = [Chosen(best.candidate, _taken(best, wanted), best.candidate.placement)]
    left = _join(demand, chosen, options[1:], wanted - chosen[0].replicas)
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


def _join(demand: Demand, chosen: list[Chosen], options: list[_Option], left: int) -> int:
    """Adds placements of a split to ``chosen`` until nothing is left, or no option is."""
    for option in options:
        taken_pools = {c.candidate.pool.name for c in chosen}
        if left < 1:
            break
        if option.candidate.pool.name in taken_pools:
            continue
        if _may_join(demand, chosen[0].candidate, option.candidate):
            chosen.append(Chosen(option.candidate, _taken(option, left), option.candidate.placement))
            left -= chosen[-1].replicas
    return left


def _taken(option: _Option, wanted: int) -> int:
    return min(wanted, option.capacity.free + option.capacity.provisionable)


def _may_join(demand: Demand, best: Candidate, other: Candidate) -> bool:
    """Whether a split may use the candidate beside the best: another pool, and the same variant
    unless the policy lets precisions mix."""
    policy = demand.policy.spec
    if policy.split != "Allowed" or other.pool.name == best.pool.name:
        return False
    return policy.mixed_precision or other.variant.name == best.variant.name

"""All candidates of a demand, looked at in groups of pools that are alike.

The result is that of asking each candidate by itself, as ``checks`` and ``candidates`` say; but measuring and
checking happen once for a group, and a reason's text, which may name the pool, is made when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from stowage.placement.candidates import Candidate, measure, supports_for
from stowage.placement.checks import RUNS, SUITS, failures
from stowage.placement.decision import Verdict
from stowage.placement.faults import Faults
from stowage.placement.groups import PoolGroup, first_tier
from stowage.placement.lazy import Lazy
from stowage.placement.offers import Ascending, Entry, Offers
from stowage.placement.reasons import Reason
from stowage.placement.sizing import Sizing
from stowage.placement.snapshot import Demand, Placement, Snapshot


class Survey:
    """The candidates of one demand against one snapshot, before room is looked at."""

    def __init__(self, snapshot: Snapshot, demand: Demand) -> None:
        self._snapshot = snapshot
        self._demand = demand
        self._groups = snapshot.grouping.groups(demand)
        self._faults = Faults(snapshot, demand, self._groups)
        self._offers: dict[int, Offers] = {}
        self._sizings = [Sizing(demand.workload, v) for v in demand.variants]

    # The survey keeps neither of the two sequences, which keep it: things that keep each other wait for the
    # garbage collector, here with all candidates and the snapshot.

    def able(self) -> Sequence[Candidate]:
        """Candidates against which nothing but room may stand, the best first but for room."""
        return Lazy(self._ordered)

    def rejected(self) -> Sequence[Verdict]:
        """Verdicts on the others: the nearest first, those with the fewest reasons and then the least memory
        short."""
        return Lazy(self._nearest)

    def at(self, placements: Iterable[Placement]) -> list[Candidate]:
        """The candidates of these placements, as measured anew, where there are such."""
        variants = {v.name: v for v in self._demand.variants}
        runtimes = {r.name: r for r in self._snapshot.runtimes}
        found = []
        for one in placements:
            variant, runtime = variants.get(one.variant), runtimes.get(one.runtime)
            pool = self._snapshot.grouping.pool((one.pool, one.accelerator_class))
            if variant is None or runtime is None or pool is None:
                continue
            tier, support = first_tier(self._demand.policy, pool), supports_for(runtime, pool)
            plain = Candidate(self._demand, variant, runtime, support, pool, tier, 0)
            found.append(plain if failures(plain, RUNS) else measure(plain))
        return found

    def fails(self, placement: Placement) -> tuple[Reason, ...] | None:
        """Why such a candidate can't serve, whatever room there is and however many devices it has; None
        where there is none."""
        for candidate in self.at((placement,)):
            return failures(candidate, SUITS if candidate.devices else RUNS)
        return None

    def _ordered(self) -> Iterator[Candidate]:
        """``able``, tier by tier."""
        tiers: dict[int, list[PoolGroup]] = {}
        for group in self._groups:
            if group.tier is not None:
                tiers.setdefault(group.tier, []).append(group)
        for tier in sorted(tiers):
            yield from Ascending(o for g in tiers[tier] for o in self._offers_of(g).wanted)

    def _offers_of(self, group: PoolGroup) -> Offers:
        known = self._offers.get(id(group))
        if known is None:
            known = self._offers[id(group)] = Offers(self._faults, group, self._sizings)
        return known

    def _nearest(self) -> Iterator[Verdict]:
        refused = [
            ((len(failures(e.candidate, SUITS)), _shortage(e.candidate)), e)
            for g in self._groups
            for e in self._offers_of(g).refused()
        ]
        yield from (Verdict(c, False, failures(c, SUITS)) for c in _expand(refused))
        failing = [(n, Entry(c, (g.every,))) for g in self._groups for n, c in self._faults.failing(g)]
        yield from (Verdict(c, False, failures(c, RUNS)) for c in _expand(failing))


def _shortage(candidate: Candidate) -> float:
    """How many times more memory is needed than there is; 1 where memory isn't what is missing."""
    found = candidate.fit
    return max(1.0, found.needed / found.usable) if found is not None and found.usable > 0 else 1.0


K = TypeVar("K")


def _expand(entries: list[tuple[K, Entry]]) -> Iterator[Candidate]:
    """The candidates of entries in the order of the entries' keys and, where these are equal, of ids."""
    entries.sort(key=itemgetter(0))
    for _, equal in groupby(entries, key=itemgetter(0)):
        alike = (one for _, entry in equal for one in entry.candidates())
        yield from sorted(alike, key=lambda c: (c.placement.id, c.pool.key))

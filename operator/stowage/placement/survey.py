"""All candidates of a demand, looked at in groups of pools that are alike.

The result is that of asking each candidate by itself, as ``checks`` and ``candidates`` say; but measuring and
checking happen once for a group, and a reason's text, which may name the pool, is made when somebody looks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import groupby
from operator import itemgetter
from typing import TypeVar

from stowage.placement.candidates import Candidate, by_runtime, measure, on_pool, supports_for
from stowage.placement.checks import MEASURED, RUNS, SUITS, UNMEASURED, failures
from stowage.placement.decision import Verdict
from stowage.placement.faults import Faults
from stowage.placement.groups import PoolGroup, Run, first_tier
from stowage.placement.lazy import Lazy
from stowage.placement.order import Merit, merit
from stowage.placement.sizing import Sizing
from stowage.placement.snapshot import Demand, Placement, Pool, Snapshot


@dataclass(frozen=True, eq=False, slots=True)
class Entry:
    """A candidate, on pools of a group."""

    candidate: Candidate
    """On one of them."""
    runs: tuple[Run, ...]
    """The pools by price, where it matters; the cheapest first."""

    def on(self, pool: Pool) -> Candidate:
        """The candidate on this pool."""
        return self.candidate if pool is self.candidate.pool else on_pool(self.candidate, pool)

    def ranked(self) -> Iterator[Ranked]:
        """One candidate for each pool, the best first, room aside: pools of one price differ in name only."""
        for run in self.runs:
            first = self.on(run[0][1])
            worth = merit(first)
            for index, pool in run:
                one = first if pool is first.pool else on_pool(first, pool)
                yield worth, one.placement.id, index, one

    def candidates(self) -> Iterator[Candidate]:
        """One for each pool."""
        return (self.on(pool) for run in self.runs for _, pool in run)


Ranked = tuple[Merit, str, int, Candidate]
"""A candidate with what orders it within its tier, room aside: merit, id, the pool's place."""
_ORDER = itemgetter(0, 1, 2)


class Survey:
    """The candidates of one demand against one snapshot, before room is looked at."""

    def __init__(self, snapshot: Snapshot, demand: Demand) -> None:
        self._snapshot = snapshot
        self._demand = demand
        self._groups = snapshot.grouping.groups(demand)
        self._faults = Faults(snapshot, demand, self._groups)
        self._offers: dict[int, Offers] = {}
        self._sizings = [Sizing(demand.workload, v) for v in demand.workload.spec.variants]
        self.able: Sequence[Candidate] = Lazy(self.ordered)
        """Candidates against which nothing but room may stand, the best first but for room."""
        self.rejected: Sequence[Verdict] = Lazy(self._nearest)
        """Verdicts on the others: the nearest first, those with the fewest reasons and then the least
        memory short."""

    def at(self, placements: Iterable[Placement]) -> list[Candidate]:
        """The candidates of these placements, as measured anew, where there are such."""
        variants = {v.name: v for v in self._demand.workload.spec.variants}
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

    def ordered(self) -> Iterator[Candidate]:
        """``able``, made tier by tier."""
        tiers: dict[int, list[PoolGroup]] = {}
        for group in self._groups:
            if group.tier is not None:
                tiers.setdefault(group.tier, []).append(group)
        for tier in sorted(tiers):
            entries = [e.ranked() for g in tiers[tier] for e in self._offers_of(g).able]
            yield from (c for *_, c in merge(*entries, key=_ORDER))

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


class Offers:
    """What can run on a group, measured: once for all runtimes that can use as many devices."""

    def __init__(self, faults: Faults, group: PoolGroup, sizings: list[Sizing]) -> None:
        self._group = group
        self._aside: list[tuple[list[Candidate], Sizing]] = []
        self._refused: list[Entry] = []
        self.able: list[Entry] = []
        """What suits, too."""
        for variant, sizing in enumerate(sizings):
            running = faults.running(group, variant)
            if running and failures(running[0], UNMEASURED):
                self._aside.append((running, sizing))
            elif running:
                self._sort(running, sizing)

    def _sort(self, running: list[Candidate], sizing: Sizing) -> None:
        """Measures and puts among what suits or what doesn't, in which the runtime has no part."""
        for alike in self._measured(running, sizing):
            for entries in zip(*(self._entries(one) for one in alike), strict=True):
                refused = failures(entries[0].candidate, MEASURED)
                (self._refused if refused else self.able).extend(entries)

    def _measured(self, running: list[Candidate], sizing: Sizing) -> Iterable[list[Candidate]]:
        """The candidates of one variant, those whose runtimes can use as many devices together."""
        alike: dict[tuple[int, ...], list[Candidate]] = {}
        for plain in running:
            counts = tuple(plain.support.device_counts) if plain.support else ()
            same = alike.setdefault(counts, [])
            same.append(by_runtime(same[0], plain) if same else measure(plain, sizing=sizing))
        return alike.values()

    def _entries(self, measured: Candidate) -> list[Entry]:
        """The candidate on the pools for which checks and merit are the same, or differ by price only."""
        group, spec = self._group, measured.demand.policy.spec
        if measured.demand.workload.spec.requirements.max_cost_per_hour is not None:
            return [Entry(on_pool(measured, run[0][1]), (run,)) for run in group.runs]
        by_price = spec.goal == "Cheapest" and measured.replicas > 0
        return [Entry(measured, group.runs if by_price else (group.every,))]

    def refused(self) -> Iterator[Entry]:
        """What doesn't suit."""
        yield from self._refused
        for running, sizing in self._aside:
            for alike in self._measured(running, sizing):
                yield from (entry for one in alike for entry in self._entries(one))


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

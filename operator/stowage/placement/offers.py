"""What can run on a group of pools, measured no further than somebody looks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from heapq import heappop, heappush
from itertools import count
from operator import itemgetter

from stowage.placement.candidates import Candidate, by_runtime, measure, most_devices, on_pool, usable_fits
from stowage.placement.checks import MEASURED, UNMEASURED, failures
from stowage.placement.faults import Faults
from stowage.placement.groups import PoolGroup, Run
from stowage.placement.order import HOPELESS, LEAST, UNBOUNDED, Key, Merit, Reach, merit
from stowage.placement.sizing import Sizing
from stowage.placement.snapshot import Pool


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


class Offers:
    """What may run on a group: measured when it is looked at."""

    def __init__(self, faults: Faults, group: PoolGroup, sizings: list[Sizing]) -> None:
        self._aside: list[Offer] = []
        self.wanted: list[Offer] = []
        """What no check forbids that needs no measuring."""
        for variant, sizing in enumerate(sizings):
            running = faults.running(group, variant)
            if running:
                unwanted = failures(running[0], UNMEASURED)
                (self._aside if unwanted else self.wanted).extend(_alike(group, running, sizing))

    def refused(self) -> Iterator[Entry]:
        """What doesn't suit."""
        for offer in self.wanted:
            yield from offer.entries[1]
        for offer in self._aside:
            yield from (entry for entries in offer.entries for entry in entries)


def _alike(group: PoolGroup, running: list[Candidate], sizing: Sizing) -> Iterable[Offer]:
    """The candidates of one variant, those whose runtimes can use as many devices together."""
    alike: dict[tuple[int, ...], Offer] = {}
    for plain in running:
        counts = tuple(plain.support.device_counts) if plain.support else ()
        offer = alike.get(counts)
        if offer is None:
            offer = alike[counts] = Offer(group, sizing, [])
        offer.plain.append(plain)
    return alike.values()


@dataclass(frozen=True, eq=False)
class Offer:
    """A variant on a group by runtimes that can use as many devices, so that it is measured once for all."""

    group: PoolGroup
    sizing: Sizing
    plain: list[Candidate]

    @cached_property
    def entries(self) -> tuple[list[Entry], list[Entry]]:
        """Those that suit and those that don't, in which the runtime has no part."""
        suit: list[Entry] = []
        refused: list[Entry] = []
        measured = measure(self.plain[0], sizing=self.sizing)
        alike = [self._entries(by_runtime(measured, plain)) for plain in self.plain]
        for entries in zip(*alike, strict=True):
            fails = failures(entries[0].candidate, MEASURED)
            (refused if fails else suit).extend(entries)
        return suit, refused

    def at_best(self) -> Key:
        """No candidate of the offer reaches the goal better, so that it need not be measured before others
        have come to this. What doesn't fit comes last, since no check will let it pass."""
        plain, pool = self.plain[0], self.group.runs[0][0][1]
        least = LEAST.get(plain.demand.policy.spec.goal)
        if least is None:
            return UNBOUNDED
        fewest = next(usable_fits(plain, self.sizing), None)
        if fewest is None or not fewest.fits:
            return HOPELESS
        least_devices = fewest.devices

        def most() -> int:
            hurried = plain.demand.workload.spec.requirements.latency is not None
            return most_devices(plain) if hurried else least_devices

        return least(plain, Reach(pool, least_devices, most, lambda: self.sizing.ceiling(pool, most())))

    def _entries(self, measured: Candidate) -> list[Entry]:
        """The candidate on the pools for which checks and merit are the same, or differ by price only."""
        group, spec = self.group, measured.demand.policy.spec
        limited = measured.demand.workload.spec.requirements.max_cost_per_hour is not None
        by_price = spec.goal == "Cheapest"
        if limited or (by_price and measured.replicas == 0):  # none cost the same whatever the price
            return [Entry(on_pool(measured, run[0][1]), (run,)) for run in group.runs]
        return [Entry(measured, group.runs if by_price else (group.every,))]


class Ascending:
    """The candidates of offers in the order of their worth, measured no further than needed."""

    def __init__(self, offers: Iterable[Offer]) -> None:
        self._offers = sorted(((o.at_best(), o) for o in offers), key=itemgetter(0))
        self._heap: list[tuple[Merit, str, int, int, Candidate, Iterator[Ranked]]] = []
        self._count = count()

    def __iter__(self) -> Iterator[Candidate]:
        for bound, offer in self._offers:
            while self._heap and self._heap[0][0][0] < bound:
                yield self._best()
            for entry in offer.entries[0]:
                self._follow(entry.ranked())
        while self._heap:
            yield self._best()

    def _best(self) -> Candidate:
        *_, candidate, rest = heappop(self._heap)
        self._follow(rest)
        return candidate

    def _follow(self, ranked: Iterator[Ranked]) -> None:
        for worth, name, index, candidate in ranked:
            heappush(self._heap, (worth, name, index, next(self._count), candidate, ranked))
            return

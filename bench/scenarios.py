"""What is measured. Times are CPU time of this process, so that a busy machine disturbs little."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import process_time

from bench import fleets
from stowage.placement.decide import decide
from stowage.placement.decision import Decision
from stowage.placement.discovery import Discoverer
from stowage.placement.snapshot import Demand, Holding, Snapshot
from stowage.render.status import Situation, status

NOW = "2026-01-01T00:00:00Z"


@dataclass(frozen=True)
class Result:
    """What one scenario took."""

    name: str
    milliseconds: tuple[float, ...]
    """Of each repetition, by ``clock``."""
    facts: Mapping[str, float] = field(default_factory=dict)
    """What came out: the same on every machine, but for figures of memory and time."""
    clock: str = "cpu"
    """``cpu``: the times are CPU time of this process; ``wall``: they were measured from outside."""
    series: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """What is only drawn: samples in turn."""

    @property
    def total(self) -> float:
        return sum(self.milliseconds)

    def percentile(self, share: float) -> float:
        """The time that so large a share of the repetitions stayed within."""
        ordered = sorted(self.milliseconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(frozen=True)
class Size:
    """How large the scenarios are."""

    pools: int = 100
    variants: int = 10
    nodes: int = 5000
    repetitions: int = 5
    curve: tuple[int, ...] = (250, 500, 1000, 2000, 4000)
    """Deployments after which the fleet's time is noted."""


SMALL = Size(pools=10, variants=4, nodes=50, repetitions=1, curve=(10, 20, 40))
"""Quick enough for a test."""


def every(size: Size) -> dict[str, Callable[[], list[Result]]]:
    """The scenarios of decisions by name."""
    return {
        "decide": lambda: one_decision(size),
        "decisions": lambda: fleet(size),
        "discover": lambda: discovery(size),
        "status": lambda: statuses(size),
    }


@contextmanager
def _settled() -> Iterator[None]:
    """What exists is left out of garbage collection, as in an operator that has started."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _demands(count: int, variants: int) -> list[Demand]:
    return [fleets.demand(number, variants) for number in range(count)]


def _timed(action: Callable[[], object]) -> float:
    start = process_time()
    action()
    return (process_time() - start) * 1e3


def one_decision(size: Size) -> list[Result]:
    """One deployment with many variants on many pools: the choice, and all verdicts."""
    seen = fleets.fleet(size.pools, size.pools * 10).snapshot()
    demands = _demands(20, size.variants)
    seen.room, seen.grouping  # noqa: B018 - they belong to the snapshot
    first, choices, verdicts = [], [], []
    with _settled():
        first.append(_timed(lambda: decide(seen, demands[0], ())))
        for demand in demands * size.repetitions:
            start = process_time()
            decision = decide(seen, demand, ())
            chosen = process_time()
            count = len(decision.verdicts)
            choices.append((chosen - start) * 1e3)
            verdicts.append((process_time() - start) * 1e3)
    facts = {"candidates": count + len(decision.placements)}
    return [
        Result("decide: the choice", tuple(choices), facts),
        Result("decide: and all verdicts", tuple(verdicts), facts),
        Result("decide: the first of a snapshot", tuple(first)),
    ]


def fleet(size: Size) -> list[Result]:
    """Deployments decided one after another, each with what the others were given held."""
    seen = fleets.fleet(size.pools, size.nodes).snapshot()
    demands = _demands(max(size.curve), 3)
    seen.room, seen.grouping  # noqa: B018
    times: list[float] = []
    placed = replicas = 0
    with _settled():
        for demand in demands:
            start = process_time()
            decision = decide(seen, demand, ())
            seen = hold(seen, demand, decision)
            times.append((process_time() - start) * 1e3)
            placed += decision.placed
            replicas += sum(c.replicas for c in decision.placements)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        2**20 if sys.platform == "darwin" else 1024
    )
    facts = {"placed": placed, "replicas": replicas, "peak MiB": round(memory)}
    last = len(times)
    return [
        Result(f"decisions: {count} deployments", tuple(times[:count]), facts if count == last else {})
        for count in size.curve
    ]


def hold(seen: Snapshot, demand: Demand, decision: Decision) -> Snapshot:
    """The snapshot with what was decided reserved."""
    held = [
        Holding(demand.key, f"{demand.workload.name}-{number}", c.as_placed, c.candidate.requests, c.replicas)
        for number, c in enumerate(decision.placements)
    ]
    return seen.evolve(holdings={h.key: h for h in held}) if held else seen


def discovery(size: Size) -> list[Result]:
    """Pools from nodes: at the start, and again after one node changed."""
    made = fleets.fleet(size.pools, size.nodes)
    first, again, rooms = [], [], []
    for number in range(size.repetitions):
        discoverer = Discoverer()
        with _settled():
            first.append(_timed(lambda d=discoverer: d.discover(made.nodes, made.classes, made.declared)))  # type: ignore[misc]
            changed = list(made.nodes)
            changed[number] = replace(changed[number], cordoned=True)
            again.append(
                _timed(lambda d=discoverer, n=changed: d.discover(n, made.classes, made.declared))  # type: ignore[misc]
            )
            found = discoverer.discover(changed, made.classes, made.declared)
            rooms.append(_timed(lambda p=found.pools: Snapshot(p, (), {}).room))  # type: ignore[misc]
    facts = {"nodes": len(made.nodes), "pools": len(found.pools)}
    return [
        Result("discover: all nodes", tuple(first), facts),
        Result("discover: after a change of one", tuple(again)),
        Result("discover: the index of free room", tuple(rooms)),
    ]


def statuses(size: Size) -> list[Result]:
    """What a deployment's status says of a decision: the first time, and again when nothing changed."""
    seen = fleets.fleet(size.pools, size.pools * 10).snapshot()
    first, again = [], []
    with _settled():
        for demand in _demands(20, size.variants) * size.repetitions:
            decision = decide(seen, demand, ())
            start = process_time()
            told = status(Situation(demand.workload, (), decision), NOW)
            first.append((process_time() - start) * 1e3)
            later = demand.workload.model_copy(update={"status": told})
            decision = decide(seen, demand, ())
            start = process_time()
            same = status(Situation(later, (), decision), NOW)
            again.append((process_time() - start) * 1e3)
            assert same.candidates == told.candidates
    return [
        Result("status: the first", tuple(first), {"lines": len(told.candidates)}),
        Result("status: nothing changed", tuple(again)),
    ]

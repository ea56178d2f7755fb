"""What a model would need of every kind of accelerator, before there is a fleet.

Each class gets imaginary pools with nodes as large as any runtime can use, and the engine's own
candidates, checks and estimates say the rest. Policies are left aside: they speak of a fleet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import groupby
from typing import Literal

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.meta import ObjectMeta
from stowage.api.placement_policy import PlacementPolicy, PlacementPolicySpec
from stowage.api.reasons import Code
from stowage.placement.candidates import Candidate, enumerate_candidates, measure
from stowage.placement.capacity import Capacity
from stowage.placement.checks import RUNS, SUITS, failures
from stowage.placement.decision import Verdict
from stowage.placement.imaginary import ARCHITECTURES, imaginary_pools
from stowage.placement.order import rank
from stowage.placement.outcome import nowhere
from stowage.placement.pareto import dominators
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Pool, Snapshot

ANY_POLICY = PlacementPolicy(
    metadata=ObjectMeta(name="any"), spec=PlacementPolicySpec(allow_cpu=True, shared_devices=True)
)
NO_NODES = Capacity(0, 0, 0)

Axis = Literal["costPerHour", "joulesPerRequest"]
"""What is compared with latency."""
Standing = Literal["Front", "Dominated", "NotCompared"]
"""On the Pareto front, behind it, or without a number on one of the axes."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One variant on one class, by the runtime and the number of devices that suit it best.

    ``reasons`` is empty where it would serve; else they are those of the nearest way to serve.
    """

    candidate: Candidate
    reasons: tuple[Reason, ...] = ()
    runs: bool = True
    """Whether the variant can run there at all; without that no number is known."""
    runtimes: tuple[str, ...] = ()
    """Every runtime that would serve it on as many devices, the one that the engine prefers first."""
    architectures: tuple[str, ...] = ()
    """CPU architectures of nodes on which it would serve."""
    budget_unchecked: bool = False
    """Whether a budget is asked for and no price is known."""
    standing: Standing = "NotCompared"
    dominated_by: tuple[str, str] | None = None
    """Class and variant of an offer of the front that is as good on both axes and better on one."""
    best_of_class: bool = False
    """Whether it is the best variant for its class: on the axis, then latency, then quality."""
    latency_rank: int | None = None
    alone_rank: int | None = None
    """Places among all that serve, 1 being the quickest; equals share one."""

    @property
    def serves(self) -> bool:
        return not self.reasons

    @property
    def key(self) -> tuple[str, str]:
        """Class and variant: what identifies an offer."""
        return self.candidate.pool.accelerator_class.name, self.candidate.variant.name

    def on(self, axis: Axis) -> float | None:
        """The offer's number on an axis; None where it isn't known."""
        if axis == "joulesPerRequest":
            return self.candidate.estimate.joules_per_request
        cost = self.candidate.total_cost
        return None if cost is None else float(cost)


@dataclass(frozen=True, slots=True)
class Advice:
    """All offers for one deployment, the best first: the front, those behind it, those that can't serve."""

    workload: InferenceDeployment
    axis: Axis
    offers: tuple[Offer, ...]
    outcome: Reason | None
    """Why nothing can serve it; None where something can."""

    @property
    def serving(self) -> tuple[Offer, ...]:
        return tuple(o for o in self.offers if o.serves)

    @property
    def refused(self) -> tuple[Offer, ...]:
        return tuple(o for o in self.offers if not o.serves)


def advise(
    workload: InferenceDeployment,
    classes: Iterable[AcceleratorClass],
    runtimes: Iterable[InferenceRuntime],
    prices: Mapping[str, Decimal],
) -> Advice:
    """What the deployment would need of every class. One scaled to zero is taken to want one replica.

    Args:
        prices: of one device (of a CPU: of one core) per hour, by class.
    """
    spec = workload.spec
    demand = Demand(
        workload.model_copy(update={"spec": spec.model_copy(update={"replicas": max(1, spec.replicas)})}),
        ANY_POLICY,
    )
    servers = tuple(sorted(runtimes, key=lambda r: r.name))
    offers: list[Offer] = []
    pools: list[Pool] = []
    for accelerator in sorted(classes, key=lambda c: c.name):
        imaginary = tuple(imaginary_pools(accelerator, servers, prices.get(accelerator.name)))
        pools += imaginary
        offers += _offers(Snapshot(imaginary, servers, {}), demand)
    serving = [o for o in offers if o.serves]
    priced = any(o.on("costPerHour") is not None and o.candidate.estimate.latency for o in serving)
    axis: Axis = "costPerHour" if priced else "joulesPerRequest"
    refused = sorted((o for o in offers if not o.serves), key=lambda o: (_nearness(o), o.key))
    outcome = None
    if not serving:
        verdicts = [Verdict(o.candidate, False, o.reasons) for o in refused]
        outcome = nowhere(Snapshot(tuple(pools), servers, {}), demand, verdicts, serving=False)
    return Advice(workload, axis, (*_compare(serving, axis), *refused), outcome)


def _offers(snapshot: Snapshot, demand: Demand) -> Iterator[Offer]:
    """The best offer of each variant on the pools of one class."""
    tried = sorted(
        (_try(c) for c in enumerate_candidates(snapshot, demand)), key=lambda o: o.candidate.variant.name
    )
    for _, same in groupby(tried, key=lambda o: o.candidate.variant.name):
        ways = sorted(same, key=_preference)
        yield _complete(ways[0], ways) if ways[0].runs else _supported(ways[0], ways)


def _try(candidate: Candidate) -> Offer:
    reasons = failures(candidate, RUNS)
    if reasons:
        return Offer(candidate, reasons, runs=False)
    measured = measure(candidate)
    found = failures(measured, SUITS)
    # A price is no fact of the class: without one the budget can't speak against it.
    reasons = tuple(r for r in found if r.code is not Code.UNKNOWN_PRICE)
    return Offer(measured, reasons, budget_unchecked=reasons != found)


def _nearness(offer: Offer) -> tuple[bool, int, float]:
    """Smaller is nearer to serving: can run at all, the fewest reasons, the least memory short."""
    found = offer.candidate.fit
    short = found.needed / found.usable if found is not None and not found.fits else 1.0
    return not offer.runs, len(offer.reasons), short


def _preference(offer: Offer) -> tuple[object, ...]:
    """The nearest first and, of those as near, the one that the engine would choose."""
    c = offer.candidate
    return *_nearness(offer), rank(c, NO_NODES, 1), c.pool.architecture


def _supported(nearest: Offer, ways: list[Offer]) -> Offer:
    """The nearest way, saying so where no runtime at all runs on the class."""
    if any(w.candidate.support is not None for w in ways):
        return nearest
    none = f"no runtime runs on {nearest.key[0]}"
    code = Code.ACCELERATOR_NOT_SUPPORTED
    return replace(
        nearest, reasons=tuple(Reason(code, none) if r.code is code else r for r in nearest.reasons)
    )


def _complete(best: Offer, ways: list[Offer]) -> Offer:
    """The best of the ways to serve a variant on a class, with what else is told of it."""
    c = best.candidate
    if c.fit is None:
        return best
    equal = [w.candidate for w in ways if w.serves and w.candidate.devices == c.devices]
    return replace(
        best,
        runtimes=tuple(dict.fromkeys(e.runtime.name for e in equal)),
        architectures=tuple(a for a in ARCHITECTURES if a in {e.pool.architecture for e in equal}),
    )


def _compare(offers: list[Offer], axis: Axis) -> list[Offer]:
    """The offers that serve with their standing and their ranks, the best first."""
    known = [o for o in offers if o.on(axis) is not None and o.candidate.estimate.latency is not None]
    points = [(_shown(o.on(axis)), _shown(o.candidate.estimate.latency)) for o in known]
    by = {o.key: i for o, i in zip(known, dominators(points), strict=True)}
    best = {min(group, key=lambda o: _order(o, axis)).key for group in _by_class(offers)}
    latencies = _ranks({o.key: o.candidate.estimate.latency for o in offers})
    alone = _ranks({o.key: o.candidate.estimate.latency_alone for o in offers})
    compared = []
    for one in offers:
        dominator = by.get(one.key)
        standing: Standing = "NotCompared"
        if one.key in by:
            standing = "Front" if dominator is None else "Dominated"
        compared.append(
            replace(
                one,
                standing=standing,
                dominated_by=None if dominator is None else known[dominator].key,
                best_of_class=one.key in best,
                latency_rank=latencies.get(one.key),
                alone_rank=alone.get(one.key),
            )
        )
    standings = ("Front", "Dominated", "NotCompared")
    return sorted(compared, key=lambda o: (standings.index(o.standing), _order(o, axis)))


def _by_class(offers: list[Offer]) -> Iterator[list[Offer]]:
    for _, group in groupby(sorted(offers, key=lambda o: o.key), key=lambda o: o.key[0]):
        yield list(group)


def _order(offer: Offer, axis: Axis) -> tuple[object, ...]:
    value, latency = offer.on(axis), offer.candidate.estimate.latency
    infinite = float("inf")
    return (
        infinite if value is None else value,
        infinite if latency is None else latency,
        -Decimal(offer.candidate.variant.quality),
        offer.key,
    )


def _ranks(latencies: Mapping[tuple[str, str], float | None]) -> dict[tuple[str, str], int]:
    """Places from 1, the least first; equals share one, and what is unknown has none."""
    known = {key: _shown(v) for key, v in latencies.items() if v is not None}
    ordered = sorted(known.values())
    return {key: ordered.index(v) + 1 for key, v in known.items()}


def _shown(value: float | None) -> float:
    """Three digits, as people are shown: estimates are no better, and what looks equal is equal."""
    return float(f"{value or 0.0:.3g}")

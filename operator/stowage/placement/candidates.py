"""Candidates: variant x runtime x pool x devices per replica, with what is known of each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from stowage.api.inference_runtime import InferenceRuntime, Support
from stowage.api.variant import Variant
from stowage.placement.estimate import UNKNOWN, Estimate
from stowage.placement.fit import Fit
from stowage.placement.groups import first_tier
from stowage.placement.reasons import Reason
from stowage.placement.requests import replica_requests
from stowage.placement.selectors import selects_class
from stowage.placement.sizing import Sizing
from stowage.placement.snapshot import Amounts, Demand, Placement, Pool, Snapshot


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to serve a demand. ``reasons`` is empty where nothing but room may stand against it."""

    demand: Demand
    variant: Variant
    runtime: InferenceRuntime
    support: Support | None
    pool: Pool
    tier: int | None
    devices: int
    fit: Fit | None = None
    estimate: Estimate = UNKNOWN
    requests: Amounts = field(default_factory=dict)
    replicas: int = 1
    reasons: tuple[Reason, ...] = ()

    @property
    def placement(self) -> Placement:
        return Placement(
            self.variant.name,
            self.runtime.name,
            self.pool.name,
            self.pool.accelerator_class.name,
            self.devices,
        )

    @property
    def replica_cost(self) -> Decimal | None:
        """Cost of one replica per hour: its share of the node's devices."""
        return self.cost_of(1)

    @property
    def total_cost(self) -> Decimal | None:
        """Cost of all wanted replicas per hour."""
        return self.cost_of(self.replicas)

    def cost_of(self, replicas: int) -> Decimal | None:
        """Cost of so many replicas per hour; see ``cost_of``."""
        return cost_of(self.pool, self.devices, replicas)


def cost_of(pool: Pool, devices: int, replicas: int) -> Decimal | None:
    """Cost per hour of so many replicas of so many of the pool's devices; None where no price is known.
    Divided last, so that a third of a node three times is the node's price."""
    if pool.cost_per_hour is None or pool.devices_per_node < 1:
        return None
    return pool.cost_per_hour * devices * replicas / pool.devices_per_node


def cost_per_million(candidate: Candidate) -> tuple[float | None, float | None]:
    """Cost of a million output tokens and of a million inferences by a replica at its full rate. A language
    model has the one, a classic model the other."""
    one, cost = candidate.estimate, candidate.replica_cost
    language = candidate.demand.workload.spec.model.attention is not None
    rate = one.tokens_per_second if language else one.requests_per_second
    if cost is None or not rate:
        return None, None
    million = float(cost) / (rate * 3600) * 1e6
    return (million, None) if language else (None, million)


def supports_for(runtime: InferenceRuntime, pool: Pool) -> Support | None:
    """The first way in which the runtime runs on the pool's class."""
    for support in runtime.spec.supports:
        if selects_class(support.accelerators, pool.accelerator_class):
            return support
    return None


def device_counts(candidate: Candidate) -> list[int]:
    """Devices per replica that the runtime and the model can use, ascending.

    Tensor parallelism splits the key and value heads, so their number must divide the devices'
    number or be divided by it. Several shares of a shared device may be of one device, and then add neither
    memory nor speed, so a replica has one.
    """
    support, model = candidate.support, candidate.demand.workload.spec.model
    if support is None:
        return []
    counts = sorted(support.device_counts)
    if candidate.pool.shared:
        counts = [c for c in counts if c == 1]
    if candidate.pool.accelerator_class.spec.whole_node:
        counts = [c for c in counts if c == candidate.pool.devices_per_node]
    if model.attention is None or candidate.pool.is_cpu:
        return counts
    heads = model.attention.kv_heads
    return [c for c in counts if heads % c == 0 or c % heads == 0]


def usable_fits(candidate: Candidate, sizing: Sizing) -> Iterator[Fit]:
    """The fits with the numbers of devices that a node has, the fewest first: those that fit; where none
    does, that with the most of them, and where a node has too few for any, that with the least."""
    counts = device_counts(candidate)
    on_node = [c for c in counts if c <= candidate.pool.devices_per_node]
    found, none_fits = None, True
    for count in on_node or counts[:1]:
        found = sizing.fit(candidate.pool, count)
        if found.fits:
            none_fits = False
            yield found
    if found is not None and none_fits:
        yield found


def most_devices(candidate: Candidate) -> int:
    """The most devices of a node that a replica can use; 0 where it can use none."""
    most = candidate.pool.devices_per_node
    return max((c for c in device_counts(candidate) if c <= most), default=0)


def quickest_enough(pool: Pool, sizing: Sizing, fits: Iterable[Fit]) -> tuple[Fit, Estimate] | None:
    """The fewest devices that meet the latency asked for; where none do, those that come nearest to it."""
    nearest: tuple[float, Fit, Estimate] | None = None
    for one in fits:
        found = sizing.estimate(pool, one.devices)
        over = sizing.excess(found)
        if nearest is None or over < nearest[0]:
            nearest = over, one, found
        if over <= 1.0:
            break
    return nearest and nearest[1:]


def wanted_replicas(demand: Demand, one: Estimate) -> int:
    """max(replicas, requests per second wanted / those of one replica); 0 stays 0."""
    spec = demand.workload.spec
    load = spec.requirements.throughput
    if spec.replicas == 0 or load is None or not one.requests_per_second:
        return spec.replicas
    return max(spec.replicas, math.ceil(float(load.requests_per_second) / one.requests_per_second - 1e-9))


def enumerate_candidates(snapshot: Snapshot, demand: Demand) -> Iterator[Candidate]:
    """All variants on all pools by all runtimes, unchecked, in a stated order."""
    for pool in snapshot.pools:
        tier = first_tier(demand.policy, pool)
        for runtime in snapshot.runtimes:
            support = supports_for(runtime, pool)
            for variant in demand.variants:
                yield Candidate(demand, variant, runtime, support, pool, tier, devices=0)


def on_pool(candidate: Candidate, pool: Pool) -> Candidate:
    """The same on another pool of its group."""
    c = candidate
    return Candidate(
        c.demand, c.variant, c.runtime, c.support, pool, c.tier,
        c.devices, c.fit, c.estimate, c.requests, c.replicas, c.reasons,
    )  # fmt: skip


def by_runtime(measured: Candidate, plain: Candidate) -> Candidate:
    """What was measured, by the other's runtime, which can use as many devices."""
    if measured.runtime is plain.runtime:
        return measured
    c = measured
    return Candidate(
        c.demand, c.variant, plain.runtime, plain.support, c.pool, c.tier,
        c.devices, c.fit, c.estimate, c.requests, c.replicas, c.reasons,
    )  # fmt: skip


def measure(candidate: Candidate, devices: int | None = None, sizing: Sizing | None = None) -> Candidate:
    """Adds devices, fit, estimate, requests and replicas to a candidate that can run at all.

    Args:
        devices: as many as a current placement has, instead of the fewest that fit and are quick enough.
        sizing: that of the candidate's variant, where several candidates are measured.
    """
    workload, pool = candidate.demand.workload, candidate.pool
    sizing = sizing or Sizing(workload, candidate.variant)
    fits = usable_fits(candidate, sizing) if devices is None else [sizing.fit(pool, devices)]
    best = quickest_enough(pool, sizing, fits)
    if best is None:
        return candidate
    found, one = best
    return Candidate(
        demand=candidate.demand,
        variant=candidate.variant,
        runtime=candidate.runtime,
        support=candidate.support,
        pool=pool,
        tier=candidate.tier,
        devices=found.devices,
        fit=found,
        estimate=one,
        requests=replica_requests(workload, candidate.variant, pool, found.devices, found.needed),
        replicas=wanted_replicas(candidate.demand, one if found.fits else UNKNOWN),
    )

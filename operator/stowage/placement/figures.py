"""The numbers of an offer, each with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stowage.api.quantity import GIB
from stowage.placement.advise import Offer
from stowage.placement.imaginary import NODE_MEMORY

Basis = Literal["measured", "estimated", "unknown"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number, its unit, and what it rests on."""

    value: float | None
    unit: str
    basis: Basis
    from_memory: bool = False
    """Whether it was computed from figures of the class that nobody has looked up."""


Figures = dict[str, Figure | None]
"""By name. None: the model has no such thing, as a classic one has no tokens."""


def figures(offer: Offer) -> Figures:
    """All numbers of an offer that runs; docs/advise.md says what each means."""
    c, one, alone = offer.candidate, offer.candidate.estimate, offer.alone
    language = c.demand.workload.spec.model.attention is not None
    measured = one.basis == "measured"
    from_memory = known_from_memory(offer)

    def figure(value: float | None, unit: str, *, by_profile: bool = measured) -> Figure:
        if value is None:
            return Figure(None, unit, "unknown")
        basis: Basis = "measured" if by_profile else "estimated"
        return Figure(float(value), unit, basis, from_memory and not by_profile)

    def of_tokens(value: float | None, unit: str) -> Figure | None:
        return figure(value, unit) if language else None

    fit, cost = c.fit, c.total_cost
    usable = None if fit is None or fit.usable >= NODE_MEMORY // 2 else fit.usable / GIB
    million = cost_per_million(offer)
    return {
        "devicesPerReplica": figure(c.devices or None, "cores" if c.pool.is_cpu else "devices"),
        "replicas": figure(c.replicas if fit is not None else None, "replicas"),
        "memoryNeeded": figure(None if fit is None else fit.needed / GIB, "GiB", by_profile=False),
        "memoryUsable": figure(usable, "GiB", by_profile=False),
        "batch": figure(one.batch, "requests"),
        "latency": figure(one.latency, "s"),
        "latencyAlone": figure(alone.latency, "s", by_profile=False),
        "timeToFirstToken": of_tokens(one.time_to_first_token, "s"),
        "timePerOutputToken": of_tokens(one.time_per_output_token, "s"),
        "requestsPerSecond": figure(one.requests_per_second, "per second"),
        "tokensPerSecond": of_tokens(one.tokens_per_second, "per second"),
        "joulesPerRequest": figure(one.joules_per_request, "J"),
        "costPerHour": figure(None if cost is None else float(cost), "per hour"),
        "costPerMillionOutputTokens": figure(million, "per million output tokens") if language else None,
        "costPerMillionInferences": None if language else figure(million, "per million inferences"),
    }


def known_from_memory(offer: Offer) -> bool:
    """Whether nobody has looked up the class's figures."""
    provenance = offer.candidate.pool.accelerator_class.spec.provenance
    return provenance is not None and provenance.performance == "Memory"


def cost_per_million(offer: Offer) -> float | None:
    """Cost of a million output tokens, or inferences of a classic model, of a replica at its full rate."""
    c = offer.candidate
    language = c.demand.workload.spec.model.attention is not None
    rate = c.estimate.tokens_per_second if language else c.estimate.requests_per_second
    cost = c.replica_cost
    if cost is None or not rate:
        return None
    return float(cost) / (rate * 3600) * 1e6

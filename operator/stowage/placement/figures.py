"""The numbers of an offer, each with what it rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stowage.api.quantity import GIB
from stowage.placement.advise import Offer
from stowage.placement.candidates import cost_per_million
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
    c, one = offer.candidate, offer.candidate.estimate
    language = c.demand.workload.spec.model.attention is not None
    from_memory = known_from_memory(offer)

    def figure(value: float | None, unit: str, rests_on: str = "") -> Figure:
        if value is None:
            return Figure(None, unit, "unknown")
        measured = rests_on in one.measured
        return Figure(
            float(value), unit, "measured" if measured else "estimated", from_memory and not measured
        )

    def of(field: str, unit: str) -> Figure:
        return figure(getattr(one, field), unit, field)

    def of_tokens(field: str, unit: str) -> Figure | None:
        return of(field, unit) if language else None

    fit, cost = c.fit, c.total_cost
    usable = None if fit is None or fit.usable >= NODE_MEMORY // 2 else fit.usable / GIB
    tokens, calls = cost_per_million(c)
    rate = "requests_per_second"
    return {
        "devicesPerReplica": figure(c.devices or None, "cores" if c.pool.is_cpu else "devices"),
        "replicas": figure(c.replicas if fit is not None else None, "replicas", rate),
        "memoryNeeded": figure(None if fit is None else fit.needed / GIB, "GiB"),
        "memoryUsable": figure(usable, "GiB"),
        "batch": of("batch", "requests"),
        "latency": of("latency", "s"),
        "latencyAlone": figure(one.latency_alone, "s", "latency"),
        "timeToFirstToken": of_tokens("time_to_first_token", "s"),
        "timePerOutputToken": of_tokens("time_per_output_token", "s"),
        "requestsPerSecond": of("requests_per_second", "per second"),
        "tokensPerSecond": of_tokens("tokens_per_second", "per second"),
        "joulesPerRequest": of("joules_per_request", "J"),
        "costPerHour": figure(None if cost is None else float(cost), "per hour", rate),
        "costPerMillionOutputTokens": figure(tokens, "per million output tokens", rate) if language else None,
        "costPerMillionInferences": None if language else figure(calls, "per million inferences", rate),
    }


def known_from_memory(offer: Offer) -> bool:
    """Whether nobody has looked up the class's figures."""
    provenance = offer.candidate.pool.accelerator_class.spec.provenance
    return provenance is not None and provenance.performance == "Memory"

"""Checks of ``spec.requirements``: quality, latency, throughput and cost, as far as the model fits at all."""

from __future__ import annotations

from decimal import Decimal

from stowage.api.quantity import milliseconds, parse_duration
from stowage.api.reasons import Code
from stowage.placement.candidates import Candidate
from stowage.placement.reasons import Reason


def unit_of(c: Candidate) -> str:
    """What its devices are called."""
    unit = "core" if c.pool.is_cpu else "device"
    return unit if c.devices == 1 else f"{unit}s"


def _too_small(c: Candidate) -> bool:
    """Whether the model doesn't fit, so that what it would do or cost there says nothing."""
    return c.fit is not None and not c.fit.fits


def latency(c: Candidate) -> Reason | None:
    wanted = c.demand.workload.spec.requirements.latency
    if wanted is None or _too_small(c):
        return None
    bounds = (
        ("latency", wanted.request),
        ("time_to_first_token", wanted.time_to_first_token),
        ("time_per_output_token", wanted.time_per_output_token),
    )
    for figure, limit in bounds:
        if limit is None:
            continue
        name, found = figure.replace("_", " "), getattr(c.estimate, figure)
        if found is None:
            return Reason(
                Code.UNKNOWN_PERFORMANCE,
                f"no figure for {name} on {c.pool.accelerator_class.name}; give a profile",
            )
        if found > parse_duration(limit):
            return Reason(
                Code.LATENCY_TOO_HIGH,
                f"{c.estimate.basis_of(figure)} {name} is {milliseconds(found)} on {c.devices} "
                f"{unit_of(c)}, at most {limit}",
            )
    return None


def throughput(c: Candidate) -> Reason | None:
    load = c.demand.workload.spec.requirements.throughput
    if load is None or c.estimate.requests_per_second or _too_small(c):
        return None
    return Reason(
        Code.UNKNOWN_PERFORMANCE,
        f"no figure for requests per second on {c.pool.accelerator_class.name}; give a profile",
    )


def budget(c: Candidate) -> Reason | None:
    most = c.demand.workload.spec.requirements.max_cost_per_hour
    if most is None or _too_small(c):
        return None
    cost = c.total_cost
    if cost is None:
        return Reason(
            Code.UNKNOWN_PRICE,
            f"no price of {c.pool.name} is known; create an AcceleratorPool with costPerHour",
        )
    if cost <= Decimal(most):
        return None
    return Reason(Code.OVER_BUDGET, f"{budget_text(c.replicas, cost)}, at most {most} is allowed")


def budget_text(replicas: int, cost: Decimal) -> str:
    """What replicas cost, in words."""
    return f"{replicas} {'replica costs' if replicas == 1 else 'replicas cost'} {cost:.2f} per hour"

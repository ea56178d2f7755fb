"""Advice as data: the documented JSON of ``stowage advise -o json``."""

from __future__ import annotations

from typing import Any

from stowage.api.quantity import format_bytes
from stowage.placement.advise import Advice, Offer
from stowage.placement.figures import Figure, figures

Json = dict[str, Any]

VERDICTS = {
    "InsufficientMemory": "TooSmall",
    "TooFewDevices": "TooSmall",
    "MultiHostTopology": "TooSmall",
    "LatencyTooHigh": "TooSlow",
    "OverBudget": "TooExpensive",
    "QualityTooLow": "QualityTooLow",
    "UnknownPerformance": "Unknown",
    "UnknownMemory": "Unknown",
}
"""What the first reason amounts to. All others: Unsupported."""
MONEY = ("costPerHour", "costPerMillionOutputTokens", "costPerMillionInferences")


def verdict(offer: Offer) -> str:
    """The answer in one word: Serves, Unsupported, or one of ``VERDICTS``."""
    return "Serves" if offer.serves else VERDICTS.get(offer.reasons[0].code.value, "Unsupported")


def advice_json(advices: list[Advice], currency: str | None) -> Json:
    """``{"advice": [...]}``; see docs/advise.md for each field."""
    return {"currency": currency, "advice": [_advice(a) for a in advices]}


def _advice(advice: Advice) -> Json:
    workload, outcome = advice.workload, advice.outcome
    return {
        "namespace": workload.metadata.namespace,
        "name": workload.name,
        "model": workload.spec.model.name,
        "servable": outcome is None,
        "reason": outcome.code.value if outcome else None,
        "message": outcome.message if outcome else None,
        "comparedOn": [advice.axis, "latency"],
        "offers": [_offer(o) for o in advice.offers],
    }


def _offer(offer: Offer) -> Json:
    c = offer.candidate
    accelerator = c.pool.accelerator_class
    provenance = accelerator.spec.provenance
    by = offer.dominated_by
    return {
        "acceleratorClass": accelerator.name,
        "acceleratorType": accelerator.spec.type,
        "vendor": accelerator.spec.vendor,
        "provenance": provenance.performance if provenance else None,
        "variant": c.variant.name,
        "precision": c.variant.precision,
        "quality": c.variant.quality,
        "runtime": c.runtime.name,
        "runtimes": list(offer.runtimes),
        "architectures": list(offer.architectures),
        "verdict": verdict(offer),
        "reasons": [{"code": r.code.value, "message": r.message} for r in offer.reasons],
        "budgetUnchecked": offer.budget_unchecked,
        "pareto": offer.standing if offer.serves else None,
        "dominatedBy": None if by is None else {"acceleratorClass": by[0], "variant": by[1]},
        "bestOfClass": offer.best_of_class,
        "latencyRank": offer.latency_rank,
        "latencyAloneRank": offer.alone_rank,
        "requestsPerReplica": _requests(offer),
        "figures": {k: _figure(k, f) for k, f in figures(offer).items()} if c.fit is not None else None,
    }


def _figure(name: str, figure: Figure | None) -> Json | None:
    if figure is None:
        return None
    value = figure.value
    if value is not None:
        digits = 6 if name in MONEY or float(value).is_integer() else 3
        value = float(f"{value:.{digits}g}")
        value = int(value) if value.is_integer() else value
    return {
        "value": value,
        "unit": figure.unit,
        "basis": figure.basis,
        "fromMemory": figure.from_memory,
    }


def _requests(offer: Offer) -> dict[str, str]:
    """What one replica asks of its node, as Quantities."""
    texts = {}
    for name, amount in offer.candidate.requests.items():
        if name == "cpu":
            texts[name] = f"{amount // 1000}" if amount % 1000 == 0 else f"{amount}m"
        else:
            texts[name] = format_bytes(amount) if name in ("memory", "ephemeral-storage") else str(amount)
    return texts

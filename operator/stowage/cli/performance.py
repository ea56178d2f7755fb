"""What one replica of a candidate does, as a sentence and as data."""

from __future__ import annotations

from typing import Any

from stowage.api.quantity import milliseconds
from stowage.placement.candidates import Candidate, cost_per_million

FIELDS = {
    "latencySeconds": "latency",
    "timeToFirstTokenSeconds": "time_to_first_token",
    "timePerOutputTokenSeconds": "time_per_output_token",
    "requestsPerSecond": "requests_per_second",
    "tokensPerSecond": "tokens_per_second",
    "joulesPerRequest": "joules_per_request",
}
"""Figures of an estimate by their names in JSON."""


def sentence(candidate: Candidate, *, wide: bool = False) -> str:
    """The figures in words; ``wide``: with a lone request, energy and cost per million, too."""
    one = candidate.estimate
    parts = []
    if one.requests_per_second is not None:
        parts.append(f"{one.requests_per_second:.3g} requests/s a replica")
    if one.time_to_first_token is not None and one.time_per_output_token is not None:
        first, each = milliseconds(one.time_to_first_token), milliseconds(one.time_per_output_token)
        parts.append(f"first token {first}, then {each} each")
    elif one.latency is not None:
        parts.append(f"latency {milliseconds(one.latency)}")
    if wide:
        parts += _more(candidate)
    return f"{one.basis}: {', '.join(parts)}" if parts else "performance unknown"


def _more(candidate: Candidate) -> list[str]:
    one = candidate.estimate
    tokens, inferences = cost_per_million(candidate)
    parts = []
    if one.latency_alone is not None:
        parts.append(f"a lone request {milliseconds(one.latency_alone)}")
    if one.joules_per_request is not None:
        parts.append(f"{one.joules_per_request:.3g} J a request")
    if tokens is not None:
        parts.append(f"{tokens:.3g} per million output tokens")
    if inferences is not None:
        parts.append(f"{inferences:.3g} per million inferences")
    return parts


def estimate_json(candidate: Candidate) -> dict[str, Any]:
    """Numbers with three significant digits; null where unknown or where the kind of model has none."""
    one = candidate.estimate
    tokens, inferences = cost_per_million(candidate)
    return {
        "basis": one.basis,
        **{name: _figure(getattr(one, field)) for name, field in FIELDS.items()},
        "latencyAloneSeconds": _figure(one.latency_alone),
        "batch": one.batch,
        "costPerMillionOutputTokens": _figure(tokens),
        "costPerMillionInferences": _figure(inferences),
        "measured": [name for name, field in FIELDS.items() if field in one.measured],
    }


def _figure(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")

"""Advice in words and figures for people, shared by the table and the plot."""

from __future__ import annotations

from stowage.api.inference_deployment import InferenceDeployment
from stowage.placement.advise import Axis
from stowage.placement.figures import Figure
from stowage.placement.roofline import DEFAULT_INPUT_TOKENS, DEFAULT_OUTPUT_TOKENS

LEGEND = "~ estimated, ? from figures known from memory only, no mark: measured, - unknown"


def number(value: float) -> str:
    """Three digits, or all of a large whole part, and no exponent where people want none."""
    rounded = float(f"{value:.3g}")
    if rounded < 1000:
        return f"{rounded:g}"
    return f"{value:.0f}" if rounded < 1e9 else f"{rounded:g}"


def seconds(value: float) -> str:
    """A time in the unit that suits it."""
    return f"{number(value)} s" if value >= 0.9995 else f"{number(value * 1000)} ms"


def money(value: float) -> str:
    """An amount with two decimals, or the digits that a small one has."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def marked(text: str, figure: Figure) -> str:
    """The text with what the figure rests on."""
    return f"{'~' if figure.basis == 'estimated' else ''}{text}{'?' if figure.from_memory else ''}"


def axis_text(axis: Axis) -> str:
    """An axis in words."""
    return "cost per hour" if axis == "costPerHour" else "energy per request"


def needs(workload: InferenceDeployment) -> str:
    """What the deployment asks for, in one line."""
    wanted, language = workload.spec.requirements, workload.spec.model.attention is not None
    load, bounds = wanted.throughput, wanted.latency
    parts = []
    if load is not None:
        parts.append(f"{load.requests_per_second} requests/s")
    if language:
        tokens = load.input_tokens if load else DEFAULT_INPUT_TOKENS
        answer = load.output_tokens if load else DEFAULT_OUTPUT_TOKENS
        parts.append(f"{tokens} tokens in and {answer} out")
    if workload.spec.replicas > 1:
        parts.append(f"at least {workload.spec.replicas} replicas")
    if bounds is not None and bounds.request:
        parts.append(f"latency {bounds.request}")
    if bounds is not None and bounds.time_to_first_token:
        parts.append(f"first token {bounds.time_to_first_token}")
    if bounds is not None and bounds.time_per_output_token:
        parts.append(f"then {bounds.time_per_output_token} each")
    if wanted.min_quality:
        parts.append(f"quality {wanted.min_quality}")
    if wanted.max_cost_per_hour:
        parts.append(f"at most {wanted.max_cost_per_hour} per hour")
    return ", ".join(parts) or "one replica, no bounds"

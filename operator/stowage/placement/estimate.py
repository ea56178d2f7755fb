"""What one replica does: measured, figure by figure, where a profile says so; the rest is a roofline."""

from __future__ import annotations

from dataclasses import replace

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.quantity import parse_duration
from stowage.api.variant import Profile, Variant
from stowage.placement.builds import BuiltProfile
from stowage.placement.fit import Footprint
from stowage.placement.roofline import UNKNOWN, Estimate, Roofline, seconds, tokens_of

__all__ = ["UNKNOWN", "Estimate", "Estimator", "estimate"]


def estimate(
    workload: InferenceDeployment,
    variant: Variant,
    accelerator: AcceleratorClass,
    devices: int,
    device_memory: int | None,
) -> Estimate:
    """What one replica of ``devices`` devices does. Each figure of a measured profile wins."""
    return Estimator(workload, variant, Footprint(workload.spec.model, variant)).on(
        accelerator, devices, device_memory
    )


class Estimator:
    """The estimates of one variant of a deployment, each made once: pools of one class share them."""

    def __init__(self, workload: InferenceDeployment, variant: Variant, footprint: Footprint) -> None:
        self._workload = workload
        self._profiles = variant.profiles
        self._roofline = Roofline(workload, variant, footprint)
        self._bounds = _bounds(workload)
        self._known: dict[tuple[int, int, int | None], tuple[AcceleratorClass, Estimate]] = {}
        """By the class's identity, which can't be another's while the class is kept here, too."""

    def on(self, accelerator: AcceleratorClass, devices: int, device_memory: int | None) -> Estimate:
        """See ``estimate``."""
        key = id(accelerator), devices, device_memory
        known = self._known.get(key)
        if known is None:
            found = self._make(accelerator, devices, device_memory)
            known = self._known[key] = accelerator, found
        return known[1]

    def _make(self, accelerator: AcceleratorClass, devices: int, device_memory: int | None) -> Estimate:
        calculated = self._roofline.on(accelerator, devices, device_memory)
        for profile in self._profiles:
            if profile.accelerator_class == accelerator.name and profile.devices == devices:
                return _with_profile(calculated, profile, self._workload, accelerator)
        return calculated

    def ceiling(self, accelerator: AcceleratorClass, devices: int) -> Estimate | None:
        """See ``Roofline.ceiling``; None where a profile of the class may surpass any calculation."""
        if any(p.accelerator_class == accelerator.name for p in self._profiles):
            return None
        return self._roofline.ceiling(accelerator, devices)

    def excess(self, one: Estimate) -> float:
        """How many times over its bound the worst latency is: 1 where all bounds are met, infinite where a
        figure that is bounded isn't known."""
        over = 1.0
        for figure, most in self._bounds:
            value: float | None = getattr(one, figure)
            over = max(over, float("inf") if value is None else value / most)
        return over


def _bounds(workload: InferenceDeployment) -> tuple[tuple[str, float], ...]:
    """The figures that are bounded and their bounds in seconds, of which none is zero."""
    asked = workload.spec.requirements.latency
    if asked is None:
        return ()
    pairs = (
        ("latency", asked.request),
        ("time_to_first_token", asked.time_to_first_token),
        ("time_per_output_token", asked.time_per_output_token),
    )
    return tuple((figure, parse_duration(most) or 1e-9) for figure, most in pairs if most)


FIGURES = (
    "latency",
    "time_to_first_token",
    "time_per_output_token",
    "requests_per_second",
    "tokens_per_second",
    "joules_per_request",
)
"""The fields of an estimate that a profile can settle."""


def _with_profile(
    calculated: Estimate, profile: Profile, workload: InferenceDeployment, accelerator: AcceleratorClass
) -> Estimate:
    """The profile's figures, what follows from them, and for the rest the calculated ones."""
    known = _measured(profile, workload)
    if not known:
        return calculated
    rate = known.get("requests_per_second")
    design = accelerator.spec.power_watts
    watts = float(profile.power_watts or design or 0) * (1 if profile.power_watts else profile.devices)
    rest = {"joules_per_request": watts / rate} if rate and watts else {}
    first = known.get("time_to_first_token", calculated.time_to_first_token)
    each = known.get("time_per_output_token", calculated.time_per_output_token)
    if "latency" in known:
        rest["latency_alone"] = known["latency"]
    elif first is not None and each is not None:
        rest["latency"] = first + tokens_of(workload)[1] * each
    mixed = replace(
        calculated,
        **{**rest, **known},  # type: ignore[arg-type]
        batch=None if rate else calculated.batch,
        measured=frozenset(known),
    )
    there = {f for f in FIGURES if getattr(mixed, f) is not None}
    return replace(mixed, basis="measured" if there <= known.keys() else "mixed")


def _measured(profile: Profile, workload: InferenceDeployment) -> dict[str, float]:
    """The figures that follow from the profile alone, by field."""
    language = workload.spec.model.attention is not None
    outputs = tokens_of(workload)[1]
    rate, tokens = _number(profile.requests_per_second), _number(profile.tokens_per_second)
    first, each = seconds(profile.time_to_first_token), seconds(profile.time_per_output_token)
    latency, watts = _latency(profile), _number(profile.power_watts)
    if language and rate is None and tokens is not None:
        rate = tokens / outputs
    if language and tokens is None and rate is not None:
        tokens = rate * outputs
    if latency is None and first is not None and each is not None:
        latency = first + outputs * each
    joules = watts / rate if watts is not None and rate else None
    found = dict(zip(FIGURES, (latency, first, each, rate, tokens, joules), strict=True))
    return {name: value for name, value in found.items() if value is not None}


def _latency(profile: Profile) -> float | None:
    return profile.latency_seconds if isinstance(profile, BuiltProfile) else seconds(profile.latency)


def _number(text: str | None) -> float | None:
    return float(text) if text is not None else None

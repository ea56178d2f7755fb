"""What one replica does by calculation: a roofline of latency, rate and energy.

The roofline (Williams, Waterman, Patterson: "Roofline", CACM 52-4, 2009) bounds a step by the slower
of its arithmetic and its memory traffic. For transformers a forward pass takes two operations per
parameter and token (Kaplan et al., arXiv:2001.08361, section 2.1); prefill is bound by arithmetic and
decode by reading the weights and the KV cache once a step (Pope et al., arXiv:2211.05102).
"""

from __future__ import annotations

from dataclasses import dataclass

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.quantity import parse_bytes, parse_duration
from stowage.api.variant import Variant
from stowage.placement.fit import BYTES, USABLE_SHARE, cache_shares, fixed_bytes, kv_bytes_per_token

COMPUTE_EFFICIENCY = 0.5
"""Share of the peak that servers reach: our own, conservative figure."""
BANDWIDTH_EFFICIENCY = 0.7
"""Share of the bandwidth that servers reach: our own, conservative figure."""
MAX_BATCH = 256
LEAST_GAIN = 1.001
"""A larger batch is slower for each request; it is taken only for a gain that is more than rounding."""
DEFAULT_INPUT_TOKENS = 512
DEFAULT_OUTPUT_TOKENS = 128


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one replica does. Seconds, per second, joules; None where it can't be known.

    The rates are those of the best batch that meets the latency asked for; latencies are those at
    that batch, but for ``latency_alone``.
    """

    basis: str
    """``measured``, ``estimated``, ``mixed`` where some figures are the one and some the other, or
    ``unknown``."""
    latency: float | None = None
    time_to_first_token: float | None = None
    time_per_output_token: float | None = None
    requests_per_second: float | None = None
    tokens_per_second: float | None = None
    joules_per_request: float | None = None
    batch: int | None = None
    """Requests that are served at once; None where a measurement doesn't say."""
    latency_alone: float | None = None
    """Latency of a request that nobody shares the replica with; the measured latency where there is one."""
    measured: frozenset[str] = frozenset()
    """Names of the fields that rest on measurements alone."""

    def basis_of(self, field: str) -> str:
        """What one figure rests on: ``measured`` or ``estimated``."""
        return "measured" if field in self.measured else "estimated"


UNKNOWN = Estimate("unknown")


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Latency bounds in seconds; infinite where none is asked for."""

    latency: float
    each: float


@dataclass(frozen=True, slots=True)
class _Machine:
    """A replica's devices taken together, at the share of their peaks that servers reach."""

    operations: float
    bandwidth: float
    watts: float | None


def roofline(
    workload: InferenceDeployment,
    variant: Variant,
    accelerator: AcceleratorClass,
    devices: int,
    device_memory: int | None,
) -> Estimate:
    """The same by calculation alone."""
    machine = _machine(accelerator, variant, devices)
    if machine is None:
        return UNKNOWN
    if workload.spec.model.attention is not None:
        return _language(workload, variant, machine, devices, device_memory)
    if workload.spec.model.inference is not None:
        return _classic(workload, variant, machine)
    return UNKNOWN


def tokens_of(workload: InferenceDeployment) -> tuple[int, int]:
    """Tokens in and out of one request."""
    load = workload.spec.requirements.throughput
    return (
        load.input_tokens if load else DEFAULT_INPUT_TOKENS,
        load.output_tokens if load else DEFAULT_OUTPUT_TOKENS,
    )


def seconds(text: str | None) -> float | None:
    """A duration in seconds."""
    return parse_duration(text) if text is not None else None


def peak_of(accelerator: AcceleratorClass, variant: Variant) -> float | None:
    """Peak of one device in TFLOPS or TOPS at the variant's own arithmetic: the sparse one for a pruned
    variant where the device has such units. None where it isn't native or isn't known."""
    native = next((p for p in accelerator.spec.precisions if p.name == variant.activations), None)
    if native is None or native.peak is None:
        return None
    return float(native.sparse_peak if variant.sparsity and native.sparse_peak else native.peak)


def _machine(accelerator: AcceleratorClass, variant: Variant, devices: int) -> _Machine | None:
    spec, peak = accelerator.spec, peak_of(accelerator, variant)
    if peak is None or spec.memory_bandwidth is None:
        return None
    operations = peak * 1e12 * devices * COMPUTE_EFFICIENCY
    bandwidth = float(spec.memory_bandwidth) * 1e9 * devices * BANDWIDTH_EFFICIENCY
    if operations <= 0 or bandwidth <= 0:
        return None
    watts = float(spec.power_watts) * devices if spec.power_watts else None
    return _Machine(operations, bandwidth, watts)


def _bounds(workload: InferenceDeployment) -> _Bounds:
    latency = workload.spec.requirements.latency
    if latency is None:
        return _Bounds(float("inf"), float("inf"))
    return _Bounds(
        seconds(latency.request) or float("inf"),
        seconds(latency.time_per_output_token) or float("inf"),
    )


def _language(
    workload: InferenceDeployment,
    variant: Variant,
    machine: _Machine,
    devices: int,
    device_memory: int | None,
) -> Estimate:
    """Prefill and decode of a language model.

    time to first token = 2 P I / operations;  time per output token at batch b =
    max((W + b KV (I + O / 2)) / bandwidth, 2 P b / operations);  a batch of b requests takes
    b prefills and O steps.  P parameters, I and O tokens in and out, W bytes of weights.
    """
    model = workload.spec.model
    inputs, outputs = tokens_of(workload)
    weights = parse_bytes(variant.size)
    parameters = model.parameters or int(weights / BYTES[variant.weights])
    per_token = kv_bytes_per_token(model, variant)
    first = 2 * parameters * inputs / machine.operations
    fitting = MAX_BATCH
    if device_memory is not None and per_token:
        room = _cache_room(workload, variant, devices, device_memory)
        fitting = max(1, int(room // (per_token * (inputs + outputs))))
    bounds = _bounds(workload)
    best: tuple[float, int, float] | None = None
    alone: float | None = None
    batch = 1
    while batch <= min(MAX_BATCH, fitting):
        traffic = (weights + batch * per_token * (inputs + outputs / 2)) / machine.bandwidth
        step = max(traffic, 2 * parameters * batch / machine.operations)
        if batch > 1 and (step > bounds.each or first + outputs * step > bounds.latency):
            break
        rate = batch / (batch * first + outputs * step)
        alone = first + outputs * step if batch == 1 else alone
        if best is None or rate > best[0] * LEAST_GAIN:
            best = (rate, batch, step)
        batch *= 2
    assert best is not None  # the first batch is always taken
    rate, batch, step = best
    return Estimate(
        basis="estimated",
        latency=first + outputs * step,
        time_to_first_token=first,
        time_per_output_token=step,
        requests_per_second=rate,
        tokens_per_second=rate * outputs,
        joules_per_request=machine.watts / rate if machine.watts is not None else None,
        batch=batch,
        latency_alone=alone,
    )


def _cache_room(workload: InferenceDeployment, variant: Variant, devices: int, device_memory: int) -> float:
    model = workload.spec.model
    used = fixed_bytes(model, variant, devices)
    return max(0.0, device_memory * USABLE_SHARE - used) * cache_shares(model, devices)


def _classic(workload: InferenceDeployment, variant: Variant, machine: _Machine) -> Estimate:
    """One pass of a classic model: max(F b / operations, (W + A b) / bandwidth) for a batch of b."""
    inference = workload.spec.model.inference
    assert inference is not None
    weights = parse_bytes(variant.size)
    activations = parse_bytes(inference.activation_memory) if inference.activation_memory else 0
    bounds = _bounds(workload)
    best: tuple[float, int, float] | None = None
    alone: float | None = None
    batch = 1
    while batch <= MAX_BATCH:
        time = max(
            inference.flops * batch / machine.operations, (weights + activations * batch) / machine.bandwidth
        )
        if batch > 1 and time > bounds.latency:
            break
        alone = time if batch == 1 else alone
        if best is None or batch / time > best[0] * LEAST_GAIN:
            best = (batch / time, batch, time)
        batch *= 2
    assert best is not None
    rate, batch, time = best
    return Estimate(
        basis="estimated",
        latency=time,
        requests_per_second=rate,
        joules_per_request=machine.watts / rate if machine.watts is not None else None,
        batch=batch,
        latency_alone=alone,
    )

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
from stowage.api.model import Inference
from stowage.api.quantity import parse_bytes, parse_duration
from stowage.api.variant import Variant
from stowage.placement.fit import BYTES, Footprint

COMPUTE_EFFICIENCY = 0.5
"""Share of the peak that servers reach: our own, conservative figure."""
BANDWIDTH_EFFICIENCY = 0.7
"""Share of the bandwidth that servers reach: our own, conservative figure."""
MAX_BATCH = 256
BATCHES = tuple(2**n for n in range(MAX_BATCH.bit_length()))
LEAST_GAIN = 1.001
"""A larger batch is slower for each request; it is taken only for a gain that is more than rounding."""
ROUNDING = 1 + 1e-9
"""Keeps a bound above what other steps of arithmetic make of the same."""
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
class _Machine:
    """A replica's devices taken together, at the share of their peaks that servers reach."""

    operations: float
    bandwidth: float
    watts: float | None


class Roofline:
    """The calculation for one variant of a deployment; what is the same wherever it runs is computed once.

    A decision asks it for each class of accelerator and each number of devices.
    """

    def __init__(self, workload: InferenceDeployment, variant: Variant, footprint: Footprint) -> None:
        self._variant = variant
        self._footprint = footprint
        latency = workload.spec.requirements.latency
        self._latency = (latency and seconds(latency.request)) or float("inf")
        self._each = (latency and seconds(latency.time_per_output_token)) or float("inf")
        self._tokens = tokens_of(workload)
        model = workload.spec.model
        self._language = model.attention is not None
        self._steps: list[tuple[int, float, int]] = []
        """By batch: bytes that are read and operations that are done in one step."""
        if self._language:
            self._parameters = model.parameters or int(footprint.weights / BYTES[variant.weights])
            self._steps = self._decoding()
        elif model.inference is not None:
            self._steps = self._passes(model.inference)

    def on(self, accelerator: AcceleratorClass, devices: int, device_memory: int | None) -> Estimate:
        """What a replica of so many devices does, each of ``device_memory`` bytes."""
        machine = _machine(accelerator, self._variant, devices) if self._steps else None
        if machine is None:
            return UNKNOWN
        return self._generating(machine, devices, device_memory) if self._language else self._classic(machine)

    def ceiling(self, accelerator: AcceleratorClass, devices: int) -> Estimate:
        """An estimate that none of so many devices or fewer surpasses, in latency alone, rate or energy; at a
        fraction of the cost, since no batch is tried.

        A rate is at most that at which the arithmetic alone would go on: operations / (2 P (I + O)) or
        operations / F.
        """
        machine = _machine(accelerator, self._variant, devices) if self._steps else None
        if machine is None:
            return UNKNOWN
        _, traffic, work = self._steps[0]
        step = max(traffic / machine.bandwidth, work / machine.operations)
        prefill, steps = (
            (2 * self._parameters * self._tokens[0], self._tokens[1]) if self._language else (0, 1)
        )
        rate = machine.operations / (prefill + steps * work)
        return Estimate(
            basis="estimated",
            requests_per_second=rate,
            joules_per_request=machine.watts / rate if machine.watts is not None else None,
            latency_alone=prefill / machine.operations + steps * step,
        )

    def _decoding(self) -> list[tuple[int, float, int]]:
        inputs, outputs = self._tokens
        weights, per_token = self._footprint.weights, self._footprint.per_token
        return [
            (b, weights + b * per_token * (inputs + outputs / 2), 2 * self._parameters * b) for b in BATCHES
        ]

    def _passes(self, inference: Inference) -> list[tuple[int, float, int]]:
        weights = self._footprint.weights
        activations = parse_bytes(inference.activation_memory) if inference.activation_memory else 0
        return [(b, weights + activations * b, inference.flops * b) for b in BATCHES]

    def _generating(self, machine: _Machine, devices: int, device_memory: int | None) -> Estimate:
        """Prefill and decode of a language model.

        time to first token = 2 P I / operations;  time per output token at batch b =
        max((W + b KV (I + O / 2)) / bandwidth, 2 P b / operations);  a batch of b requests takes
        b prefills and O steps.  P parameters, I and O tokens in and out, W bytes of weights.
        """
        inputs, outputs = self._tokens
        operations, bandwidth = machine.operations, machine.bandwidth
        first = 2 * self._parameters * inputs / operations
        fitting = self._fitting(devices, device_memory)
        best, chosen, alone = -1.0, (1, 0.0, 0.0), None
        for batch, traffic, work in self._steps:
            if batch > fitting:
                break
            step = max(traffic / bandwidth, work / operations)
            answer = first + outputs * step
            if alone is None:
                alone = answer
            elif step > self._each or answer > self._latency:
                break
            rate = batch / (batch * first + outputs * step)
            if rate > best * LEAST_GAIN:
                best, chosen = rate, (batch, step, answer)
        batch, step, answer = chosen
        return Estimate(
            basis="estimated",
            latency=answer,
            time_to_first_token=first,
            time_per_output_token=step,
            requests_per_second=best,
            tokens_per_second=best * outputs,
            joules_per_request=machine.watts / best if machine.watts is not None else None,
            batch=batch,
            latency_alone=alone,
        )

    def _fitting(self, devices: int, device_memory: int | None) -> int:
        """Requests whose KV cache fits at once, one at least."""
        per_token = self._footprint.per_token
        if device_memory is None or not per_token:
            return MAX_BATCH
        room = self._footprint.cache_room(devices, device_memory)
        return max(1, int(room // (per_token * sum(self._tokens))))

    def _classic(self, machine: _Machine) -> Estimate:
        """One pass of a classic model: max(F b / operations, (W + A b) / bandwidth) for a batch of b."""
        best, chosen, alone = -1.0, (1, 0.0), None
        for batch, traffic, work in self._steps:
            time = max(work / machine.operations, traffic / machine.bandwidth)
            if alone is None:
                alone = time
            elif time > self._latency:
                break
            if batch / time > best * LEAST_GAIN:
                best, chosen = batch / time, (batch, time)
        batch, time = chosen
        return Estimate(
            basis="estimated",
            latency=time,
            requests_per_second=best,
            joules_per_request=machine.watts / best if machine.watts is not None else None,
            batch=batch,
            latency_alone=alone,
        )


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

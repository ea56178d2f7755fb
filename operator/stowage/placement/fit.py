"""Whether a variant fits into the memory of so many devices."""

from __future__ import annotations

from dataclasses import dataclass

from stowage.api.model import ModelInfo
from stowage.api.quantity import GIB, parse_bytes
from stowage.api.variant import Variant

USABLE_SHARE = 0.84
"""Share of a device's memory that a server may fill. Source: KAITO's estimator."""
WEIGHTS_OVERHEAD = 1.02
"""Loaded weights against stored ones. Source: KAITO's estimator."""
IMBALANCE = 1.05
"""The largest share of tensor-parallel weights against the mean. Source: KAITO's estimator."""
LANGUAGE_RESERVE = int(2.3 * GIB)
"""Activations, graphs and buffers of a language model on each device. Source: KAITO's estimator."""
CLASSIC_RESERVE = int(0.5 * GIB)
"""Context and buffers of a classic model on each device: our own figure, about a CUDA context."""

BYTES = {"fp32": 4.0, "tf32": 4.0, "fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5, "fp4": 0.5}
"""Bytes of one element by precision."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Memory of one replica spread over its devices. All figures are bytes on each device."""

    devices: int
    needed: int
    usable: int

    @property
    def fits(self) -> bool:
        return self.needed <= self.usable


def kv_bytes_per_token(model: ModelInfo, variant: Variant) -> int:
    """Bytes of KV cache for one token of one sequence.

    2 x layers x kv heads x head dimension x bytes per element (keys and values). Source: KAITO's
    estimator.
    """
    if model.attention is None:
        return 0
    shape = model.attention
    return int(2 * shape.layers * shape.kv_heads * shape.head_dimension * kv_element_bytes(variant))


def kv_element_bytes(variant: Variant) -> float:
    """Bytes of one element of the KV cache: as the variant says, else 16 bits as servers default."""
    named = variant.quantization.kv_cache if variant.quantization else None
    return BYTES[named] if named else 4.0 if variant.activations == "fp32" else 2.0


def cache_shares(model: ModelInfo, devices: int) -> int:
    """Over how many devices the KV cache is spread: heads that are fewer than devices are copied.
    Source: Shoeybi et al., "Megatron-LM", arXiv:1909.08053, section 3 (attention is split by heads)."""
    return min(devices, model.attention.kv_heads) if model.attention else devices


def fixed_bytes(model: ModelInfo, variant: Variant, devices: int) -> int:
    """Bytes on each device before any KV cache: a share of the weights, activations, reserve."""
    weights = parse_bytes(variant.size) * WEIGHTS_OVERHEAD
    share = weights / devices * (IMBALANCE if devices > 1 else 1.0)
    return int(share) + _working_memory(model)


def _working_memory(model: ModelInfo) -> int:
    if model.attention is not None:
        return LANGUAGE_RESERVE
    activations = model.inference.activation_memory if model.inference else None
    return CLASSIC_RESERVE + (parse_bytes(activations) if activations else 0)


def fit(model: ModelInfo, variant: Variant, devices: int, device_memory: int) -> Fit:
    """How the variant fits over ``devices`` devices of ``device_memory`` bytes each.

    The KV cache must hold at least one request of full context length.
    """
    context = model.attention.context_length if model.attention else 0
    cache = kv_bytes_per_token(model, variant) * context // cache_shares(model, devices)
    return Fit(devices, fixed_bytes(model, variant, devices) + cache, int(device_memory * USABLE_SHARE))


def fit_host(model: ModelInfo, variant: Variant, devices: int, node_memory: int) -> Fit:
    """The same in the node's own memory, where CPUs and some small devices keep the model: once,
    however many devices compute."""
    context = model.attention.context_length if model.attention else 0
    cache = kv_bytes_per_token(model, variant) * context
    return Fit(devices, fixed_bytes(model, variant, 1) + cache, node_memory)

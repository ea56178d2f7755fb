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


def _working_memory(model: ModelInfo) -> int:
    if model.attention is not None:
        return LANGUAGE_RESERVE
    activations = model.inference.activation_memory if model.inference else None
    return CLASSIC_RESERVE + (parse_bytes(activations) if activations else 0)


class Footprint:
    """What a variant takes of memory: what is the same wherever it runs is computed once."""

    __slots__ = ("_cache", "_loaded", "_model", "_working", "per_token", "weights")

    def __init__(self, model: ModelInfo, variant: Variant) -> None:
        self.weights = variant.stored_bytes
        """Bytes as stored."""
        self.per_token = kv_bytes_per_token(model, variant)
        """Bytes of KV cache for one token."""
        self._model = model
        self._loaded = self.weights * WEIGHTS_OVERHEAD
        self._working = _working_memory(model)
        self._cache = self.per_token * (model.attention.context_length if model.attention else 0)

    def fixed(self, devices: int) -> int:
        """Bytes on each device before any KV cache: a share of the weights, activations, reserve."""
        share = self._loaded / devices * (IMBALANCE if devices > 1 else 1.0)
        return int(share) + self._working

    def cache_room(self, devices: int, device_memory: int) -> float:
        """Bytes left for the KV cache on ``devices`` devices of ``device_memory`` bytes, together."""
        room = max(0.0, device_memory * USABLE_SHARE - self.fixed(devices))
        return room * cache_shares(self._model, devices)

    def over(self, devices: int, device_memory: int) -> Fit:
        """See ``fit``."""
        cache = self._cache // cache_shares(self._model, devices)
        return Fit(devices, self.fixed(devices) + cache, int(device_memory * USABLE_SHARE))

    def on_host(self, devices: int, node_memory: int) -> Fit:
        """See ``fit_host``."""
        return Fit(devices, self.fixed(1) + self._cache, node_memory)


def fit(model: ModelInfo, variant: Variant, devices: int, device_memory: int) -> Fit:
    """How the variant fits over ``devices`` devices of ``device_memory`` bytes each.

    The KV cache must hold at least one request of full context length.
    """
    return Footprint(model, variant).over(devices, device_memory)


def fit_host(model: ModelInfo, variant: Variant, devices: int, node_memory: int) -> Fit:
    """The same in the node's own memory, where CPUs and some small devices keep the model: once,
    however many devices compute."""
    return Footprint(model, variant).on_host(devices, node_memory)

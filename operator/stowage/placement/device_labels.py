"""What a node's labels say of its devices beside their kind: number, memory and shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stowage.api.accelerator_class import AcceleratorClassSpec
from stowage.api.quantity import GIB, parse_bytes

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Shares:
    """That the devices are shared, and the label that says so."""

    label: str
    number: int
    """In how many shares each device is divided; 1 where nobody says."""


def shares_of(spec: AcceleratorClassSpec, labels: Labels) -> Shares | None:
    """Whether the node's devices are shared: the first provider of whom the node has a label decides."""
    for sharing in spec.sharing:
        strategy = labels.get(sharing.strategy_label)
        number = _number(labels, sharing.replicas_label)
        if strategy is not None:
            shared = strategy not in sharing.exclusive_values
            return Shares(sharing.strategy_label, max(1, number)) if shared else None
        if sharing.replicas_label is not None and number > 1:
            return Shares(sharing.replicas_label, number)
    return None


def whole_devices(spec: AcceleratorClassSpec, labels: Labels) -> tuple[str, int] | None:
    """How many whole devices the node has, and the label that says so."""
    counts = ((label, _number(labels, label)) for label in spec.count_labels)
    return next(((label, count) for label, count in counts if count > 0), None)


def device_memory(spec: AcceleratorClassSpec, labels: Labels) -> int | None:
    """Memory of one device, or of one share of it, in bytes: the live figure, else the nominal one."""
    memory = parse_bytes(spec.memory) if spec.memory else None
    for label in spec.memory_labels:
        if (number := _number(labels, label.key)) > 0:
            memory = number * (GIB if label.unit == "Gi" else 1024**2)
            break
    shares = shares_of(spec, labels)
    return memory // shares.number if memory is not None and shares is not None else memory


def _number(labels: Labels, key: str | None) -> int:
    """The label's number; 0 where it is absent or no number."""
    text = labels.get(key, "") if key is not None else ""
    return int(text) if text.isascii() and text.isdigit() else 0

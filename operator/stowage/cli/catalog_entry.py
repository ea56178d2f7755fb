"""One accelerator class for people: its figures, and from where each is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from stowage.api.accelerator_class import AcceleratorClass, NativePrecision, Provenance, Trust

EVERYTHING = frozenset({"all", "everything", "performance"})
RECOGNITION = frozenset({"resourceName", "match", "labels", "gfd", "gke", "aks", "exact", "taints"})
PEAKS = frozenset({"precisions", "tops", "ops/cycle"})
SOURCES: dict[Trust, str] = {"Verified": "a source", "Partial": "sources, in part", "Memory": "memory only"}


class Row(NamedTuple):
    """A field, its value, and from where it is known."""

    field: str
    value: str
    known_from: str


def rows(accelerator: AcceleratorClass) -> Iterator[Row]:
    """The class's fields, those that are known from memory only marked so."""
    spec = accelerator.spec
    doubts = spec.provenance or Provenance()

    def row(field: str, value: str | None, names: Iterable[str], trust: Trust) -> Iterator[Row]:
        if value is not None:
            yield Row(field, value, _known_from(frozenset(n.lower() for n in names), trust, doubts))

    identity, performance = doubts.identity, doubts.performance
    yield from row(
        "resource name", spec.resource_name or spec.resource_name_pattern, {"resourceName"}, identity
    )
    ways = ", ".join(m.provider for m in spec.match) or "the resource name alone"
    yield from row("recognised by", ways, RECOGNITION, identity)
    if spec.host_memory or spec.type == "CPU":
        yield Row("memory", "the node's", "the node")
    yield from row("memory", spec.memory, {"memory"}, performance)
    bandwidth = f"{spec.memory_bandwidth} GB/s" if spec.memory_bandwidth is not None else None
    yield from row("memory bandwidth", bandwidth, {"bandwidth", "memoryBandwidth"}, performance)
    for precision in spec.precisions:
        yield from row(str(precision.name), _peak(precision), {precision.name, *PEAKS}, performance)
    yield from row(
        "power", f"{spec.power_watts} W" if spec.power_watts else None, {"powerWatts"}, performance
    )


def remarks(accelerator: AcceleratorClass) -> Iterator[str]:
    """What the figures' source says beyond them."""
    doubts = accelerator.spec.provenance or Provenance()
    if doubts.memory_fields:
        yield f"From memory only: {'; '.join(doubts.memory_fields)}"
    if doubts.performance_source is not None:
        yield f"Figures: {doubts.performance_source.lower()}"
    if doubts.notes:
        yield f"Notes: {doubts.notes}"
    yield from (f"Source: {source}" for source in doubts.sources)


def _peak(precision: NativePrecision) -> str:
    unit = "TOPS" if precision.name.startswith("int") else "TFLOPS"
    peak = f"{precision.peak} {unit}" if precision.peak is not None else "native, peak unknown"
    sparse = f", {precision.sparse_peak} with 2:4 sparsity" if precision.sparse_peak is not None else ""
    return peak + sparse + (f", {precision.dialect}" if precision.dialect is not None else "")


def _known_from(names: frozenset[str], trust: Trust, doubts: Provenance) -> str:
    """What is said of the field by name goes before what is said of all figures."""
    recalled, verified = _first_words(doubts.memory_fields), _first_words(doubts.verified_fields)
    if recalled & (names | EVERYTHING):
        return SOURCES["Memory"]
    return SOURCES["Verified"] if verified & names else SOURCES[trust]


def _first_words(texts: Iterable[str]) -> set[str]:
    """Which field each text speaks of: ``bandwidth``, ``match`` of ``match: gfd product string``."""
    return {re.split(r"[ ,;:(]", text, maxsplit=1)[0].lower() for text in texts}

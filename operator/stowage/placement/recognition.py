"""Which accelerator a node has, by exact labels and resource names. Data decides, never a guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from stowage.api.accelerator_class import AcceleratorClass, NodeMatch
from stowage.placement.selectors import labels_match
from stowage.placement.snapshot import Node


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was found on one node."""

    classes: tuple[AcceleratorClass, ...]
    ambiguous: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Resource names that several classes claim equally, with those classes."""
    unknown: tuple[str, ...] = ()
    """Resource names of known device plugins that no class claims by its labels."""


def match_strength(accelerator: AcceleratorClass, labels: Mapping[str, str]) -> int | None:
    """The number of requirements of the strongest alternative that holds; None if none does.

    A class without alternatives is identified by its resource name alone: strength 0.
    """
    if not accelerator.spec.match:
        return 0
    return max((_strength(m) for m in accelerator.spec.match if _holds(m, labels)), default=None)


def _holds(match: NodeMatch, labels: Mapping[str, str]) -> bool:
    return labels_match(match.match_labels, match.match_expressions, labels)


def _strength(match: NodeMatch) -> int:
    return len(match.match_labels) + len(match.match_expressions)


def recognise(node: Node, by_resource: Mapping[str, tuple[AcceleratorClass, ...]]) -> Recognised:
    """The classes of a node's devices.

    A node with an accelerator is no CPU pool: it would strand its devices. That holds for devices that
    nobody knows or that aren't published yet, too.
    """
    found: list[AcceleratorClass] = []
    ambiguous: list[tuple[str, tuple[str, ...]]] = []
    unknown: list[str] = []
    for resource in sorted(by_resource):
        if resource == "cpu" or node.capacity.get(resource, 0) < 1:
            continue
        best = _strongest(by_resource[resource], node.labels)
        if len(best) == 1:
            found.append(best[0])
        elif best:
            ambiguous.append((resource, tuple(c.name for c in best)))
        else:
            unknown.append(resource)
    if not (found or ambiguous or unknown):
        unknown = _strangers(node, by_resource)
    if not (found or ambiguous or unknown or _has_accelerator(node, by_resource)):
        best = _strongest(by_resource.get("cpu", ()), node.labels)
        if len(best) == 1:
            found.append(best[0])
        elif best:
            ambiguous.append(("cpu", tuple(c.name for c in best)))
    return Recognised(tuple(found), tuple(ambiguous), tuple(unknown))


def _strangers(node: Node, by_resource: Mapping[str, tuple[AcceleratorClass, ...]]) -> list[str]:
    """Devices of known makers under names that no class has, such as partitions of a GPU."""
    domains = {resource.partition("/")[0] for resource in by_resource if resource != "cpu"}
    return sorted(
        r for r, n in node.capacity.items() if "/" in r and n > 0 and r.partition("/")[0] in domains
    )


def _has_accelerator(node: Node, by_resource: Mapping[str, tuple[AcceleratorClass, ...]]) -> bool:
    """Whether the node has an accelerator that isn't published: its plugin hasn't started, or counts 0."""
    accelerators = {r: classes for r, classes in by_resource.items() if r != "cpu"}
    return any(r in node.capacity for r in accelerators) or any(
        c.spec.match and match_strength(c, node.labels) is not None
        for classes in accelerators.values()
        for c in classes
    )


def _strongest(classes: Iterable[AcceleratorClass], labels: Mapping[str, str]) -> list[AcceleratorClass]:
    strengths = [(match_strength(c, labels), c) for c in classes]
    known = [(s, c) for s, c in strengths if s is not None]
    top = max((s for s, _ in known), default=None)
    return sorted((c for s, c in known if s == top), key=lambda c: c.name)


def classes_by_resource(
    classes: Iterable[AcceleratorClass],
) -> dict[str, tuple[AcceleratorClass, ...]]:
    """Classes grouped by the resource name that their device plugin publishes."""
    grouped: dict[str, list[AcceleratorClass]] = {}
    for accelerator in classes:
        grouped.setdefault(accelerator.spec.resource_name, []).append(accelerator)
    return {resource: tuple(group) for resource, group in grouped.items()}

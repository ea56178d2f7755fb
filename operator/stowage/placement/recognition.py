"""Which accelerator a node has, by exact labels and resource names. Data decides, never a guess."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from stowage.api.accelerator_class import AcceleratorClass, AcceleratorClassSpec, NodeMatch
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.placement.absence import Absent, absent, counts_none
from stowage.placement.device_labels import shares_of, whole_devices
from stowage.placement.resource_index import ResourceIndex, classes_by_resource, domain_of, is_own
from stowage.placement.selectors import labels_match
from stowage.placement.snapshot import Node

__all__ = [
    "CLASS_LABEL",
    "Recognised",
    "Surplus",
    "alternatives",
    "classes_by_resource",
    "declared_resource",
    "match_strength",
    "recognise",
    "strongest",
]

CLASS_LABEL = "stowage.dev/accelerator-class"
"""The label by which an admin says which class a node's device is, where its other labels leave it open."""


@dataclass(frozen=True, slots=True)
class Surplus:
    """More devices than the node has: shares or partitions that no label speaks of, or stale counts."""

    resource: str
    published: int
    label: str
    """What says how many there are; empty: the instance type."""
    whole: int
    partitioned: bool = False
    """Whether partitions of the same devices are published beside them."""


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was found on one node."""

    classes: tuple[AcceleratorClass, ...]
    ambiguous: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """Resource names that several classes claim equally, with those classes."""
    unknown: tuple[str, ...] = ()
    """Resource names of known device plugins that no class claims by its labels."""
    resources: tuple[str, ...] = ()
    """What the devices of each of ``classes`` are published as on this node."""
    settled: frozenset[str] = frozenset()
    """Those of ``classes`` that only the label of an admin says."""
    surplus: tuple[Surplus, ...] = ()
    """What is published and can't be there: it isn't used."""
    absent: tuple[Absent, ...] = ()


def match_strength(
    accelerator: AcceleratorClass, labels: Mapping[str, str], resource: str | None = None
) -> int | None:
    """The number of requirements of the strongest alternative that holds; None if none does.

    A class without alternatives is identified by its resource name alone: strength 0.

    Args:
        resource: what the node publishes. None: by labels, whatever the device would be published as.
    """
    spec = accelerator.spec
    if not spec.match:
        return 0 if resource is None or is_own(spec, resource) else None
    given = spec.match if resource is not None else [m for m in spec.match if _strength(m)]
    fitting = (m for m in given if resource is None or _publishes(spec, m, resource))
    return max((_strength(m) for m in fitting if _holds(m, labels)), default=None)


def alternatives(accelerator: AcceleratorClass, resource: str, *, shared: bool = False) -> list[NodeMatch]:
    """The ways to recognise devices published as ``resource`` by labels: pods select nodes by them.

    Args:
        shared: shared devices will do.
    """
    spec = accelerator.spec
    labelled = [m for m in spec.match if _strength(m) and (shared or not m.shared)]
    if is_own(spec, resource) or any(m.resource_name == resource for m in spec.match):
        return [m for m in labelled if _publishes(spec, m, resource)]
    return labelled  # a DeviceClass gives the name: the device is recognised as it is without one


def declared_resource(declaration: AcceleratorPool, accelerator: AcceleratorClass) -> str | None:
    """What nodes to come will publish: as declared, else as the class says for nodes with these labels.

    None where the class has only a pattern.
    """
    what, spec = declaration.spec.provisionable, accelerator.spec
    if what is not None and what.resource_name is not None:
        return what.resource_name
    holding = [m for m in spec.match if _strength(m) and _holds(m, declaration.spec.node_selector)]
    best = max(holding, key=_strength, default=None)
    return (best and best.resource_name) or spec.resource_name


def _publishes(spec: AcceleratorClassSpec, match: NodeMatch, resource: str) -> bool:
    return match.resource_name == resource if match.resource_name else is_own(spec, resource)


def _holds(match: NodeMatch, labels: Mapping[str, str]) -> bool:
    return labels_match(match.match_labels, match.match_expressions, labels)


def _strength(match: NodeMatch) -> int:
    return len(match.match_labels) + len(match.match_expressions)


def recognise(node: Node, by_resource: ResourceIndex, *, has_devices: bool = False) -> Recognised:
    """The classes of the devices that a node's device plugins publish.

    A node with an accelerator is no CPU pool: it would strand its devices. That holds for devices that
    nobody knows or that aren't published yet, too.

    Args:
        has_devices: it is known otherwise that the node has an accelerator.
    """
    found: list[tuple[AcceleratorClass, str]] = []
    ambiguous: list[tuple[str, tuple[str, ...]]] = []
    unknown: list[str] = []
    surplus: list[Surplus] = []
    for resource in sorted(r for r, n in node.capacity.items() if n > 0 and r != "cpu" and r in by_resource):
        best = strongest(by_resource[resource], node.labels, resource)
        if len(best) != 1:
            if best:
                ambiguous.append((resource, tuple(c.name for c in best)))
            else:
                unknown.append(resource)
        elif (more := _surplus(node, best[0], resource, by_resource)) is not None:
            surplus.append(more)
        else:
            found.append((best[0], resource))
    unknown.extend(_strangers(node, by_resource, [r for _, r in found]))
    missing = () if has_devices else tuple(absent(node, by_resource))
    has_devices = has_devices or bool(found or ambiguous or unknown or surplus or missing)
    if not has_devices and not counts_none(node, by_resource):
        best = strongest(by_resource.get("cpu", ()), node.labels, "cpu")
        if len(best) == 1:
            found.append((best[0], "cpu"))
        elif best:
            ambiguous.append(("cpu", tuple(c.name for c in best)))
    return Recognised(
        classes=tuple(c for c, _ in found),
        ambiguous=tuple(ambiguous),
        unknown=tuple(sorted(unknown)),
        resources=tuple(r for _, r in found),
        settled=frozenset(c.name for c, r in found if _is_settled(c, node.labels, by_resource[r], r)),
        surplus=tuple(surplus),
        absent=missing,
    )


def strongest(
    classes: Iterable[AcceleratorClass], labels: Mapping[str, str], resource: str
) -> list[AcceleratorClass]:
    """The class that an admin's label names, where it is one of these; else those that match best."""
    named = labels.get(CLASS_LABEL)
    if named is not None and (meant := [c for c in classes if c.name == named]):
        return meant
    return _best(classes, labels, resource)


def _best(
    classes: Iterable[AcceleratorClass], labels: Mapping[str, str], resource: str
) -> list[AcceleratorClass]:
    strengths = [(match_strength(c, labels, resource), c) for c in classes]
    known = [(s, c) for s, c in strengths if s is not None]
    top = max((s for s, _ in known), default=None)
    return sorted((c for s, c in known if s == top), key=lambda c: c.name)


def _is_settled(
    accelerator: AcceleratorClass,
    labels: Mapping[str, str],
    classes: Iterable[AcceleratorClass],
    resource: str,
) -> bool:
    """Whether the admin's label was needed."""
    named = labels.get(CLASS_LABEL) == accelerator.name
    return named and _best(classes, labels, resource) != [accelerator]


def _surplus(
    node: Node, accelerator: AcceleratorClass, resource: str, by_resource: ResourceIndex
) -> Surplus | None:
    """Whether the node publishes more whole devices than it has beside those that are partitioned."""
    spec, published = accelerator.spec, node.capacity[resource]
    label, whole = whole_devices(spec, node.labels) or _by_alternative(spec, node.labels, resource)
    if whole == 0 or shares_of(spec, node.labels) is not None:
        return None
    partitioned = _partitioned(node, resource, by_resource)
    if published <= whole - partitioned:
        return None
    return Surplus(resource, published, label, whole, partitioned > 0)


def _by_alternative(spec: AcceleratorClassSpec, labels: Mapping[str, str], resource: str) -> tuple[str, int]:
    holding = (m for m in spec.match if m.devices is not None and _publishes(spec, m, resource))
    return "", max((m.devices or 0 for m in holding if _holds(m, labels)), default=0)


def _partitioned(node: Node, resource: str, by_resource: ResourceIndex) -> int:
    """How many of the node's devices are divided at least, as the partitions that it publishes say."""
    least = 0
    for name, count in node.capacity.items():
        parts = [c.spec.part_of for c in by_resource.get(name, ()) if c.spec.part_of is not None]
        most = max((p.most for p in parts if p.resource_name == resource and name != resource), default=0)
        if count > 0 and most:
            least = max(least, -int(Fraction(-count, most) // 1))
    return least


def _strangers(node: Node, by_resource: ResourceIndex, found: list[str]) -> list[str]:
    """Devices of known makers under names that no class has: partitions of a device, and others where
    nothing else of the maker is there (many publish one device under several names)."""
    known = {domain_of(r) for r in node.capacity if r in by_resource and node.capacity[r] > 0}
    others = [r for r, n in node.capacity.items() if "/" in r and n > 0 and r not in by_resource]
    return [
        r
        for r in others
        if any(p.fullmatch(r) for p in by_resource.partitions)
        or (domain_of(r) in by_resource.domains and domain_of(r) not in known and not found)
    ]

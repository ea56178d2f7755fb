"""Which accelerator a node has, by exact labels and resource names. Data decides, never a guess."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from stowage.api.accelerator_class import AcceleratorClass, AcceleratorClassSpec, NodeMatch
from stowage.api.accelerator_pool import AcceleratorPool
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
    resources: tuple[str, ...] = ()
    """What the devices of each of ``classes`` are published as on this node."""


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
        return 0 if resource is None or _is_own(spec, resource) else None
    given = spec.match if resource is not None else [m for m in spec.match if _strength(m)]
    fitting = (m for m in given if resource is None or _publishes(spec, m, resource))
    return max((_strength(m) for m in fitting if _holds(m, labels)), default=None)


def alternatives(accelerator: AcceleratorClass, resource: str) -> list[NodeMatch]:
    """The ways to recognise devices published as ``resource`` by labels: pods select nodes by them."""
    spec = accelerator.spec
    labelled = [m for m in spec.match if _strength(m)]
    if _is_own(spec, resource) or any(m.resource_name == resource for m in spec.match):
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
    strongest = max(holding, key=_strength, default=None)
    return (strongest and strongest.resource_name) or spec.resource_name


def _publishes(spec: AcceleratorClassSpec, match: NodeMatch, resource: str) -> bool:
    return match.resource_name == resource if match.resource_name else _is_own(spec, resource)


def _is_own(spec: AcceleratorClassSpec, resource: str) -> bool:
    """Whether the class names the resource, by its name or by its pattern."""
    if spec.resource_name_pattern is not None:
        return re.fullmatch(spec.resource_name_pattern, resource, re.ASCII) is not None
    return spec.resource_name == resource


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
    found: list[AcceleratorClass] = []
    resources: list[str] = []
    ambiguous: list[tuple[str, tuple[str, ...]]] = []
    unknown: list[str] = []
    for resource in sorted(r for r, n in node.capacity.items() if n > 0 and r != "cpu" and r in by_resource):
        best = _strongest(by_resource[resource], node.labels, resource)
        if len(best) == 1:
            found.append(best[0])
            resources.append(resource)
        elif best:
            ambiguous.append((resource, tuple(c.name for c in best)))
        else:
            unknown.append(resource)
    if not (found or ambiguous or unknown):
        unknown = _strangers(node, by_resource)
    has_devices = has_devices or bool(found or ambiguous or unknown)
    if not (has_devices or _has_accelerator(node, by_resource)):
        best = _strongest(by_resource.get("cpu", ()), node.labels, "cpu")
        if len(best) == 1:
            found.append(best[0])
            resources.append("cpu")
        elif best:
            ambiguous.append(("cpu", tuple(c.name for c in best)))
    return Recognised(tuple(found), tuple(ambiguous), tuple(unknown), tuple(resources))


def _strangers(node: Node, by_resource: ResourceIndex) -> list[str]:
    """Devices of known makers under names that no class has, such as partitions of a GPU."""
    return sorted(
        r
        for r, n in node.capacity.items()
        if "/" in r and n > 0 and r.partition("/")[0] in by_resource.domains
    )


def _has_accelerator(node: Node, by_resource: ResourceIndex) -> bool:
    """Whether the node has an accelerator that isn't published: its plugin hasn't started, or counts 0."""
    if any(r in by_resource and r != "cpu" for r in node.capacity):
        return True
    pairs = ((key, value) for label in node.labels.items() for key, value in (label, (label[0], None)))
    return any(_holds(m, node.labels) for pair in pairs for m in by_resource.anchored.get(pair, ()))


def _strongest(
    classes: Iterable[AcceleratorClass], labels: Mapping[str, str], resource: str
) -> list[AcceleratorClass]:
    strengths = [(match_strength(c, labels, resource), c) for c in classes]
    known = [(s, c) for s, c in strengths if s is not None]
    top = max((s for s, _ in known), default=None)
    return sorted((c for s, c in known if s == top), key=lambda c: c.name)


class ResourceIndex(dict[str, tuple[AcceleratorClass, ...]]):
    """Classes by the resource names that their device plugins publish."""

    @cached_property
    def domains(self) -> frozenset[str]:
        """Domains of the names that classes give in full: a pattern's may be anybody's."""
        specs = [c.spec for classes in self.values() for c in classes if c.spec.type != "CPU"]
        names = {s.resource_name for s in specs} | {m.resource_name for s in specs for m in s.match}
        return frozenset(name.partition("/")[0] for name in names if name)

    @cached_property
    def anchored(self) -> dict[tuple[str, str | None], list[NodeMatch]]:
        """Devices' alternatives by a label that each asks for, with its value or with any (None): a node
        of a large cluster is compared with few of them."""
        found: dict[tuple[str, str | None], list[NodeMatch]] = {}
        classes = {c.name: c for group in self.values() for c in group if c.spec.type != "CPU"}
        for match in (m for c in classes.values() for m in c.spec.match):
            for anchor in _anchors(match):
                found.setdefault(anchor, []).append(match)
        return found


def _anchors(match: NodeMatch) -> list[tuple[str, str | None]]:
    """One of the labels of which a node must have one, in all its values; empty where none is asked for."""
    labels: list[tuple[str, str | None]] = list(match.match_labels.items())
    if labels:
        return labels[-1:]
    for expression in match.match_expressions:
        if expression.operator == "In":
            return [(expression.key, value) for value in expression.values]
        if expression.operator in ("Exists", "Gt", "Lt"):
            return [(expression.key, None)]
    return []


def classes_by_resource(classes: Iterable[AcceleratorClass], published: Iterable[str] = ()) -> ResourceIndex:
    """Classes grouped by the resource names that their device plugins publish.

    Args:
        published: names that nodes have. Those that a class's pattern means are in the result, beside
            the pattern itself: no node has that, but the class's labels may still be on one.
    """
    names = sorted(set(published))
    grouped: dict[str, list[AcceleratorClass]] = {}
    for accelerator in classes:
        for resource in _resources(accelerator.spec, names):
            grouped.setdefault(resource, []).append(accelerator)
    return ResourceIndex({resource: tuple(group) for resource, group in grouped.items()})


def _resources(spec: AcceleratorClassSpec, published: Iterable[str]) -> list[str]:
    own = [spec.resource_name or spec.resource_name_pattern or ""]
    if spec.resource_name_pattern is not None:
        own.extend(name for name in published if _is_own(spec, name))
    return list(dict.fromkeys([*own, *(m.resource_name for m in spec.match if m.resource_name)]))

"""Which classes may be meant by what a node publishes, and by the labels that it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from stowage.api.accelerator_class import AcceleratorClass, AcceleratorClassSpec, NodeMatch

Anchor = tuple[str, str | None]
"""A label with its value, or with any (None)."""


class Way(NamedTuple):
    """One way to recognise a class."""

    accelerator: AcceleratorClass
    match: NodeMatch


class ResourceIndex(dict[str, tuple[AcceleratorClass, ...]]):
    """Classes by the resource names that their device plugins publish."""

    @cached_property
    def devices(self) -> tuple[AcceleratorClass, ...]:
        """All classes but those of CPUs, by name."""
        found = {c.name: c for group in self.values() for c in group if c.spec.type != "CPU"}
        return tuple(found[name] for name in sorted(found))

    @cached_property
    def domains(self) -> frozenset[str]:
        """Domains of the names that classes give in full: a pattern's may be anybody's."""
        specs = [c.spec for c in self.devices]
        names = {s.resource_name for s in specs} | {m.resource_name for s in specs for m in s.match}
        return frozenset(domain_of(name) for name in names if name)

    @cached_property
    def partitions(self) -> tuple[re.Pattern[str], ...]:
        """What partitions of devices are published as."""
        patterns = {c.spec.partition_pattern for c in self.devices}
        return tuple(re.compile(p, re.ASCII) for p in sorted(p for p in patterns if p))

    @cached_property
    def anchored(self) -> dict[Anchor, list[Way]]:
        """Devices' alternatives by a label that each asks for: a node of a large cluster is compared with
        few of them."""
        found: dict[Anchor, list[Way]] = {}
        for accelerator in self.devices:
            for match in accelerator.spec.match:
                for anchor in _anchors(match):
                    found.setdefault(anchor, []).append(Way(accelerator, match))
        return found

    @cached_property
    def presence(self) -> dict[str, tuple[AcceleratorClass, ...]]:
        """Classes by the labels that say that one of them is there."""
        found: dict[str, list[AcceleratorClass]] = {}
        for accelerator in self.devices:
            for label in accelerator.spec.presence_labels:
                found.setdefault(label, []).append(accelerator)
        return {label: tuple(classes) for label, classes in found.items()}

    @cached_property
    def asked_labels(self) -> frozenset[str]:
        """All labels that the recognition of any class depends on."""
        return frozenset(
            label for c in {c.name: c for g in self.values() for c in g}.values() for label in _asked(c.spec)
        )


def domain_of(resource: str) -> str:
    """The part before the slash."""
    return resource.partition("/")[0]


def _asked(spec: AcceleratorClassSpec) -> Iterator[str]:
    for match in spec.match:
        yield from match.match_labels
        yield from (e.key for e in match.match_expressions)
    for sharing in spec.sharing:
        yield sharing.strategy_label
        if sharing.replicas_label is not None:
            yield sharing.replicas_label
    yield from (*spec.pool_labels, *spec.count_labels, *spec.presence_labels)


def _anchors(match: NodeMatch) -> list[Anchor]:
    """One of the labels of which a node must have one, in all its values; empty where none is asked for."""
    labels: list[Anchor] = list(match.match_labels.items())
    if labels:
        return labels[-1:]
    for expression in match.match_expressions:
        if expression.operator == "In":
            return [(expression.key, value) for value in expression.values]
        if expression.operator in ("Exists", "Gt", "Lt"):
            return [(expression.key, None)]
    return []


def is_own(spec: AcceleratorClassSpec, resource: str) -> bool:
    """Whether the class names the resource, by its name or by its pattern."""
    if spec.resource_name_pattern is not None:
        return re.fullmatch(spec.resource_name_pattern, resource, re.ASCII) is not None
    return spec.resource_name == resource


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
        own.extend(name for name in published if is_own(spec, name))
    return list(dict.fromkeys([*own, *(m.resource_name for m in spec.match if m.resource_name)]))

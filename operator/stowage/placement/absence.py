"""Accelerators that a node's labels speak of and that nothing publishes there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from stowage.api.accelerator_class import AcceleratorClass
from stowage.placement.resource_index import ResourceIndex, domain_of, is_own
from stowage.placement.selectors import labels_match
from stowage.placement.snapshot import Node


@dataclass(frozen=True, slots=True)
class Absent:
    """An accelerator that labels speak of and that nothing publishes."""

    label: str
    """The label that says so."""
    classes: tuple[str, ...]
    """The classes that the labels mean; empty where they don't say which."""
    resources: tuple[str, ...]
    """What such a device would be published as."""


def counts_none(node: Node, by_resource: ResourceIndex) -> bool:
    """Whether a device plugin was there and counts 0."""
    return any(r in by_resource and r != "cpu" for r in node.capacity)


def absent(node: Node, by_resource: ResourceIndex) -> Iterator[Absent]:
    """Accelerators that labels speak of and that aren't published: their plugin hasn't started, or counts
    0. First those whose class the labels say."""
    published = {r for r, n in node.capacity.items() if n > 0 and "/" in r}
    domains = {domain_of(r) for r in published}
    meant: dict[str, list[AcceleratorClass]] = {}
    for label in node.labels.items():
        for anchor in (label, (label[0], None)):
            for way in by_resource.anchored.get(anchor, ()):
                holds = labels_match(way.match.match_labels, way.match.match_expressions, node.labels)
                if holds and not _is_there([way.accelerator], published, domains):
                    meant.setdefault(label[0], []).append(way.accelerator)
    if meant:
        classes = {c.name: c for group in meant.values() for c in group}
        # That a card may be divided says nothing where its own class is sure.
        classes = {n: c for n, c in classes.items() if c.spec.part_of is None} or classes
        yield Absent(min(meant), tuple(sorted(classes)), _names(classes.values()))
        return
    for key in sorted(node.labels.keys() & by_resource.presence.keys()):
        hinted = by_resource.presence[key]
        if node.labels[key] not in ("", "false") and not _is_there(hinted, published, domains):
            yield Absent(key, (), _names(hinted))
            return
    for resource in sorted(r for r, n in node.capacity.items() if n == 0 and r in by_resource):
        if domain_of(resource) not in domains and not published:
            yield Absent("", (), (resource,))
            return


def _is_there(classes: Iterable[AcceleratorClass], published: set[str], domains: set[str]) -> bool:
    """Whether the node publishes a device that may be one of these."""
    return any(domain_of(name) in domains for name in _names(classes)) or any(
        is_own(c.spec, r) for c in classes for r in published
    )


def _names(classes: Iterable[AcceleratorClass]) -> tuple[str, ...]:
    """What whole devices of these classes are published as; their pattern where no name is sure."""
    names = {
        c.spec.part_of.resource_name
        if c.spec.part_of
        else c.spec.resource_name or c.spec.resource_name_pattern or ""
        for c in classes
    }
    return tuple(sorted(names))

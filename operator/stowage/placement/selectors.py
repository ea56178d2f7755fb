"""Label selectors and accelerator selectors, evaluated."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeGuard

from stowage.api.accelerator_class import AcceleratorClass, NodeRequirement
from stowage.api.meta import LabelSelector, LabelSelectorRequirement
from stowage.api.quantity import parse_bytes
from stowage.api.selector import AcceleratorSelector
from stowage.placement.snapshot import Pool

Requirement = LabelSelectorRequirement | NodeRequirement


def requirement_holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether the labels meet one requirement, as k8s.io/apimachinery's labels.Requirement."""
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt":
            return _is_number(value) and int(value) > int(requirement.values[0])
        case "Lt":
            return _is_number(value) and int(value) < int(requirement.values[0])


def _is_number(value: str | None) -> TypeGuard[str]:
    return value is not None and re.fullmatch("[0-9]{1,18}", value) is not None


def labels_match(
    match_labels: Mapping[str, str],
    match_expressions: Iterable[Requirement],
    labels: Mapping[str, str],
) -> bool:
    """Whether the labels meet all requirements."""
    return all(labels.get(k) == v for k, v in match_labels.items()) and all(
        requirement_holds(r, labels) for r in match_expressions
    )


def selects_labels(selector: LabelSelector | None, labels: Mapping[str, str]) -> bool:
    """Whether the selector is absent or met."""
    return selector is None or labels_match(selector.match_labels, selector.match_expressions, labels)


def selects_class(selector: AcceleratorSelector, accelerator: AcceleratorClass) -> bool:
    """Whether the selector means this class, the pool aside.

    A selector without types means all but CPU, unless it names the class itself.
    """
    spec = accelerator.spec
    if selector.types:
        if spec.type not in selector.types:
            return False
    elif spec.type == "CPU" and accelerator.name not in selector.classes:
        return False
    if selector.vendors and spec.vendor not in selector.vendors:
        return False
    if selector.classes and accelerator.name not in selector.classes:
        return False
    if accelerator.name in selector.exclude_classes:
        return False
    if selector.min_memory and (
        spec.memory is None or parse_bytes(spec.memory) < parse_bytes(selector.min_memory)
    ):
        return False
    return selects_labels(selector.selector, accelerator.metadata.labels)


def selects_pool(selector: AcceleratorSelector, pool: Pool) -> bool:
    """Whether the selector means this pool."""
    if selector.capacity_types and pool.capacity_type not in selector.capacity_types:
        return False
    if any(pool.labels.get(k) != v for k, v in selector.node_selector.items()):
        return False
    return selects_class(selector, pool.accelerator_class)

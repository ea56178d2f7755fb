"""What could not be understood of a node, in sentences that say what to do about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from stowage.api.accelerator_class import AcceleratorClass
from stowage.placement.absence import Absent
from stowage.placement.recognition import CLASS_LABEL, Recognised, Surplus
from stowage.placement.resource_index import ResourceIndex, domain_of
from stowage.placement.snapshot import Node

SAYS_LITTLE = frozenset({"kubernetes.io/arch", "kubernetes.io/os", CLASS_LABEL})
"""Labels that nobody needs to be told of."""
SHOWN = 3
"""The most labels that a sentence shows."""


def remarks(node: Node, found: Recognised, by_resource: ResourceIndex) -> Iterator[str]:
    """Sentences about the node, without its name: equal for nodes that are alike."""
    for resource, names in found.ambiguous:
        labels = _telling(node, by_resource.get(resource, ()))
        yield (
            f"{resource} matches the classes {_and(names)} equally{labels}; label the node "
            f"{CLASS_LABEL} with the one that it is"
        )
    for resource in found.unknown:
        classes = by_resource.get(resource, ())
        settle = f"label the node {CLASS_LABEL} with the class that it is, or " if classes else ""
        yield (
            f"no accelerator class matches its {resource}{_telling(node, classes)}; "
            f"{settle}create an AcceleratorClass for it"
        )
    yield from (_surplus(s) for s in found.surplus)
    yield from (_absent(node, a) for a in found.absent)


def wrong_label(
    node: Node, found: Iterable[str], known: Mapping[str, AcceleratorClass], by_resource: ResourceIndex
) -> Iterator[str]:
    """Whether an admin's label names a class that the node can't have.

    Args:
        found: names of the classes that were found on the node.
    """
    named = node.labels.get(CLASS_LABEL)
    if named is None or named in found:
        return
    if named not in known:
        yield f"its label {CLASS_LABEL} names {named}, and no accelerator class is called so; mend the label"
        return
    if any(known[named] in by_resource.get(r, ()) for r, n in node.capacity.items() if n > 0 and r != "cpu"):
        return  # it is the one, and something else is wrong that was said
    spec = known[named].spec
    devices = sorted(r for r, n in node.capacity.items() if "/" in r and n > 0)
    yield (
        f"its label {CLASS_LABEL} names {named}, which is published as "
        f"{spec.resource_name or spec.resource_name_pattern}; the node publishes "
        f"{_and(devices) if devices else 'no device'}; mend the label"
    )


def _surplus(surplus: Surplus) -> str:
    says = f"its label {surplus.label} says" if surplus.label else "its instance type has"
    if surplus.partitioned:
        return (
            f"publishes {surplus.published} {surplus.resource} beside partitions, and {says} "
            f"{surplus.whole} in all; the former are not counted; restart its device plugin"
        )
    return (
        f"publishes {surplus.published} {surplus.resource}, and {says} {surplus.whole}: they are shares or "
        "partitions, and no label says which; run the vendor's feature discovery there, or label it "
        f"{CLASS_LABEL} with a class for such a part"
    )


def _absent(node: Node, absent: Absent) -> str:
    what = f"{_published_as(absent.resources)}; see that its device plugin runs there"
    if absent.classes:
        return f"its labels say {' or '.join(absent.classes)}, but it publishes no {what}"
    if absent.label:
        label = f"{absent.label}={node.labels[absent.label]}"
        return f"its label {label} says that it has an accelerator, but it publishes no {what}"
    return f"publishes 0 {what}"


def _published_as(resources: Iterable[str]) -> str:
    """Names of resources; of patterns, which tell nobody anything, the domain."""
    names = (f"device of {domain_of(r)[1:]}".replace("\\", "") if r.startswith("^") else r for r in resources)
    return " or ".join(dict.fromkeys(names))


def _telling(node: Node, classes: Iterable[AcceleratorClass]) -> str:
    """The labels by which classes of such devices are recognised, as the node has them."""
    asked = {
        label
        for c in classes
        for m in c.spec.match
        for label in (*m.match_labels, *(e.key for e in m.match_expressions))
    }
    shown = [f"{k}={node.labels[k]}" for k in sorted(asked - SAYS_LITTLE) if k in node.labels]
    # What the vendor says itself tells most.
    shown.sort(key=lambda text: not any(domain_of(text) == domain_of(r) for r in _own(classes)))
    return f" ({', '.join(shown[:SHOWN])})" if shown else ""


def _own(classes: Iterable[AcceleratorClass]) -> set[str]:
    return {c.spec.resource_name for c in classes if c.spec.resource_name}


def _and(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last

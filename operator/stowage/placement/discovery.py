"""The pools of a cluster, from its nodes and from what is known of devices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.placement.declared import declare
from stowage.placement.dynamic import NO_DEVICES, Devices, DynamicIndex
from stowage.placement.pool_labels import ARCHITECTURE, INSTANCE_TYPE, POOL_LABELS
from stowage.placement.pools import Identity, identify, pool_of
from stowage.placement.recognition import CLASS_LABEL, Recognised, recognise
from stowage.placement.remarks import remarks, wrong_label
from stowage.placement.resource_index import ResourceIndex, classes_by_resource
from stowage.placement.snapshot import Node, Pool

__all__ = ["Discoverer", "Discovery", "discover"]

Member = tuple[Identity, str]
"""A pool's identity, and the name of its class."""

NAMING_LABELS = frozenset(
    {ARCHITECTURE, INSTANCE_TYPE, CLASS_LABEL, *(k for label, more in POOL_LABELS for k in (label, *more))}
)
"""Labels on which the name of a pool depends."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """The pools of a cluster, and the nodes that could not be understood."""

    pools: tuple[Pool, ...]
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was found on a node."""

    node: Node
    """With the devices that DRA publishes among its resources."""
    members: tuple[Member, ...]
    remarks: tuple[str, ...]
    """Without the node's name."""


@dataclass
class _Known:
    """All that the recognition of a node depends on beside the node."""

    classes: Sequence[AcceleratorClass]
    published: frozenset[str]
    devices: Devices
    by_name: dict[str, AcceleratorClass] = field(init=False)
    by_resource: ResourceIndex = field(init=False)
    dynamic: DynamicIndex = field(init=False)
    telling: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.by_name = {c.name: c for c in self.classes}
        self.by_resource = classes_by_resource(self.by_name.values(), self.published)
        self.dynamic = DynamicIndex(self.devices, self.by_name.values(), self.by_resource)
        self.telling = self.by_resource.asked_labels | NAMING_LABELS

    def is_still(
        self, classes: Sequence[AcceleratorClass], published: frozenset[str], devices: Devices
    ) -> bool:
        """Whether nothing has changed."""
        return _same(classes, self.classes) and published == self.published and devices == self.devices


def discover(
    nodes: Iterable[Node],
    classes: Iterable[AcceleratorClass],
    declared: Iterable[AcceleratorPool],
    devices: Devices = NO_DEVICES,
) -> Discovery:
    """Groups nodes into pools, priced and extended by what AcceleratorPools declare.

    The result doesn't depend on the order of the arguments.
    """
    return Discoverer().discover(nodes, classes, declared, devices)


class Discoverer:
    """Discovers again and again: what was found on nodes that are still the same isn't looked for again.

    The result is that of ``discover``. Nodes are compared by identity, and nodes that are alike are
    recognised once.
    """

    def __init__(self) -> None:
        self._known: _Known | None = None
        self._seen: dict[str, tuple[Node, _Seen]] = {}
        self._pools: dict[Member, Pool] = {}

    def discover(
        self,
        nodes: Iterable[Node],
        classes: Iterable[AcceleratorClass],
        declared: Iterable[AcceleratorPool],
        devices: Devices = NO_DEVICES,
    ) -> Discovery:
        """As the function of this name."""
        nodes = sorted(nodes, key=lambda n: n.name)
        known = self._prepare(nodes, sorted(classes, key=lambda c: c.name), devices)
        groups: dict[Member, list[Node]] = {}
        problems = known.dynamic.problems
        for seen in self._see(nodes, known):
            problems.extend(f"Node {seen.node.name}: {remark}" for remark in seen.remarks)
            for member in seen.members:
                groups.setdefault(member, []).append(seen.node)
        self._pools = {m: self._pool(m, known, members) for m, members in groups.items()}
        pools, more = declare(list(self._pools.values()), declared, known.by_name)
        ordered = sorted(pools, key=lambda p: (p.name, p.accelerator_class.name))
        return Discovery(tuple(ordered), (*problems, *more))

    def _prepare(self, nodes: list[Node], classes: list[AcceleratorClass], devices: Devices) -> _Known:
        published = frozenset(r for n in nodes for r in n.capacity)
        if self._known is None or not self._known.is_still(classes, published, devices):
            self._known = _Known(classes, published, devices)
            self._seen, self._pools = {}, {}
        return self._known

    def _see(self, nodes: list[Node], known: _Known) -> list[_Seen]:
        alike: dict[object, _Seen] = {}
        found: dict[str, tuple[Node, _Seen]] = {}
        for node in nodes:
            before = self._seen.get(node.name)
            if before is not None and before[0] is node:
                found[node.name] = before
                continue
            more = known.dynamic.on(node)
            if more.node is node and not more.present:
                key = _likeness(node, known.telling)
                if key not in alike:
                    alike[key] = _look(node, Recognised(()), known, has_devices=False)
                seen = _Seen(node, alike[key].members, alike[key].remarks)
            else:
                seen = _look(more.node, more.found, known, has_devices=more.present, plain=node)
            found[node.name] = node, seen
        self._seen = found
        return [seen for _, seen in found.values()]

    def _pool(self, member: Member, known: _Known, nodes: list[Node]) -> Pool:
        before = self._pools.get(member)
        if before is not None and _same(before.nodes, nodes):
            return before
        identity, name = member
        return pool_of(identity, known.by_name[name], nodes)


def _same(one: Sequence[object], other: Sequence[object]) -> bool:
    """Whether both have the very same members."""
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))


def _likeness(node: Node, telling: frozenset[str]) -> object:
    """Equal for nodes on which the same is found."""
    labels = frozenset((k, v) for k, v in node.labels.items() if k in telling)
    devices = frozenset((r, n) for r, n in node.capacity.items() if "/" in r or r == "cpu")
    return labels, devices


def _look(
    node: Node, dynamic: Recognised, known: _Known, *, has_devices: bool, plain: Node | None = None
) -> _Seen:
    """What is on one node.

    Args:
        dynamic: what DRA publishes there.
        plain: the node without that.
    """
    plain = plain or node
    members: list[Member] = []
    sentences: list[str] = []
    names: set[str] = set()
    for found in (recognise(plain, known.by_resource, has_devices=has_devices), dynamic):
        sentences.extend(remarks(plain, found, known.by_resource))
        for accelerator, resource in zip(found.classes, found.resources, strict=True):
            settled = accelerator.name in found.settled
            members.append((identify(node, accelerator, resource, settled=settled), accelerator.name))
            names.add(accelerator.name)
    sentences.extend(wrong_label(plain, names, known.by_name, known.by_resource))
    return _Seen(node, tuple(members), tuple(sentences))

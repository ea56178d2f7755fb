"""Devices that DRA publishes: which class they are of, and what pods can request them as."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from stowage.api.accelerator_class import AcceleratorClass
from stowage.placement.recognition import CLASS_LABEL, Recognised, match_strength
from stowage.placement.resource_index import ResourceIndex
from stowage.placement.snapshot import DYNAMIC, Node

Attributes = tuple[tuple[str, str], ...]
"""Attributes by their full name, such as gpu.nvidia.com/type."""


@dataclass(frozen=True, slots=True)
class DeviceCount:
    """So many devices that are alike. Tainted ones are there, but nobody gets them."""

    count: int
    attributes: Attributes = ()
    tainted: bool = False


@dataclass(frozen=True, slots=True)
class DeviceSlice:
    """The part of a ResourceSlice that placement depends on."""

    node: str
    """Empty where the devices belong to no single node."""
    driver: str
    pool: str
    generation: int
    devices: tuple[DeviceCount, ...]


@dataclass(frozen=True, slots=True)
class DeviceClass:
    """Which devices a DeviceClass selects, and the extended resource that it gives them."""

    name: str
    resource: str = ""
    driver: str = ""
    attributes: Attributes = ()
    readable: bool = True
    """Whether driver and attributes are all that its selectors ask for."""

    def selects(self, driver: str, device: DeviceCount) -> bool:
        return self.driver in ("", driver) and all(a in device.attributes for a in self.attributes)


@dataclass(frozen=True, slots=True)
class Devices:
    """All that DRA says of a cluster."""

    slices: tuple[DeviceSlice, ...] = ()
    classes: tuple[DeviceClass, ...] = ()


NO_DEVICES = Devices()


@dataclass(frozen=True, slots=True)
class Published:
    """A node with its DRA devices among its resources, and what they are."""

    node: Node
    found: Recognised
    present: bool
    """Whether the node has devices of a driver that some class names."""


class DynamicIndex:
    """DRA's devices by node.

    Where the device plugin publishes the devices of a driver's classes on a node, DRA's are the same ones:
    they are left out.
    """

    def __init__(
        self, devices: Devices, accelerators: Iterable[AcceleratorClass], by_resource: ResourceIndex
    ) -> None:
        self._classes = {c.name: c for c in devices.classes}
        self._accelerators: dict[str, list[AcceleratorClass]] = {}
        for accelerator in sorted(accelerators, key=lambda a: a.name):
            if accelerator.spec.dra is not None:
                self._accelerators.setdefault(accelerator.spec.dra.driver, []).append(accelerator)
        self._plugins = {
            driver: {r for r, group in by_resource.items() if any(a in claiming for a in group)}
            for driver, claiming in self._accelerators.items()
            if any(s.driver == driver for s in devices.slices)
        }
        self._by_node = _by_node([s for s in devices.slices if s.driver in self._accelerators])

    @property
    def problems(self) -> list[str]:
        """Devices that can't be counted."""
        return [
            f"ResourceSlices of {driver} name no node; devices that several nodes share are not counted"
            for driver in sorted(self._by_node.get("", {}))
        ]

    def on(self, node: Node) -> Published:
        """What the node has beside what its device plugins publish."""
        there = self._by_node.get(node.name, {})
        found: list[AcceleratorClass] = []
        resources: list[str] = []
        ambiguous: list[tuple[str, tuple[str, ...]]] = []
        unknown: list[str] = []
        settled: set[str] = set()
        capacity, allocatable = dict(node.capacity), dict(node.allocatable)
        present = {d: devices for d, devices in there.items() if not self._has_plugin(node, d)}
        for driver, devices in sorted(present.items()):
            for mine, claiming in self._claims(driver, devices):
                best = _meant(claiming, node.labels)
                if not best:
                    unknown.append(f"devices of {driver}")
                    continue
                if len(best) > 1:
                    ambiguous.append((f"{driver} in ResourceSlices", tuple(a.name for a in best)))
                    continue
                resource = self._resource(best[0], driver, mine, devices)
                if resource in resources:
                    ambiguous.append((resource, (found[resources.index(resource)].name, best[0].name)))
                    continue
                found.append(best[0])
                resources.append(resource)
                if _strongest(claiming, node.labels) != best:
                    settled.add(best[0].name)
                capacity[resource] = sum(d.count for d in mine)
                allocatable[resource] = sum(d.count for d in mine if not d.tainted)
        if found:
            node = replace(node, capacity=capacity, allocatable=allocatable)
        recognised = Recognised(
            tuple(found),
            tuple(ambiguous),
            tuple(dict.fromkeys(unknown)),
            tuple(resources),
            frozenset(settled),
        )
        return Published(node, recognised, bool(present))

    def _has_plugin(self, node: Node, driver: str) -> bool:
        names = self._plugins.get(driver, ())
        return any(n > 0 and r in names for r, n in node.capacity.items())

    def _claims(
        self, driver: str, devices: Sequence[DeviceCount]
    ) -> list[tuple[list[DeviceCount], list[AcceleratorClass]]]:
        """Devices, each kind once, with the classes that they may be of: by the DeviceClass that a class
        names, and all that none selects for classes whose DeviceClass isn't there or can't be read."""
        groups: dict[str, list[AcceleratorClass]] = {}
        for accelerator in self._accelerators[driver]:
            named = self._named(accelerator)
            name = named.name if named is not None and named.readable else ""
            groups.setdefault(name, []).append(accelerator)
        left, claims = list(devices), []
        for name in sorted(groups, reverse=True):  # those without a DeviceClass come last
            mine = [d for d in left if not name or self._classes[name].selects(driver, d)]
            left = [d for d in left if d not in mine]
            if mine:
                claims.append((mine, groups[name]))
        return claims

    def _named(self, accelerator: AcceleratorClass) -> DeviceClass | None:
        dra = accelerator.spec.dra
        return self._classes.get(dra.device_class) if dra is not None else None

    def _resource(
        self,
        accelerator: AcceleratorClass,
        driver: str,
        mine: Sequence[DeviceCount],
        devices: Sequence[DeviceCount],
    ) -> str:
        """The extended resource of the DeviceClass that the class names, else of the first that selects
        these devices and no others of the node; else a name that no pod can request."""
        named = self._named(accelerator)
        if named is not None and named.resource:
            return named.resource
        for other in sorted(self._classes.values(), key=lambda c: c.name):
            if other.resource and other.readable and other.driver == driver:
                selected = [d for d in devices if other.selects(driver, d)]
                if selected == [d for d in devices if d in mine]:
                    return other.resource
        assert accelerator.spec.dra is not None
        return DYNAMIC + accelerator.spec.dra.device_class


def _meant(claiming: Sequence[AcceleratorClass], labels: Mapping[str, str]) -> list[AcceleratorClass]:
    """The class that an admin's label names, where it is one of these; else those that match best."""
    named = [a for a in claiming if a.name == labels.get(CLASS_LABEL)]
    return named or _strongest(claiming, labels)


def _strongest(claiming: Sequence[AcceleratorClass], labels: Mapping[str, str]) -> list[AcceleratorClass]:
    """The classes that match the node's labels best. A class without labels is meant by its driver alone,
    so no other class may claim the same devices."""
    strengths = [(_strength(a, labels), a) for a in claiming]
    top = max((s for s, _ in strengths if s is not None), default=None)
    best = [a for s, a in strengths if s is not None and s == top]
    return list(claiming) if top == 0 else best


def _strength(accelerator: AcceleratorClass, labels: Mapping[str, str]) -> int | None:
    labelled = any(m.match_labels or m.match_expressions for m in accelerator.spec.match)
    return match_strength(accelerator, labels) if labelled else 0


def _by_node(slices: Iterable[DeviceSlice]) -> dict[str, dict[str, list[DeviceCount]]]:
    """Devices by node and driver. Of a pool only the slices of its latest generation count."""
    slices = list(slices)
    latest: dict[tuple[str, str], int] = {}
    for one in slices:
        key = one.driver, one.pool
        latest[key] = max(one.generation, latest.get(key, 0))
    sums: dict[tuple[str, str], dict[DeviceCount, int]] = {}
    for one in slices:
        if one.generation == latest[one.driver, one.pool]:
            of_node = sums.setdefault((one.node, one.driver), {})
            for device in one.devices:
                kind = replace(device, count=0)
                of_node[kind] = of_node.get(kind, 0) + device.count
    found: dict[str, dict[str, list[DeviceCount]]] = {}
    for (node, driver), kinds in sums.items():
        counts = [replace(kind, count=n) for kind, n in kinds.items() if n]
        if counts:
            found.setdefault(node, {})[driver] = sorted(counts, key=lambda d: (d.attributes, d.tainted))
    return found

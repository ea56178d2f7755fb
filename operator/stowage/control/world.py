"""Everything that is known of the cluster, and the snapshot that decisions see of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.placement_policy import PlacementPolicy
from stowage.catalog import Catalog
from stowage.cluster import ports
from stowage.cluster.reflector import Key
from stowage.control.building.jobs import BuildJob, project_job
from stowage.control.holdings import Holdings
from stowage.control.own_writes import Changed, OwnWrites
from stowage.control.parsed import Parsed, Parser
from stowage.control.projections import Child, PodUse, project_child
from stowage.control.scope import Scope
from stowage.control.store import AnyStore, OnChange, Store
from stowage.control.usage import Usage
from stowage.control.waiting import waits
from stowage.placement.discovery import Discoverer, Discovery
from stowage.placement.dynamic import DeviceClass, Devices, DeviceSlice
from stowage.placement.snapshot import Holding, Node, Pool, Snapshot
from stowage.render.names import SELECTOR


@dataclass
class _Derived:
    """What is computed from the stores, until they change."""

    discovery: Discovery | None = None
    followed: bool = False
    """Whether a change of nodes has been followed since the last look at all of them."""
    outdated: bool = False
    """Whether nodes have changed since ``discovery``."""
    runtimes: tuple[InferenceRuntime, ...] | None = None
    snapshot: Snapshot | None = None

    def crowd(self) -> None:
        """Follows a first change at once, and leaves more to ``World.discover``."""
        if self.followed:
            self.outdated = True
        else:
            self.discovery, self.followed = None, True


@dataclass
class World:
    """The stores of all resources, and what follows from them.

    The catalog is embedded; an object of the same name replaces its entry as a whole, and deleting it
    restores the entry.
    """

    catalog: Catalog
    changed: Changed
    scope: Scope = field(default_factory=Scope)
    workloads: Store[Parsed[InferenceDeployment]] = field(init=False)
    policies: Store[Parsed[PlacementPolicy]] = field(init=False)
    classes: Store[Parsed[AcceleratorClass]] = field(init=False)
    runtimes: Store[Parsed[InferenceRuntime]] = field(init=False)
    declared_pools: Store[Parsed[AcceleratorPool]] = field(init=False)
    deployments: Store[Child] = field(init=False)
    services: Store[Child] = field(init=False)
    budgets: Store[Child] = field(init=False)
    jobs: Store[BuildJob] = field(init=False)
    namespaces: dict[str, dict[str, str]] = field(default_factory=dict)
    """Labels by namespace; those that are going are not here."""
    nodes: dict[Key, Node] = field(default_factory=dict)
    usage: Usage = field(default_factory=Usage)
    slices: dict[Key, DeviceSlice] = field(default_factory=dict)
    device_classes: dict[Key, DeviceClass] = field(default_factory=dict)
    own_writes: OwnWrites = field(init=False)
    holdings: Holdings = field(init=False)
    waiting: dict[Key, None] = field(default_factory=dict)
    """Those that wait for room, in the order in which they began to."""
    _derived: _Derived = field(default_factory=_Derived)
    _discoverer: Discoverer = field(default_factory=Discoverer)

    def __post_init__(self) -> None:
        self.own_writes = OwnWrites(self.changed)
        self.workloads = self._ours(ports.INFERENCE_DEPLOYMENTS, self._workload_changed)
        self.policies = self._ours(ports.PLACEMENT_POLICIES)
        self.classes = self._ours(ports.ACCELERATOR_CLASSES)
        self.runtimes = self._ours(ports.INFERENCE_RUNTIMES)
        self.declared_pools = self._ours(ports.ACCELERATOR_POOLS)
        self.deployments = Store(ports.DEPLOYMENTS, project_child, self._deployment_changed, SELECTOR)
        self.holdings = Holdings(self.deployments.items, self.usage, self._is_ours)
        self.services = self._children(ports.SERVICES)
        self.budgets = self._children(ports.POD_DISRUPTION_BUDGETS)
        self.jobs = Store(ports.JOBS, project_job, self._notify(ports.JOBS), SELECTOR)

    def _ours(self, resource: ports.ResourceType, on_change: OnChange[Any] | None = None) -> AnyStore:
        parser: Parser[Any] = Parser(resource.kind)
        return Store(resource, parser, on_change or self._notify(resource), forget=parser.forget)

    def _children(self, resource: ports.ResourceType) -> Store[Child]:
        return Store(resource, project_child, self._notify(resource), SELECTOR)

    def _workload_changed(
        self,
        key: Key,
        old: Parsed[InferenceDeployment] | None,
        new: Parsed[InferenceDeployment] | None,
    ) -> None:
        for uid in ({old.uid} if old else set()) ^ ({new.uid} if new else set()):
            self.holdings.owner_changed(uid)
        if new is None or not waits(new):
            self.waiting.pop(key, None)
        else:
            self.waiting[key] = None
        self.own_writes.changed(ports.INFERENCE_DEPLOYMENTS.plural, key)

    def _is_ours(self, key: Key, child: Child) -> bool:
        owner = self.workloads.items.get((key[0], child.owner_name))
        return owner is not None and owner.uid == child.owner_uid

    def _deployment_changed(self, key: Key, old: Child | None, new: Child | None) -> None:
        self.holdings.deployment_changed(key, old, new)
        self.own_writes.changed(ports.DEPLOYMENTS.plural, key)

    def _notify(self, resource: ports.ResourceType) -> Callable[[Key, object, object], None]:
        def on_change(key: Key, old: object, new: object) -> None:  # noqa: ARG001 - a level, not an edge
            self._forget(resource)
            self.own_writes.changed(resource.plural, key)

        return on_change

    def _forget(self, resource: ports.ResourceType) -> None:
        if resource in (ports.ACCELERATOR_CLASSES, ports.ACCELERATOR_POOLS):
            self._derived.discovery = None
        if resource == ports.INFERENCE_RUNTIMES:
            self._derived.runtimes = None

    @property
    def stores(self) -> tuple[AnyStore, ...]:
        """All that the resync repairs. Not nodes and pods, which repair themselves."""
        return (
            self.classes,
            self.runtimes,
            self.declared_pools,
            self.policies,
            self.deployments,
            self.services,
            self.budgets,
            self.jobs,
            self.workloads,
        )

    def stores_in(self, place: str) -> tuple[AnyStore, ...]:
        """Those that are filled from a place of ``scope.places()``; workloads last, since no object must be
        looked at before what serves for it is known."""
        if not self.scope.only:
            return self.stores
        return tuple(store for store in self.stores if store.resource.namespaced == bool(place))

    def children_in(self, place: str) -> tuple[AnyStore, ...]:
        """Those of what the operator makes; people make what the others keep."""
        made = self.deployments, self.services, self.budgets, self.jobs
        return tuple(store for store in self.stores_in(place) if store in made)

    def serve(self, namespace: str, *, readable: bool) -> None:
        """Takes in whether everything in a namespace of the scope could be listed."""
        if readable == (namespace in self.scope.readable):
            return
        (self.scope.readable.add if readable else self.scope.readable.discard)(namespace)
        self.changed(ports.NAMESPACES.plural, ("", namespace))

    def leave(self, namespace: str) -> None:
        """Takes in that a namespace of the scope is gone, and with it all that it held."""
        self.serve(namespace, readable=False)
        self.scope.watched.discard(namespace)
        for store in self.stores_in(namespace):
            store.forget_namespace(namespace)

    def pod_changed(self, key: Key, old: PodUse | None, new: PodUse | None) -> None:
        """Takes in that a pod came, went, or was bound. One of somebody else's that comes makes no room."""
        self.usage.change(key, old, new)
        for pod in (old, new):
            if pod is not None and pod.owner:
                self.holdings.pods_changed((key[0], pod.owner, pod.placement))
        if old is not None or (new is not None and new.owner):
            self.changed(ports.PODS.plural, key)

    def node_changed(self, key: Key, old: object, new: Node | None) -> None:  # noqa: ARG002
        """Takes in a Node."""
        _set(self.nodes, key, new)
        self._derived.crowd()
        self.changed(ports.NODES.plural, key)

    def namespace_changed(self, key: Key, old: object, new: dict[str, str] | None) -> None:  # noqa: ARG002
        """Takes in a namespace's labels."""
        if new is None:
            self.namespaces.pop(key[1], None)
        else:
            self.namespaces[key[1]] = new
        self.changed(ports.NAMESPACES.plural, key)

    def slice_changed(self, key: Key, old: object, new: DeviceSlice | None) -> None:  # noqa: ARG002
        """Takes in a ResourceSlice."""
        _set(self.slices, key, new)
        self._derived.crowd()
        self.changed(ports.RESOURCE_SLICES.plural, key)

    def device_class_changed(self, key: Key, old: object, new: DeviceClass | None) -> None:  # noqa: ARG002
        """Takes in a DeviceClass."""
        _set(self.device_classes, key, new)
        self._derived.discovery = None
        self.changed(ports.DEVICE_CLASSES.plural, key)

    def reserve(self, namespace: str, holding: Holding) -> None:
        """Holds room for a decision that is being written."""
        self.holdings.reserve((namespace, holding.deployment), holding)

    def release(self, namespace: str, deployment: str) -> None:
        """The decision was written, or failed; from now on the Deployment itself counts."""
        self.holdings.release((namespace, deployment))

    def discover(self) -> None:
        """Looks at nodes anew where they have changed. They come and go in crowds, and a look costs as much
        as some decisions: but for a lone one, whoever is told of changes gathers them and calls this."""
        if self._derived.outdated:
            self._derived.discovery = None
        self._derived.followed = self._derived.outdated = False

    @property
    def discovery(self) -> Discovery:
        """The pools of the cluster; of a crowd of changed nodes, as they were at the last ``discover``."""
        if self._derived.discovery is None:
            self._derived.outdated = False
            classes = {**self.catalog.classes, **_values(self.classes)}
            declared = _values(self.declared_pools)
            devices = Devices(tuple(self.slices.values()), tuple(self.device_classes.values()))
            self._derived.discovery = self._discoverer.discover(
                self.nodes.values(), classes.values(), declared.values(), devices
            )
        return self._derived.discovery

    def snapshot(self) -> Snapshot:
        """The picture that a decision sees: the last one, changed where the world has."""
        if self._derived.runtimes is None:
            runtimes = {**self.catalog.runtimes, **_values(self.runtimes)}
            self._derived.runtimes = tuple(runtimes[name] for name in sorted(runtimes))
        used, held = self.usage.changes(), self.holdings.changes()
        pools, servers, seen = self.discovery.pools, self._derived.runtimes, self._derived.snapshot
        if seen is None or seen.runtimes is not servers or not _same(seen.pools, pools):
            everything = {name: dict(amounts) for name, amounts in self.usage.by_node.items()}
            seen = Snapshot(pools, servers, everything, self.holdings.every())
        elif used or held:
            seen = seen.evolve(used, held)
        self._derived.snapshot = seen
        return seen


def _same(one: tuple[Pool, ...], other: tuple[Pool, ...]) -> bool:
    """Whether the pools are the very same: discovery keeps those of which no node changed."""
    return one is other or (len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True)))


def _set(items: dict[Key, ports.T], key: Key, new: ports.T | None) -> None:
    if new is None:
        items.pop(key, None)
    else:
        items[key] = new


def _values(store: Store[Parsed[ports.T]]) -> dict[str, ports.T]:  # type: ignore[type-var]
    return {key[1]: parsed.value for key, parsed in store.items.items() if parsed.value is not None}

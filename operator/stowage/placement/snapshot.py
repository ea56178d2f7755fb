"""What the decision sees: an immutable picture of nodes, pools, classes, runtimes and policies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.variant import Variant
from stowage.placement.builds import BuildState, build_states, effective_variants

if TYPE_CHECKING:
    from stowage.placement.groups import Grouping
    from stowage.placement.room import RoomIndex

Amounts = Mapping[str, int]
"""Resources by name in whole base units: cpu in thousandths of a core, memory and storage in bytes,
devices and pods as counts."""

NONE: Amounts = MappingProxyType({})

DYNAMIC = "dra/"
"""Before the DeviceClass of devices that only DRA publishes: the name under which they are counted, and
that no pod can request."""


@dataclass(frozen=True, slots=True)
class Taint:
    """A taint that keeps pods away (NoSchedule or NoExecute)."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True, slots=True)
class Node:
    """The part of a Node that placement depends on."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...]
    allocatable: Amounts
    capacity: Amounts
    ready: bool = True
    cordoned: bool = False


@dataclass(frozen=True, slots=True)
class Provision:
    """What an autoscaler can still bring: so many nodes of this shape."""

    nodes: int | None
    """None: nobody knows how many."""
    shape: Amounts


@dataclass(frozen=True, slots=True)
class Pool:
    """Nodes with one class of accelerator that are alike: the unit of placement.

    ``keys`` are the node labels that define the pool; ``identified_by_keys`` says that they alone
    imply the class, so that pods need no labels of the class in their affinity.
    """

    name: str
    accelerator_class: AcceleratorClass
    nodes: tuple[Node, ...]
    keys: tuple[tuple[str, str], ...]
    identified_by_keys: bool
    capacity_type: str
    architecture: str
    devices_per_node: int
    device_memory: int | None
    node_memory: int
    labels: Mapping[str, str] = field(default_factory=dict)
    topology: str = ""
    shared: bool = False
    cost_per_hour: Decimal | None = None
    provision: Provision | None = None
    node_cpu: int = 10**9
    """Thousandths of a core that pods can have on the largest node."""
    cpu_per_device: int | None = None
    """Thousandths of a core that are a device's share of its node, as ``requests`` divides it. None where
    that isn't known."""
    published: str = ""
    """What the pool's nodes publish the devices as. Empty: the class's own resource name."""

    @property
    def key(self) -> tuple[str, str]:
        """Name and class: what identifies a pool. A node with two kinds of device is in two pools."""
        return self.name, self.accelerator_class.name

    @property
    def resource(self) -> str:
        """The extended resource of the device plugin, or ``cpu``."""
        return self.published or self.accelerator_class.spec.resource_name or ""

    @property
    def dra_only(self) -> bool:
        """Whether pods can't request the devices: only DRA publishes them, without an extended resource."""
        return self.published.startswith(DYNAMIC)

    @property
    def is_cpu(self) -> bool:
        return self.accelerator_class.spec.type == "CPU"


@dataclass(frozen=True, slots=True)
class Placement:
    """A variant served by a runtime on so many devices per replica of a pool."""

    variant: str
    runtime: str
    pool: str
    accelerator_class: str
    devices: int

    @property
    def id(self) -> str:
        """The candidate's identity in text, as in ``status.backoffs``."""
        return f"{self.variant}/{self.runtime}/{self.pool}/{self.devices}"


@dataclass(frozen=True, slots=True)
class Holding:
    """What one of our Deployments holds or is about to hold.

    ``replicas`` are wanted; ``bound`` of them have a pod on a node, which counts as used there. The
    rest is a reservation: room that nobody else may be given.
    """

    owner: tuple[str, str]
    deployment: str
    placement: Placement
    requests: Amounts
    replicas: int
    bound: tuple[str, ...] = ()
    ready: int | None = None
    """Pods that serve. None: not known; those that are bound may."""

    @property
    def serves(self) -> int:
        """Replicas that serve, or may."""
        most = min(self.replicas, len(self.bound))
        return most if self.ready is None else min(most, self.ready)

    @property
    def pool(self) -> tuple[str, str]:
        """The pool's key."""
        return self.placement.pool, self.placement.accelerator_class

    @property
    def key(self) -> HoldingKey:
        return self.owner, self.deployment

    @property
    def reserved(self) -> int:
        return max(0, self.replicas - len(self.bound))


@dataclass(frozen=True, slots=True)
class Demand:
    """One InferenceDeployment with its policy resolved."""

    workload: InferenceDeployment
    policy: PlacementPolicy
    builds: Mapping[str, BuildState] = field(init=False, compare=False)
    """By variant that is to be built: how far it is."""
    variants: tuple[Variant, ...] = field(init=False, compare=False)
    """The variants as they can be decided on: what was measured of those that are built is filled in."""

    def __post_init__(self) -> None:
        builds = build_states(self.workload)
        object.__setattr__(self, "builds", builds)
        object.__setattr__(self, "variants", effective_variants(self.workload, self.policy, builds))

    @property
    def key(self) -> tuple[str, str]:
        return self.workload.key


HoldingKey = tuple[tuple[str, str], str]
"""Owner and Deployment: what identifies a holding."""


NONE_USED: Mapping[str, Amounts] = MappingProxyType({})
NONE_HELD: Mapping[HoldingKey, Holding | None] = MappingProxyType({})


@dataclass(frozen=True)
class Snapshot:
    """Everything outside the demand that a decision depends on.

    What follows from it (``grouping``, ``room``) is computed at the first look and handed on by ``evolve``.
    """

    pools: tuple[Pool, ...]
    runtimes: tuple[InferenceRuntime, ...]
    used: Mapping[str, Amounts]
    """By node: what bound pods of anybody request."""
    holdings: tuple[Holding, ...] = ()
    """What our Deployments hold, and decisions in flight."""

    @cached_property
    def grouping(self) -> Grouping:
        """The pools that are alike, together."""
        from stowage.placement.groups import Grouping

        return Grouping(self.pools)

    @cached_property
    def room(self) -> RoomIndex:
        """What is free, by pool."""
        from stowage.placement.room import RoomIndex

        return RoomIndex.build(self.pools, self.used, self.holdings)

    @cached_property
    def held(self) -> dict[HoldingKey, Holding]:
        """The holdings by owner and Deployment."""
        return {h.key: h for h in self.holdings}

    def evolve(
        self,
        used: Mapping[str, Amounts] = NONE_USED,
        holdings: Mapping[HoldingKey, Holding | None] = NONE_HELD,
    ) -> Snapshot:
        """The snapshot after a change, at the cost of the change: equal to one made anew.

        Args:
            used: by changed node, the new sums; empty where nothing is used any more.
            holdings: by changed holding, the new one; None where it is gone.
        """
        everything = {**self.used, **used} if used else self.used
        held = dict(self.held) if holdings else self.held
        for key, new in holdings.items():
            if new is None:
                held.pop(key, None)
            else:
                held[key] = new
        after = Snapshot(self.pools, self.runtimes, everything, tuple(held.values()))
        after.__dict__["held"] = held
        known = self.__dict__
        if "grouping" in known:
            after.__dict__["grouping"] = known["grouping"]
        if "room" in known:
            after.__dict__["room"] = self.room.evolve(used, holdings)
        return after

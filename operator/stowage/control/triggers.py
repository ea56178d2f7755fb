"""Which keys to look at when something changed."""

from __future__ import annotations

from collections.abc import Callable

from stowage.cluster import ports
from stowage.cluster.reflector import Key
from stowage.control.building.jobs import BuildJob
from stowage.control.failing.pods import OwnPod
from stowage.control.line import ROOM, WorkKey
from stowage.control.projections import Child
from stowage.control.world import World

OnOwnPod = Callable[[Key, OwnPod | None, OwnPod | None], None]

FLEET_SECONDS = 0.3
"""Changes of the fleet come in crowds; so long they are gathered before everything is looked at."""
ROOM_SECONDS = 0.5
"""The same for pods that come and go."""
CHILD_SECONDS = 0.2
"""The same for children: ten replicas that get ready one by one shall not cost ten writes of status."""

STARTING = ("", "ContainerCreating", "PodInitializing")
"""Why a container waits that only isn't there yet."""
PROGRESS_SECONDS = 5.0
"""The same for pods of ours that get on as they should: what that leads to, their Deployment tells, mostly
sooner, which is then the one look for both."""

FLEET = frozenset(
    r.plural
    for r in (
        ports.NODES,
        ports.RESOURCE_SLICES,
        ports.DEVICE_CLASSES,
        ports.ACCELERATOR_CLASSES,
        ports.ACCELERATOR_POOLS,
        ports.INFERENCE_RUNTIMES,
        ports.PLACEMENT_POLICIES,
        ports.NAMESPACES,
    )
)
"""What every decision may depend on."""
CHILDREN = frozenset(
    r.plural for r in (ports.DEPLOYMENTS, ports.SERVICES, ports.POD_DISRUPTION_BUDGETS, ports.JOBS)
)


class Triggers:
    """Turns changes into keys of the work queue."""

    def __init__(self, add: Callable[[WorkKey, float], None]) -> None:
        self._add = add
        self.world: World | None = None

    def changed(self, plural: str, key: Key) -> None:
        """Something of this resource changed."""
        world = self.world
        if world is None:
            return
        if plural == ports.INFERENCE_DEPLOYMENTS.plural:
            self._add((plural, *key), 0)
        elif plural in CHILDREN:
            self._child(world, plural, key)
            if plural == ports.DEPLOYMENTS.plural and key not in world.deployments.items:
                self._add(ROOM, ROOM_SECONDS)  # what it held for pods without a node is free
        elif plural in FLEET:
            self._add(("fleet", "", ""), FLEET_SECONDS)
            if plural == ports.PLACEMENT_POLICIES.plural:
                self._add((plural, "", ""), FLEET_SECONDS)
        elif plural == ports.PODS.plural:
            self._add(ROOM, ROOM_SECONDS)

    def own_pod(self, change: OnOwnPod) -> OnOwnPod:
        """For the watch of our own pods: tells ``change``, then has the pod's owner looked at."""

        def on_change(key: Key, old: OwnPod | None, new: OwnPod | None) -> None:
            change(key, old, new)
            pod = new or old
            if self.world is not None and pod is not None:
                gets_on = new is not None and not any(_is_troubled(p) for p in (old, new))
                seconds = PROGRESS_SECONDS if gets_on else CHILD_SECONDS
                self._add((ports.INFERENCE_DEPLOYMENTS.plural, key[0], pod.owner), seconds)

        return on_change

    def _child(self, world: World, plural: str, key: Key) -> None:
        """A child changed or went: its owner, by reference or by the beginning of the child's name."""
        stores = {s.resource.plural: s for s in world.stores}
        child: Child | BuildJob | None = stores[plural].items.get(key)
        if child is not None and child.owner_name:
            self._add((ports.INFERENCE_DEPLOYMENTS.plural, key[0], child.owner_name), CHILD_SECONDS)
            return
        name = key[1]
        for owner in (name, name.rpartition("-")[0]):
            if (key[0], owner) in world.workloads.items:
                self._add((ports.INFERENCE_DEPLOYMENTS.plural, key[0], owner), CHILD_SECONDS)


def _is_troubled(pod: OwnPod | None) -> bool:
    """Whether something is said of it that may become a failure."""
    if pod is None:
        return False
    state = pod.state
    unschedulable = not state.node and state.since is not None
    return unschedulable or bool(state.ended or state.restarts) or state.waiting not in STARTING


def hit(world: World) -> set[Key]:
    """The InferenceDeployments that hold something on a node that is gone."""
    nodes = world.nodes
    return {h.owner for h in world.snapshot().holdings if any(("", node) not in nodes for node in h.bound)}

"""Carrying a step out: children applied, shrunk and deleted, and how each Deployment rolls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.reasons import Code
from stowage.cluster.ports import Cluster
from stowage.cluster.reflector import Key
from stowage.control.apply import Agreed, Children
from stowage.control.own_images import OwnImages
from stowage.control.projections import Child
from stowage.control.world import World
from stowage.placement.capacity import Ledger
from stowage.placement.decision import Chosen
from stowage.placement.options import room_in
from stowage.placement.outcome import devices_text
from stowage.placement.reasons import Reason
from stowage.render.children import deployment, disruption_budget, service
from stowage.render.names import deployment_name
from stowage.render.roll import BLOCKED, SURGE, Roll, roll
from stowage.render.transition import Serving, Transition, remaining


def serving_of(world: World, key: Key, uid: str) -> tuple[Serving, ...]:
    """Our Deployments for an object, by name."""
    return tuple(
        Serving(
            name,
            child.placement,
            child.replicas,
            child.ready,
            available=child.serves,
            observed=child.observed,
            rolling=child.rolling,
            one_by_one=child.one_by_one,
        )
        for (space, name), child in world.holdings.owned_by(uid)
        if space == key[0] and child.placement is not None
    )


@dataclass
class Carrier:
    """Writes the children of one step."""

    cluster: Cluster
    world: World
    agreed: Agreed = field(default_factory=dict)
    images: OwnImages = field(default_factory=OwnImages)

    async def carry_out(
        self,
        workload: InferenceDeployment,
        step: Transition,
        rolls: Mapping[str, Roll],
        may_upgrade: Callable[[], bool],
    ) -> None:
        """Writes what differs. What comes is written before what goes, so that the room of what goes is
        never anybody else's.

        Raises:
            ChildRefusedError: a name is taken, or the server refuses a child.
        """
        children = Children(self.cluster, self.world.own_writes, may_upgrade, self._agreed())
        namespace = workload.metadata.namespace
        placed = {p.deployment for p in workload.status.placements} if workload.status is not None else ()
        await children.apply(self.world.services, workload, service(workload))
        for chosen in step.apply:
            name = deployment_name(workload, chosen.as_placed)
            missing = rolls.get(name, SURGE).missing
            body = deployment(chosen, self.images.fetcher, missing=missing)
            await children.apply(self.world.deployments, workload, body, expected=name in placed)
        if self._is_to_be_protected(workload):
            await children.apply(self.world.budgets, workload, disruption_budget(workload))
        for name, replicas in step.shrink:
            await children.scale(self.world.deployments, namespace, name, replicas)
        for name in step.delete:
            await children.delete(self.world.deployments, namespace, name)

    def _agreed(self) -> Agreed:
        """Emptied when it has grown beyond what there is: it only saves comparisons."""
        stores = self.world.services, self.world.budgets, self.world.deployments
        if len(self.agreed) > sum(2 * len(store.items) for store in stores) + 100:
            self.agreed.clear()
        return self.agreed

    def _is_to_be_protected(self, workload: InferenceDeployment) -> bool:
        """Whether there is a pod that serves, or a budget that may have been edited. Before, a budget
        protects nothing, and has the controller manager write its status and events about missing pods."""
        if (workload.metadata.namespace, workload.name) in self.world.budgets.items:
            return True
        return any(s.serves for s in serving_of(self.world, workload.key, workload.metadata.uid))

    def rolls(
        self, workload: InferenceDeployment, step: Transition, live: Sequence[Serving]
    ) -> dict[str, Roll]:
        """How each Deployment of a step rolls, by name."""
        left = remaining(step, live)
        by_name = {s.name: s for s in left}
        found: dict[str, Roll] = {}
        for chosen in step.apply:
            name = deployment_name(workload, chosen.as_placed)
            if name not in by_name:
                continue
            taken = any(way.missing for way in found.values())
            way = self._roll(workload, chosen, by_name[name], left)
            found[name] = SURGE if taken and way.missing else way
        return found

    def _roll(
        self, workload: InferenceDeployment, chosen: Chosen, one: Serving, live: Sequence[Serving]
    ) -> Roll:
        if not one.rolling and one.observed:
            return SURGE
        snapshot = self.world.snapshot()
        held = snapshot.held.get((workload.key, one.name))
        bound = len(held.bound) if held is not None else 0
        room = room_in(Ledger(snapshot, workload.key, frozenset()), chosen.candidate).total
        return roll(workload, one, chosen.replicas, live, bound, room)


def blocked(rolls: Mapping[str, Roll], apply: Sequence[Chosen]) -> Reason | None:
    """Why a roll waits, where one does."""
    for chosen in apply:
        workload = chosen.candidate.demand.workload
        if rolls.get(deployment_name(workload, chosen.as_placed)) == BLOCKED:
            least = workload.spec.disruption.min_available
            pool, more = chosen.candidate.pool.name, devices_text(chosen.candidate)
            return Reason(
                Code.NO_SPARE_DEVICE,
                f"what serves stays and its new pods wait for a spare device: {pool} has no room for {more} "
                f"more, and disruption.minAvailable is {least} of {chosen.replicas} replicas",
            )
    return None


def is_under_way(child: Child) -> bool:
    """Whether the Deployment's pods are being exchanged."""
    return child.rolling or not child.observed

"""A cluster in memory: pools, deployments as Kubernetes runs them, and our reconcile around the pure core.

What Kubernetes does is split into small steps that may happen in any order: a Deployment is looked at, a
pod is bound, gets ready, or is gone.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from tests.unit.placement.builders import GPU, Spec, accelerator, node, snapshot, variant, workload

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.placement_policy import PlacementPolicy
from stowage.placement.capacity import Ledger
from stowage.placement.decide import decide
from stowage.placement.decision import Chosen, Decision
from stowage.placement.options import room_in
from stowage.placement.snapshot import Amounts, Demand, Holding, Placement, Snapshot
from stowage.render.names import deployment_name
from stowage.render.roll import BLOCKED, SURGE, Roll, roll
from stowage.render.transition import Serving, remaining, transition

Key = tuple[str, str]
CLASSES = {name: accelerator(name) for name in ("a", "b", "c")}
VARIANTS: dict[str, Spec] = {
    "one": variant("one"),
    "same": variant("same", quality="0.998"),
    "two": variant("two", size="14Gi", quality="0.999"),
}


@dataclass
class Pod:
    """A pod of one of our Deployments."""

    name: int
    deployment: str
    version: int
    node: str | None = None
    ready: bool = False
    leaving: bool = False


@dataclass
class Live:
    """A Deployment in the cluster; ``status`` is what its controller wrote last."""

    owner: Key
    placement: Placement
    requests: Amounts
    replicas: int
    version: int
    missing: int = 0
    scaled: int = 0
    """The replicas that its controller saw last."""
    generation: int = 1
    observed: int = 0
    ready: int = 0
    updated: int = 0
    total: int = 0


@dataclass
class Wish:
    """An InferenceDeployment, and what its status remembers."""

    key: Key
    replicas: int = 1
    variants: tuple[str, ...] = ("one",)
    least: int = 1
    """The fewest replicas that were wanted since Kubernetes last did all that was written."""
    version: int = 1
    disruption: Spec = field(default_factory=dict)
    paused: bool = False
    served: int = 0
    """Pods that served as we looked last."""
    draining: frozenset[str] = frozenset()
    decision: Decision | None = None
    blocked: bool = False

    def object(self) -> InferenceDeployment:
        return workload(
            [VARIANTS[v] for v in self.variants],
            name=self.key[1],
            namespace=self.key[0],
            replicas=self.replicas,
            disruption=self.disruption,
        )


Decide = Callable[[Snapshot, Demand, tuple[Placement, ...]], Decision]


class Cluster:
    """Nodes of four devices at most, in pools of the classes' names."""

    def __init__(self, pools: dict[str, list[int]], policy: PlacementPolicy) -> None:
        """Args:
        pools: devices of each node, by pool.
        """
        self.nodes = {
            f"{kind}{number}": (kind, devices)
            for kind, sizes in pools.items()
            for number, devices in enumerate(sizes)
        }
        self.down: set[str] = set()
        self.policy = policy
        self.prices: tuple[object, ...] = ()
        self.wishes: dict[Key, Wish] = {}
        self.deployments: dict[str, Live] = {}
        self.pods: dict[int, Pod] = {}
        self.removed_ready: Callable[[Key], None] = lambda key: None
        """Called after a pod that served was taken away by a controller."""
        self._numbers = itertools.count()
        self._about: dict[str, tuple[Key, Placement, Amounts]] = {}

    # --- what we see and do

    def snapshot(self) -> Snapshot:
        up = [
            node(name, kind, kind, gpu=devices, memory=f"{64 * devices}Gi")
            for name, (kind, devices) in self.nodes.items()
            if name not in self.down
        ]
        used: dict[str, dict[str, int]] = {}
        for pod in self.pods.values():
            if pod.node is not None:
                amounts = used.setdefault(pod.node, {})
                for resource, amount in {**self._requests(pod), "pods": 1}.items():
                    amounts[resource] = amounts.get(resource, 0) + amount
        return snapshot(up, CLASSES.values(), self.prices, used=used, holdings=self.holdings())  # type: ignore[arg-type]

    def holdings(self) -> Iterator[Holding]:
        for name, one in self.deployments.items():
            bound = tuple(sorted(p.node for p in self._pods(name) if p.node is not None))
            ready = one.ready if one.observed == one.generation else None
            yield Holding(one.owner, name, one.placement, one.requests, one.replicas, bound, ready)

    def serving(self, key: Key) -> tuple[Serving, ...]:
        return tuple(
            Serving(
                name,
                one.placement,
                one.replicas,
                min(one.ready, one.updated),
                available=one.ready,
                observed=one.observed == one.generation,
                rolling=one.total > one.updated,
                one_by_one=one.missing > 0,
            )
            for name, one in sorted(self.deployments.items())
            if one.owner == key
        )

    def reconcile(self, key: Key, choose: Decide | None = None) -> Decision | None:
        """As control.reconcile does it."""
        wish = self.wishes[key]
        if wish.paused:
            return None
        seen, live = self.snapshot(), self.serving(key)
        if all(s.observed for s in live):
            wish.least = wish.replicas
        demand = Demand(wish.object(), self.policy)
        current = tuple(s.placement for s in live if s.name not in wish.draining)
        decision = choose(seen, demand, current) if choose is not None else decide(seen, demand, current)
        step = transition(decision, live)
        wish.blocked = False
        wish.served = sum(s.serves for s in live)
        left = remaining(step, live)
        taken = False
        for chosen in step.apply:
            way = self._roll(demand.workload, chosen, left)
            missing = way.missing if not taken else 0
            taken |= missing > 0
            wish.blocked |= way == BLOCKED
            self._apply(wish, chosen, missing=missing)
        for name, replicas in step.shrink:
            self._scale(name, replicas)
        for name in step.delete:
            self._delete(name)
        wish.draining = frozenset(step.draining)
        wish.decision = decision
        return decision

    def _roll(self, wanted: InferenceDeployment, chosen: Chosen, live: tuple[Serving, ...]) -> Roll:
        name = deployment_name(wanted, chosen.as_placed)
        one = next((s for s in live if s.name == name), None)
        if one is None:
            return SURGE
        seen = self.snapshot()
        bound = sum(1 for p in self._pods(name) if p.node is not None)
        room = room_in(Ledger(seen, wanted.key, frozenset()), chosen.candidate).total
        return roll(wanted, one, chosen.replicas, live, bound, room)

    def _apply(self, wish: Wish, chosen: Chosen, *, missing: int) -> None:
        name = deployment_name(chosen.candidate.demand.workload, chosen.as_placed)
        before = self.deployments.get(name)
        if before is None:
            self.deployments[name] = Live(
                wish.key, chosen.as_placed, chosen.candidate.requests, chosen.replicas, wish.version, missing
            )
            return
        after = replace(before, replicas=chosen.replicas, version=wish.version, missing=missing)
        if after != before:
            self.deployments[name] = replace(after, generation=before.generation + 1)

    def _scale(self, name: str, replicas: int) -> None:
        before = self.deployments[name]
        self.deployments[name] = replace(
            before, replicas=replicas, missing=0, generation=before.generation + 1
        )

    def _delete(self, name: str) -> None:
        owner = self.deployments.pop(name).owner
        for pod in self._pods(name):
            self._remove(pod, owner)

    # --- what Kubernetes does

    def control(self, name: str) -> None:
        """The Deployment's controller: k8s.io/kubernetes pkg/controller/deployment/rolling.go."""
        one = self.deployments.get(name)
        if one is None:
            return
        pods = [p for p in self._pods(name) if not p.leaving]
        new = [p for p in pods if p.version == one.version]
        old = [p for p in pods if p.version != one.version]
        surge, unavailable = (0, one.missing) if one.missing else (1, 0)
        if len({p.version for p in pods}) > 1 and one.replicas < one.scaled:
            # It scales its ReplicaSets by their sizes, whichever of them serve: sync.go, scale.
            count = max(0, len(pods) - one.replicas - surge)
            for pod in sorted(pods, key=lambda p: not p.ready)[:count]:
                self._remove(pod, one.owner)
            pods = [p for p in self._pods(name) if not p.leaving]
            new = [p for p in pods if p.version == one.version]
            old = [p for p in pods if p.version != one.version]
        self.deployments[name] = one = replace(one, scaled=one.replicas)
        if len(new) > one.replicas:
            self._shrink(new, len(new) - one.replicas, one.owner)
        if not old and len(new) < one.replicas:
            self._create(name, one, one.replicas - len(new))
        elif old:
            room = one.replicas + surge - len(pods)
            self._create(name, one, max(0, min(room, one.replicas - len(new))))
            pods = [p for p in self._pods(name) if not p.leaving]
            new_unready = sum(1 for p in pods if p.version == one.version and not p.ready)
            most = len(pods) - (one.replicas - unavailable) - new_unready
            unready = [p for p in old if not p.ready][: max(0, most)]
            for pod in unready:
                self._remove(pod, one.owner)
            ready = sum(1 for p in self._pods(name) if p.ready and not p.leaving)
            self._shrink(
                [p for p in old if not p.leaving], max(0, ready - (one.replicas - unavailable)), one.owner
            )
        self.report(name)

    def report(self, name: str) -> None:
        """Writes the Deployment's status."""
        one = self.deployments[name]
        pods = [p for p in self._pods(name) if not p.leaving]
        self.deployments[name] = replace(
            one,
            observed=one.generation,
            ready=sum(p.ready for p in pods),
            updated=sum(p.version == one.version for p in pods),
            total=len(pods),
        )

    def schedule(self, pod: Pod) -> bool:
        """Binds a pod where a node of its pool has room."""
        if pod.node is not None or pod.leaving:
            return False
        requests = self._requests(pod)
        pool = self._placement(pod).pool
        for name, (kind, devices) in self.nodes.items():
            taken = sum(self._requests(p)[GPU] for p in self.pods.values() if p.node == name)
            if name not in self.down and kind == pool and devices - taken >= requests[GPU]:
                pod.node = name
                return True
        return False

    def start(self, pod: Pod) -> bool:
        """A bound pod gets ready."""
        if pod.node is None or pod.ready or pod.leaving:
            return False
        pod.ready = True
        return True

    def finish(self, pod: Pod) -> bool:
        """A pod that leaves is gone."""
        if not pod.leaving:
            return False
        del self.pods[pod.name]
        return True

    def lose(self, name: str) -> None:
        """A node vanishes with its pods."""
        self.down.add(name)
        for pod in [p for p in self.pods.values() if p.node == name]:
            del self.pods[pod.name]

    def available(self, key: Key) -> int:
        """Pods of an object that serve."""
        return sum(p.ready and not p.leaving and self.owner(p) == key for p in self.pods.values())

    def owner(self, pod: Pod) -> Key:
        """The object that a pod serves."""
        return self._about[pod.deployment][0]

    def _pods(self, name: str) -> list[Pod]:
        return [p for p in self.pods.values() if p.deployment == name]

    def _requests(self, pod: Pod) -> Amounts:
        return self._about[pod.deployment][2]

    def _placement(self, pod: Pod) -> Placement:
        return self._about[pod.deployment][1]

    def _create(self, name: str, one: Live, count: int) -> None:
        self._about[name] = (one.owner, one.placement, one.requests)
        for _ in range(count):
            pod = Pod(next(self._numbers), name, one.version)
            self.pods[pod.name] = pod

    def _shrink(self, pods: list[Pod], count: int, owner: Key) -> None:
        """Pods without a node go first, then those that aren't ready."""
        order = sorted(pods, key=lambda p: (p.node is not None, p.ready, -p.name))
        for pod in order[:count]:
            self._remove(pod, owner)

    def _remove(self, pod: Pod, owner: Key) -> None:
        if pod.leaving:
            return
        served = pod.ready
        pod.leaving, pod.ready = True, False
        if pod.node is None:
            del self.pods[pod.name]
        if served:
            self.removed_ready(owner)

    # --- all of it

    def devices(self, pool: str) -> int:
        return sum(devices for kind, devices in self.nodes.values() if kind == pool)

    def promised(self, pool: str) -> int:
        """Devices of a pool that were given away: of each object what its pods have, or one of its
        Deployments wants. Its own old and new pods may contend for one."""
        total = 0
        for key in self.wishes:
            has = wants = 0
            for name, one in self.deployments.items():
                if one.placement.pool == pool and one.owner == key:
                    bound = sum(p.node is not None and not p.leaving for p in self._pods(name))
                    has += min(one.replicas, bound) * one.requests[GPU]
                    wants = max(wants, one.replicas * one.requests[GPU])
            total += max(has, wants)
        return total

    def state(self) -> str:
        """Everything that could still change."""
        return repr((sorted(self.deployments.items()), sorted(self.pods.items())))

    def settle(self, rounds: int = 400, choose: Decide | None = None) -> None:
        """Everything in turn until nothing changes."""
        for _ in range(rounds):
            before = self.state()
            for key in self.wishes:
                self.reconcile(key, choose)
            for name in list(self.deployments):
                self.control(name)
            for pod in list(self.pods.values()):
                self.schedule(pod)
            for pod in list(self.pods.values()):
                self.start(pod)
                self.finish(pod)
            for name in list(self.deployments):
                self.report(name)
            if self.state() == before:
                return
        raise AssertionError(f"it never settles; last: {self.state()}")

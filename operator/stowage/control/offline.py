"""Decisions without a cluster to write to: the very code that the operator runs, on what it is given."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stowage.api.inference_deployment import InferenceDeployment
from stowage.catalog import load_catalog
from stowage.cluster import ports
from stowage.cluster.ports import Body
from stowage.cluster.reflector import object_key
from stowage.control.devices import project_device_class, project_slice
from stowage.control.policies import policy_for
from stowage.control.projections import project_pod
from stowage.control.store import AnyStore
from stowage.control.world import World
from stowage.placement.decide import decide
from stowage.placement.decision import Decision
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Holding, Placement
from stowage.render.names import OWNER_LABEL, deployment_name


@dataclass(frozen=True, slots=True)
class Planned:
    """One deployment and what would become of it."""

    workload: InferenceDeployment
    decision: Decision | None = None
    problem: Reason | None = None

    @property
    def placed(self) -> bool:
        return self.decision is not None and self.decision.placed

    @property
    def outcome(self) -> Reason:
        """Why it is placed so, or not at all."""
        if self.problem is not None:
            return self.problem
        assert self.decision is not None
        return self.decision.outcome


class Offline:
    """A world made of objects instead of watches."""

    def __init__(self) -> None:
        self.world = World(load_catalog(), changed=lambda *_: None)
        self._version = 0

    def add(self, body: Body) -> bool:
        """Takes in an object; returns whether it is of a kind that decisions depend on."""
        kind, key = body.get("kind", ""), object_key(body)
        if kind == ports.PODS.kind:
            self.world.pod_changed(key, None, project_pod(body))
            return True
        if kind == ports.NAMESPACES.kind:
            self.world.namespace_changed(("", key[1]), None, dict(body["metadata"].get("labels") or {}))
            return True
        if kind == ports.RESOURCE_SLICES.kind:
            self.world.slice_changed(key, None, project_slice(body))
            return True
        if kind == ports.DEVICE_CLASSES.kind:
            self.world.device_class_changed(key, None, project_device_class(body))
            return True
        store = next((s for s in self.world.stores if s.resource.kind == kind), None)
        if store is None:
            return False
        store.observe("ADDED", self._versioned(store, body))
        return True

    def _versioned(self, store: AnyStore, body: Body) -> Body:
        """The body with what an API server would give it: a version, a namespace. A later one of the same
        name wins, as with kubectl apply."""
        self._version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self._version)}
        if store.resource.namespaced:
            metadata.setdefault("namespace", "default")
        return {**body, "metadata": metadata}

    def plan(self, workloads: Iterable[InferenceDeployment]) -> list[Planned]:
        """Decides one after another, in the order of namespace and name; each takes its room."""
        return [self._decide(w) for w in sorted(workloads, key=lambda w: w.key)]

    def workloads(self) -> list[InferenceDeployment]:
        """All InferenceDeployments that were added."""
        return [p.value for p in self.world.workloads.items.values() if p.value is not None]

    def _decide(self, workload: InferenceDeployment) -> Planned:
        policy = policy_for(self.world, workload)
        if isinstance(policy, Reason):
            return Planned(workload, problem=policy)
        decision = decide(self.world.snapshot(), Demand(workload, policy), self._current(workload))
        namespace = workload.metadata.namespace
        for chosen in decision.placements:
            name = deployment_name(workload, chosen.as_placed)
            requests = chosen.candidate.requests
            holding = Holding(workload.key, name, chosen.as_placed, requests, chosen.replicas)
            self.world.reserve(namespace, holding)
        return Planned(workload, decision)

    def _current(self, workload: InferenceDeployment) -> tuple[Placement, ...]:
        """What serves now, where the cluster's Deployments were added too."""
        before = workload.status.placements if workload.status else []
        draining = {p.deployment for p in before if p.draining}
        return tuple(
            child.placement
            for (namespace, name), child in sorted(self.world.deployments.items.items())
            if namespace == workload.metadata.namespace
            and (child.body["metadata"].get("labels") or {}).get(OWNER_LABEL) == workload.name
            and child.placement is not None
            and name not in draining
        )

"""Decisions without a cluster to write to: the very code that the operator runs, on what it is given."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stowage.api.inference_deployment import InferenceDeployment
from stowage.catalog import load_catalog
from stowage.cluster import ports
from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key, object_key
from stowage.control.carry_out import serving_of
from stowage.control.devices import project_device_class, project_slice
from stowage.control.failing.record import read_backoffs
from stowage.control.failing.review import Review, keepable
from stowage.control.line import place_of
from stowage.control.own_images import OwnImages
from stowage.control.policies import policy_for
from stowage.control.projections import PodUse, project_node, project_pod
from stowage.control.store import AnyStore, Store
from stowage.control.world import World
from stowage.placement.backoffs import in_force
from stowage.placement.candidates import Candidate
from stowage.placement.capacity import Capacity, Ledger
from stowage.placement.decide import decide
from stowage.placement.decision import Decision
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Holding, Node, Snapshot
from stowage.render.additions import refused_addition
from stowage.render.children import deployment, disruption_budget, service
from stowage.render.names import SPEC_HASH, deployment_name, spec_hash
from stowage.render.pin import pin
from stowage.render.transition import Serving, transition

KEPT_BY_THE_SERVER = ("uid", "creationTimestamp")
"""Of metadata, what a file lacks of an object that the cluster has."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One deployment and what would become of it."""

    workload: InferenceDeployment
    decision: Decision | None = None
    problem: Reason | None = None
    snapshot: Snapshot | None = None
    """What it was decided on, before it took any room."""
    manifests: tuple[Body, ...] = ()
    """Exactly what the operator would apply next, but for the owner reference of an object that the cluster
    doesn't have: only the server knows its uid."""

    @property
    def placed(self) -> bool:
        return self.problem is None and self.decision is not None and self.decision.placed

    @property
    def outcome(self) -> Reason:
        """Why it is placed so, or not at all."""
        if self.problem is not None:
            return self.problem
        assert self.decision is not None
        return self.decision.outcome

    def room(self, candidate: Candidate) -> Capacity | None:
        """For how many of its replicas the candidate's pool has room, beside what the deployment itself
        has; None where one replica's size isn't known."""
        if self.snapshot is None or not candidate.devices or not candidate.requests:
            return None
        ledger = Ledger(self.snapshot, self.workload.key, frozenset())
        return ledger.capacity(candidate.pool, candidate.requests, candidate.demand.policy.spec.tolerations)


class Offline:
    """A world made of objects instead of watches."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """``clock``: seconds since the epoch; what is in ``status.backoffs`` is left alone until then."""
        self.world = World(load_catalog(), changed=lambda *_: None)
        self._clock = clock
        self._version = 0
        nodes: Store[Node] = Store(ports.NODES, project_node, self.world.node_changed)
        self._stores = (nodes, *self.world.stores)
        self._pods: dict[Key, PodUse | None] = {}
        self._known: dict[Key, Body] = {}

    def add(self, body: Body) -> bool:
        """Takes in an object; returns whether it is of a kind that decisions depend on. A later one of the
        same name wins, as with kubectl apply."""
        kind, key = body.get("kind", ""), object_key(body)
        if kind == ports.PODS.kind:
            new = project_pod(body)
            self.world.pod_changed(key, self._pods.get(key), new)
            self._pods[key] = new
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
        store = next((s for s in self._stores if s.resource.kind == kind), None)
        if store is None:
            return False
        store.observe("ADDED", self._versioned(store, body))
        return True

    def _versioned(self, store: AnyStore, body: Body) -> Body:
        """The body with what an API server would give it: a version and a namespace; an InferenceDeployment
        of a file also the status that it has in the cluster."""
        self._version += 1
        metadata = {**body["metadata"], "resourceVersion": str(self._version)}
        if store.resource.namespaced:
            metadata.setdefault("namespace", "default")
        whole = {**body, "metadata": metadata}
        if store is self.world.workloads:
            key = object_key(whole)
            before = self._known.get(key)
            if before is not None and not body.get("status"):
                kept = {n: before["metadata"][n] for n in KEPT_BY_THE_SERVER if n in before["metadata"]}
                whole["metadata"] = {**kept, **metadata}
                if "status" in before:
                    whole["status"] = before["status"]
            self._known[key] = whole
        return whole

    def plan(self, workloads: Iterable[InferenceDeployment]) -> list[Planned]:
        """Decides one after another, each taking its room: those of a higher priority class first, then
        those that have waited longer, then by namespace and name. The result is in order of the latter."""
        decided = [self._decide(w) for w in sorted(workloads, key=lambda w: place_of(self.world, w))]
        return sorted(decided, key=lambda p: p.workload.key)

    def workloads(self) -> list[InferenceDeployment]:
        """All InferenceDeployments that were added and could be understood."""
        return [p.value for p in self.world.workloads.items.values() if p.value is not None]

    def misunderstood(self, key: Key) -> str:
        """Why an InferenceDeployment that was added could not be understood; empty where it could."""
        parsed = self.world.workloads.items.get(key)
        return parsed.error if parsed is not None and parsed.value is None else ""

    def _decide(self, workload: InferenceDeployment) -> Planned:
        policy = policy_for(self.world, workload)
        if isinstance(policy, Reason):
            return Planned(workload, problem=policy)
        serving = serving_of(self.world, workload.key, workload.metadata.uid)
        review = self._review(workload, serving)
        self.world.discover()
        snapshot = self.world.snapshot()
        current = keepable(workload, serving, review)
        decision = decide(snapshot, Demand(workload, policy), current, review.left_alone)
        refused = refused_addition(decision)
        if refused is not None:
            return Planned(workload, decision, refused, snapshot)
        namespace = workload.metadata.namespace
        for chosen in decision.placements:
            name = deployment_name(workload, chosen.as_placed)
            held = snapshot.held.get((workload.key, name))
            bound = held.bound if held is not None else ()
            requests = chosen.candidate.requests
            holding = Holding(workload.key, name, chosen.as_placed, requests, chosen.replicas, bound)
            self.world.reserve(namespace, holding)
        manifests = () if workload.spec.paused else self._manifests(workload, decision, serving)
        return Planned(workload, decision, None, snapshot, manifests)

    def _live(self, workload: InferenceDeployment, name: str) -> Body | None:
        child = self.world.deployments.items.get((workload.metadata.namespace, name))
        return child.body if child is not None else None

    def _review(self, workload: InferenceDeployment, serving: Sequence[Serving]) -> Review:
        """What the status says to leave alone, but for what serves by now or was edited since it failed.
        Nothing fails anew here."""
        edited = {
            s.placement.id
            for s in serving
            if _annotations(self._live(workload, s.name)).get(SPEC_HASH, "") not in ("", spec_hash(workload))
        }
        known = [b for b in read_backoffs(workload.status) if b.candidate not in edited]
        waiting, serves = in_force(known, self._clock()), {s.placement.id for s in serving if s.serves}
        left_alone = {c: why for c, why in waiting.items() if c not in serves}
        return Review((), left_alone, recovered=frozenset(waiting.keys() & serves))

    def _manifests(
        self, workload: InferenceDeployment, decision: Decision, serving: Sequence[Serving]
    ) -> tuple[Body, ...]:
        """The operator's next step towards the decision. Pods that serve stay as they were rendered, unless
        the spec was edited."""
        automatic = workload.spec.runtime_upgrade == "Automatic"
        rendered = [service(workload), disruption_budget(workload)]
        for chosen in transition(decision, serving).apply:
            body = deployment(chosen, OwnImages().fetcher)
            before = self._live(workload, body["metadata"]["name"])
            rendered.append(body if before is None else pin(body, before, automatic=automatic))
        return tuple(body if workload.metadata.uid else _unowned(body) for body in rendered)


def _annotations(body: Mapping[str, Any] | None) -> Mapping[str, str]:
    found: Mapping[str, str] = (body["metadata"].get("annotations") if body is not None else None) or {}
    return found


def _unowned(body: Body) -> Body:
    metadata = {k: v for k, v in body["metadata"].items() if k != "ownerReferences"}
    return {**body, "metadata": metadata}

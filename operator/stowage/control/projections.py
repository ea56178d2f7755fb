"""From bodies to the small immutable things that we keep. What isn't kept can't cause work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from sys import intern
from typing import Any

from stowage.api.meta import FIELD_MANAGER
from stowage.api.quantity import parse_bytes, parse_count, parse_millis
from stowage.cluster.ports import Body
from stowage.control.packed import Packed
from stowage.placement.snapshot import Amounts, Node, Placement, Taint
from stowage.render.children import rolls_one_by_one
from stowage.render.names import OWNER_LABEL, PLACEMENT_LABEL, RUNTIME_REVISION, SPEC_HASH, placement_of

BYTES = frozenset({"memory", "ephemeral-storage"})


def amounts(quantities: Mapping[str, Any]) -> dict[str, int]:
    """Quantities by resource name in whole base units."""
    return {intern(name): _amount(name, text) for name, text in quantities.items()}


def _amount(name: str, text: Any) -> int:
    if name == "cpu":
        return parse_millis(text)
    return parse_bytes(text) if name in BYTES or name.startswith("hugepages-") else parse_count(text)


def project_node(body: Body) -> Node:
    """A Node without its heartbeats, images and addresses."""
    metadata, spec, status = body["metadata"], body.get("spec", {}), body.get("status", {})
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ())
    taints = (
        Taint(t["key"], t.get("value", ""), t["effect"])
        for t in spec.get("taints") or ()
        if t["effect"] != "PreferNoSchedule" and not _is_state(t["key"])
    )
    return Node(
        name=metadata["name"],
        labels={intern(k): intern(v) for k, v in (metadata.get("labels") or {}).items()},
        taints=tuple(sorted(taints, key=lambda t: (t.key, t.effect))),
        allocatable=amounts(status.get("allocatable") or {}),
        capacity=amounts(status.get("capacity") or {}),
        ready=ready,
        cordoned=bool(spec.get("unschedulable")),
    )


def _is_state(key: str) -> bool:
    """Taints that only repeat the node's conditions and ``unschedulable``."""
    return key.startswith("node.kubernetes.io/")


@dataclass(frozen=True, slots=True)
class PodUse:
    """What a bound pod takes from its node, and which of our placements it belongs to."""

    node: str
    requests: Amounts
    owner: str = ""
    placement: str = ""


BOUND_PODS = "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"
"""The field selector of pods that take room on a node: what ``project_pod`` keeps."""


def project_pod(body: Body) -> PodUse | None:
    """A pod that takes room on a node; None for one without a node, or that has ended."""
    spec = body.get("spec", {})
    node = spec.get("nodeName")
    if not node or body.get("status", {}).get("phase") in ("Succeeded", "Failed"):
        return None
    labels = body["metadata"].get("labels") or {}
    return PodUse(
        intern(node),
        pod_requests(spec),
        labels.get(OWNER_LABEL, ""),
        labels.get(PLACEMENT_LABEL, ""),
    )


def pod_requests(spec: Mapping[str, Any]) -> dict[str, int]:
    """What the scheduler counts for a pod.

    The sum over containers and sidecars, or an init container with the sidecars before it where that is
    more, plus overhead. Source: k8s.io/component-helpers/resource, PodRequests.
    """
    total: dict[str, int] = {"pods": 1}
    for container in spec.get("containers") or ():
        _add(total, _requests(container))
    sidecars: dict[str, int] = {}
    peak: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        wants = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(total, wants)
            _add(sidecars, wants)
            wants = {}
        for name in {*sidecars, *wants}:
            peak[name] = max(peak.get(name, 0), sidecars.get(name, 0) + wants.get(name, 0))
    for name, amount in peak.items():
        total[name] = max(total.get(name, 0), amount)
    _add(total, amounts(spec.get("overhead") or {}))
    return total


def _requests(container: Mapping[str, Any]) -> dict[str, int]:
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


@dataclass(frozen=True, slots=True)
class Child:
    """A Deployment, Service or PodDisruptionBudget with our label, as it is in the cluster."""

    uid: str
    owner_uid: str
    owner_kind: str
    owner_name: str
    packed: Packed
    """The object, without what nobody here reads."""
    labelled: str = ""
    """The InferenceDeployment that its label names."""
    revision: str = ""
    """The runtime revision that its pods were rendered with."""
    spec_hash: str = ""
    """Of the spec that it was rendered for."""
    one_by_one: bool = False
    """Whether it rolls without a pod more."""
    replicas: int = 0
    ready: int = 0
    """Pods that are ready and of the present template."""
    serves: int = 0
    """Pods that are ready, of whatever template."""
    rolling: bool = False
    """Whether pods of an older template are still there."""
    observed: bool = True
    refused: str = ""
    """Why no pod could be made: the condition ReplicaFailure."""
    refused_since: str = ""
    placement: Placement | None = None
    requests: Amounts | None = None

    @property
    def body(self) -> Body:
        """The object, made anew."""
        return self.packed.body


def controller_of(metadata: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner reference of the controller; empty where there is none."""
    return next((r for r in metadata.get("ownerReferences") or () if r.get("controller")), {})


def project_child(body: Body) -> Child:
    """A child without the status fields that nobody here reads."""
    metadata = body["metadata"]
    controller, annotations = controller_of(metadata), metadata.get("annotations") or {}
    status, spec = body.get("status") or {}, body.get("spec") or {}
    observed = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    pod = (spec.get("template") or {}).get("spec")
    conditions = status.get("conditions") or () if pod is not None else ()
    refused: Mapping[str, Any] = next(
        (c for c in conditions if c["type"] == "ReplicaFailure" and c["status"] == "True"), {}
    )
    return Child(
        uid=metadata.get("uid", ""),
        owner_uid=controller.get("uid", ""),
        owner_kind=controller.get("kind", ""),
        owner_name=controller.get("name", ""),
        packed=Packed.of({**body, "status": None, "metadata": _ours(metadata)}),
        labelled=(metadata.get("labels") or {}).get(OWNER_LABEL, ""),
        revision=annotations.get(RUNTIME_REVISION, ""),
        spec_hash=annotations.get(SPEC_HASH, ""),
        one_by_one=rolls_one_by_one(body),
        replicas=spec.get("replicas", 0) if pod is not None else 0,
        ready=_ready(status) if pod is not None and observed else 0,
        serves=int(status.get("readyReplicas", 0)) if pod is not None else 0,
        rolling=pod is not None and status.get("replicas", 0) > status.get("updatedReplicas", 0),
        observed=observed,
        refused=refused.get("message", ""),
        refused_since=refused.get("lastTransitionTime", ""),
        placement=placement_of(annotations),
        requests=pod_requests(pod) if pod is not None else None,
    )


def _ours(metadata: Mapping[str, Any]) -> Body:
    """Metadata that stays the same while only the status changes, or what others own."""
    kept = {k: v for k, v in metadata.items() if k not in ("resourceVersion", "managedFields")}
    if entries := metadata.get("managedFields"):
        ours = [e for e in entries if e.get("manager") == FIELD_MANAGER]
        kept["managedFields"] = [e for e in ours if e.get("subresource") != "status"]
    return kept


def _ready(status: Mapping[str, Any]) -> int:
    """Replicas that are ready and of the present template: while a Deployment rolls, an old pod that
    serves isn't the new one. The status doesn't tell whose the ready ones are, so old pods are taken for
    ready: the new ones may be counted late, never early."""
    ready, updated = int(status.get("readyReplicas", 0)), int(status.get("updatedReplicas", 0))
    old = max(0, int(status.get("replicas", 0)) - updated)
    return max(0, min(ready - old, updated))

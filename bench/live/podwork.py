"""What controllers and kubelets write of a pod and its Deployment."""

from __future__ import annotations

from datetime import UTC, datetime

from bench.live.client import Object


def pod(owner: Object, name: str, node: str) -> Object:
    """A pod of a Deployment; bound where there is a node."""
    template, metadata = owner["spec"]["template"], owner["metadata"]
    reference = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
    }
    about = {
        key: template["metadata"][key] for key in ("labels", "annotations") if key in template["metadata"]
    }
    spec = {**template["spec"], **({"nodeName": node} if node else {})}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, **about, "ownerReferences": [reference]},
        "spec": spec,
    }


def ready(owner: Object) -> Object:
    """The status of a pod whose containers serve."""
    now, containers = _now(), owner["spec"]["template"]["spec"]["containers"]
    kinds = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    return {
        "phase": "Running",
        "hostIP": "127.0.0.1",
        "startTime": now,
        "conditions": [{"type": k, "status": "True", "lastTransitionTime": now} for k in kinds],
        "containerStatuses": [
            {
                "name": each["name"],
                "image": each["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
            for each in containers
        ],
    }


def unschedulable() -> Object:
    """The status of a pod that found no node."""
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": _now()}
    return {"phase": "Pending", "conditions": [{**why, "message": "0 nodes are available"}]}


def deployment_status(owner: Object, pods: int, serving: int) -> Object:
    """As the Deployment controller has it."""
    wanted = int(owner["spec"].get("replicas", 1))
    return {
        "observedGeneration": owner["metadata"]["generation"],
        "replicas": pods,
        "updatedReplicas": pods,
        "readyReplicas": serving,
        "availableReplicas": serving,
        "unavailableReplicas": max(0, wanted - serving),
    }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

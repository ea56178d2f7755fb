"""Other people's pods."""

from __future__ import annotations

from typing import Any

from tests.cluster.harness import Object, Stage, eventually

GPU = "nvidia.com/gpu"


def foreign_pod(stage: Stage, name: str, node: str, **amounts: str) -> None:
    """A running pod of somebody else on a node, with these requests; ``gpu`` is NVIDIA's resource."""
    wants = {GPU if resource == "gpu" else resource: amount for resource, amount in amounts.items()}
    spec: dict[str, Any] = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "tolerations": [{"key": GPU, "operator": "Exists"}],
        "containers": [
            {"name": "c", "image": "example.com/other:1", "resources": {"requests": wants, "limits": wants}}
        ],
        "terminationGracePeriodSeconds": 0,
    }
    pod: Object = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": stage.namespace},
        "spec": spec,
    }
    stage.apply(pod)
    eventually(lambda: stage.get("pod", name)["status"].get("phase"), lambda phase: phase == "Running", 60)

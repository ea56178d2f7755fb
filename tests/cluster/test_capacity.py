"""Room is given once: contenders, scaling, and the scale subresource."""

from __future__ import annotations

import json

import pytest
from tests.cluster.harness import Stage, eventually

pytestmark = pytest.mark.cluster


def test_twenty_at_once_on_ten_devices(stage: Stage) -> None:
    stage.pool("l4-spot", 5)
    names = [f"many-{number}" for number in range(20)]
    stage.apply(stage.policy(), *(stage.workload(name) for name in names))

    def reasons() -> list[str]:
        found = stage.items("infd")
        ready = [c["reason"] for each in found for c in each.get("status", {}).get("conditions", ())
                 if c["type"] == "Ready"]  # fmt: skip
        return sorted(ready)

    eventually(reasons, lambda found: found == ["NoCapacity"] * 10 + ["Serving"] * 10)
    pods = stage.items("pods")
    assert [pod["status"]["phase"] for pod in pods] == ["Running"] * 10
    per_node = [pod["spec"]["nodeName"] for pod in pods]
    assert all(per_node.count(node) == 2 for node in per_node)
    assert len(stage.items("deployments")) == 10


def test_scaling_beyond_the_room_places_what_fits_and_moves_nothing(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.pool("a100-80", 2)
    bf16 = {"name": "bf16", "precision": "bf16", "format": "safetensors", "uri": "hf://a/b", "size": "15Gi"}
    stage.apply(stage.policy(), stage.workload(variants=[bf16]))
    stage.wait_ready()
    first = stage.pod_names()
    stage.kubectl("scale", "infd", "chat", "--replicas=5")
    found = stage.wait_for("Placed", "PartiallyPlaced")
    assert found["message"].startswith("2 of 5 replicas have room; each needs 1 nvidia.com/gpu, ")
    running = ["Running"] * 2
    pods = eventually(stage.pods, lambda each: [pod["status"].get("phase") for pod in each] == running)
    assert set(first) < {pod["metadata"]["name"] for pod in pods}
    assert "2/5" in eventually(lambda: stage.kubectl("get", "infd", "chat"), lambda text: "2/5" in text)
    stage.kubectl("scale", "infd", "chat", "--replicas=1")
    stage.wait_ready()
    eventually(stage.pod_names, lambda names: len(names) == 1)
    stage.kubectl("scale", "infd", "chat", "--replicas=0")
    stage.wait_for("Placed", "ScaledToZero")
    eventually(stage.pod_names, lambda names: not names)
    assert stage.condition("Ready")["status"] == "True"
    stage.kubectl("scale", "infd", "chat", "--replicas=1")
    stage.wait_ready()


def test_scale_and_gitops_do_not_fight(stage: Stage) -> None:
    """As an autoscaler does: it owns replicas, Git leaves them out and applies again and again."""
    stage.pool("l4-spot", 2)
    stage.apply(stage.policy(), stage.workload(), server_side=True)
    stage.wait_ready()
    stage.kubectl("scale", "infd", "chat", "--replicas=3")
    stage.wait_ready()
    before = stage.infd()
    for _ in range(3):
        stage.apply(stage.policy(), stage.workload(), server_side=True)
    after = stage.infd()
    assert after["spec"]["replicas"] == 3
    assert after["metadata"]["generation"] == before["metadata"]["generation"]
    path = f"/apis/stowage.dev/v1alpha1/namespaces/{stage.namespace}/inferencedeployments/chat/scale"
    scale = json.loads(stage.kubectl("get", "--raw", path))
    assert scale["spec"]["replicas"] == 3
    assert scale["status"]["replicas"] == 3
    assert len(stage.items("pods", f"--selector={scale['status']['selector']}")) == 3
    fields = stage.get("infd", "chat", "--show-managed-fields")["metadata"]["managedFields"]
    managers = {each["manager"] for each in fields if each.get("subresource") == "status"}
    assert managers == {"stowage"}

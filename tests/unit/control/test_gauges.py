"""What the metrics show of a fleet: every device is in exactly one state."""

from __future__ import annotations

from typing import Any

from devcluster.fleet import NodeGroup, load_fleet
from stowage.control.gauges import picture
from stowage.control.offline import Offline
from stowage.observe.fleet import FLEET, FleetPicture
from stowage.observe.metrics import REGISTRY
from stowage.placement.snapshot import Holding, Placement

L4 = "nvidia-l4"


def nodes(count: int, cordoned: int) -> list[dict[str, Any]]:
    template = next(each for each in load_fleet() if each.name == "l4-spot")
    changes = {"count": count, "cordoned": cordoned}
    found = NodeGroup.model_validate({**template.model_dump(), **changes}).nodes()
    for each in found:
        each["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return found


def pod(node: str, devices: int) -> dict[str, Any]:
    requests = {"nvidia.com/gpu": str(devices)}
    return {
        "kind": "Pod",
        "metadata": {"name": f"foreign-{node}", "namespace": "other"},
        "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": requests}}]},
        "status": {"phase": "Running"},
    }


def infd(name: str, ready: str, reason: str, cost: str | None) -> dict[str, Any]:
    placement = {
        "deployment": f"{name}-1", "pool": "l4-spot", "acceleratorClass": L4, "acceleratorType": "GPU",
        "capacityType": "spot", "variant": "a", "precision": "fp8", "runtime": "vllm", "devicesPerReplica": 1,
        "replicas": 3, "readyReplicas": 2, **({"costPerHour": cost} if cost else {}),
    }  # fmt: skip
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": reason,
        "message": "m",
        "lastTransitionTime": "t",
    }
    return {
        "kind": "InferenceDeployment",
        "metadata": {"name": name, "namespace": "shop", "uid": name},
        "spec": {
            "model": {"name": "m", "task": "text-generation"},
            "variants": [
                {"name": "a", "precision": "fp8", "format": "safetensors", "uri": "hf://a/b", "size": "1Gi"}
            ],
        },
        "status": {"conditions": [condition], "placements": [placement]} if ready else {},
    }


def test_a_picture() -> None:
    offline = Offline()
    fleet = nodes(4, cordoned=1)
    per_node = int(fleet[0]["status"]["allocatable"]["nvidia.com/gpu"])
    for each in fleet:
        offline.add(each)
    open_nodes = [n["metadata"]["name"] for n in fleet if not n.get("spec", {}).get("unschedulable")]
    offline.add(pod(open_nodes[0], 1))
    for each in (infd("one", "True", "Serving", "1.25"), infd("two", "False", "Starting", None)):
        offline.add(each)
    (pool,) = {p.name for p in offline.world.discovery.pools if p.accelerator_class.name == L4}
    held = Holding(
        ("shop", "one"), "one-1", Placement("a", "vllm", pool, L4, 1), {"nvidia.com/gpu": 1}, 2, bound=("n",)
    )
    offline.world.reserve("shop", held)

    found = picture(offline.world)

    assert {state: n for (kind, state), n in found.devices.items() if kind == L4} == {
        "used": 1,
        "unavailable": per_node,
        "reserved": 1,
        "free": 3 * per_node - 2,
    }
    assert dict(found.cost_per_hour) == {(L4, "spot"): 1.25}
    assert dict(found.deployments) == {("True", "Serving"): 1, ("False", "Starting"): 1}
    assert dict(found.replicas) == {(L4, "fp8", "wanted"): 6, (L4, "fp8", "ready"): 4}


def test_what_is_exposed_is_the_last_picture() -> None:
    before = FLEET.picture
    try:
        FLEET.picture = FleetPicture(devices={(L4, "free"): 3.0})
        labels = {"accelerator_class": L4, "state": "free"}
        assert REGISTRY.get_sample_value("stowage_devices", labels) == 3.0
        FLEET.picture = FleetPicture()
        assert REGISTRY.get_sample_value("stowage_devices", labels) is None
    finally:
        FLEET.picture = before

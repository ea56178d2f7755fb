"""Devices that only DRA publishes, on an API server that knows ResourceSlices and DeviceClasses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.harness import TEST_LABEL, Object, Stage, eventually

pytestmark = pytest.mark.cluster

DRIVER = "gpu.nvidia.com"


@pytest.fixture
def dynamic(stage: Stage) -> Iterator[Stage]:
    yield stage
    stage.kubectl("delete", "resourceslices,deviceclasses", f"--selector={TEST_LABEL}={stage.namespace}")


def resource(stage: Stage, kind: str, name: str, spec: Object) -> Object:
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {TEST_LABEL: stage.namespace}},
        "spec": spec,
    }


def test_they_are_placed_on_once_they_have_an_extended_resource(dynamic: Stage) -> None:
    pool = dynamic.pool("l4-spot", 1)
    (node,) = dynamic.items("nodes", f"--selector={TEST_LABEL}={dynamic.namespace}")
    name = node["metadata"]["name"]
    for part in ("capacity", "allocatable"):
        change = f'[{{"op": "remove", "path": "/status/{part}/nvidia.com~1gpu"}}]'
        dynamic.kubectl("patch", "node", name, "--subresource=status", "--type=json", "-p", change)
    gpus = [{"name": f"gpu-{i}", "attributes": {"type": {"string": "gpu"}}} for i in range(2)]
    at = {"driver": DRIVER, "nodeName": name, "devices": gpus}
    at["pool"] = {"name": name, "generation": 1, "resourceSliceCount": 1}
    dynamic.apply(resource(dynamic, "ResourceSlice", f"{name}-gpus", at))
    dynamic.apply(dynamic.policy(), dynamic.workload())

    def codes() -> set[str]:
        found = dynamic.infd().get("status", {}).get("candidates", ())
        return {r["code"] for c in found if c["pool"].startswith(f"{pool}.{DRIVER}") for r in c["reasons"]}

    eventually(codes, lambda found: "DynamicResourceAllocationOnly" in found)
    expression = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].type == 'gpu'"
    selectors = {"selectors": [{"cel": {"expression": expression}}], "extendedResourceName": "nvidia.com/gpu"}
    dynamic.apply(resource(dynamic, "DeviceClass", DRIVER, selectors))
    dynamic.wait_for("Placed", "Placed")
    dynamic.wait_ready()
    assert dynamic.placement()["pool"] == pool
    (deployment,) = dynamic.deployments()
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"

"""A fleet whose GPUs only DRA publishes: shown, and placed on where a DeviceClass names them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from .conftest import SAMPLES, Stowage

CHAT = ("-f", SAMPLES / "gpu-chat.yaml", "-f", SAMPLES / "policies.yaml")
DRIVER = "gpu.nvidia.com"
AMOUNTS = {"cpu": "48", "memory": "192Gi", "ephemeral-storage": "500Gi", "pods": "110"}


def node(name: str) -> dict[str, Any]:
    labels = {
        "kubernetes.io/arch": "amd64",
        "cloud.google.com/gke-nodepool": "l4",
        "cloud.google.com/gke-accelerator": "nvidia-l4",
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "status": {
            "capacity": AMOUNTS,
            "allocatable": AMOUNTS,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def resource_slice(name: str, count: int) -> dict[str, Any]:
    devices = [{"name": f"gpu-{i}", "attributes": {"type": {"string": "gpu"}}} for i in range(count)]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": f"{name}-gpus"},
        "spec": {
            "driver": DRIVER,
            "nodeName": name,
            "pool": {"name": name, "generation": 1, "resourceSliceCount": 1},
            "devices": devices,
        },
    }


def device_class(**spec: Any) -> dict[str, Any]:
    expression = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].type == 'gpu'"
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": DRIVER},
        "spec": {"selectors": [{"cel": {"expression": expression}}], **spec},
    }


def fleet(path: Path, **spec: Any) -> Path:
    items = [node("n1"), node("n2"), resource_slice("n1", 4), resource_slice("n2", 4), device_class(**spec)]
    file = path / "dynamic.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}))
    return file


def shown(stowage: Stowage, file: Path) -> dict[str, Any]:
    (pool,) = json.loads(stowage("pools", "--fleet", file, "-o", "json").stdout)["pools"]
    return {k: pool[k] for k in ("name", "acceleratorClass", "resourceName", "draOnly", "devices")}


def test_without_an_extended_resource_name_it_is_shown_and_rejected(stowage: Stowage, tmp_path: Path) -> None:
    file = fleet(tmp_path)
    assert shown(stowage, file) == {
        "name": f"l4.{DRIVER}",
        "acceleratorClass": "nvidia-l4",
        "resourceName": None,
        "draOnly": True,
        "devices": 8,
    }
    assert "(DRA only)" in stowage("pools", "--fleet", file).stdout
    done = stowage("plan", *CHAT, "--fleet", file, "-o", "json")
    assert done.returncode == 2
    (chat,) = json.loads(done.stdout)["decisions"]
    codes = {
        c["variant"]: {r["code"] for r in c["reasons"]} for c in chat["candidates"] if c["runtime"] == "vllm"
    }
    assert all("DynamicResourceAllocationOnly" in found for found in codes.values())
    assert f"set spec.extendedResourceName of DeviceClass {DRIVER}" in chat["message"]


@pytest.mark.parametrize(
    ("resource", "pool"),
    [("nvidia.com/gpu", "l4"), ("example.com/l4", "l4.l4")],
)
def test_with_an_extended_resource_name_pods_request_it(
    stowage: Stowage, tmp_path: Path, resource: str, pool: str
) -> None:
    file = fleet(tmp_path, extendedResourceName=resource)
    assert shown(stowage, file) == {
        "name": pool,
        "acceleratorClass": "nvidia-l4",
        "resourceName": resource,
        "draOnly": False,
        "devices": 8,
    }
    done = stowage("plan", *CHAT, "--fleet", file, "-o", "manifests")
    assert done.returncode == 0, done.stderr
    (deployment,) = [m for m in yaml.safe_load_all(done.stdout) if m["kind"] == "Deployment"]
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["requests"][resource] == "1"
    assert container["resources"]["limits"][resource] == "1"

"""How many devices a node has, how much memory each, and in how many shares: by the first label there is."""

from __future__ import annotations

import pytest

from stowage.catalog import load_catalog
from stowage.placement.device_labels import Shares, device_memory, shares_of, whole_devices

CLASSES = load_catalog().classes
GFD, KARPENTER, AUTO = "nvidia.com/gpu.", "karpenter.k8s.aws/instance-gpu-", "eks.amazonaws.com/instance-gpu-"
GKE = "cloud.google.com/gke-"
STRATEGY, CLIENTS = f"{GKE}gpu-sharing-strategy", f"{GKE}max-shared-clients-per-gpu"
MIG = "nvidia.com/mig-1g.10gb."
MIB = 2**20


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("nvidia-l40s", {}, 48 * 1024 * MIB),
        ("nvidia-l40s", {f"{KARPENTER}memory": "45776"}, 45776 * MIB),
        ("nvidia-l40s", {f"{AUTO}memory": "45776"}, 45776 * MIB),
        ("nvidia-l40s", {f"{KARPENTER}memory": "45776", f"{GFD}memory": "46068"}, 46068 * MIB),
        ("nvidia-l40s", {f"{KARPENTER}memory": "45776", f"{GFD}memory": "0"}, 45776 * MIB),
        ("nvidia-l4", {STRATEGY: "time-sharing", CLIENTS: "4"}, 6 * 1024 * MIB),
        ("nvidia-l4", {f"{GFD}replicas": "2", f"{GFD}memory": "23034"}, 11517 * MIB),
        ("nvidia-h100-80gb-mig-1g.10gb", {f"{MIG}memory": "9984", f"{GFD}memory": "81559"}, 9984 * MIB),
        ("amd-mi300x", {}, 192 * 1024 * MIB),
        ("hailo-8", {}, None),
    ],
)
def test_memory(name: str, labels: dict[str, str], expected: int | None) -> None:
    assert device_memory(CLASSES[name].spec, labels) == expected


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("nvidia-l4", {}, None),
        ("nvidia-l4", {f"{GFD}sharing-strategy": "none", f"{GFD}replicas": "1"}, None),
        ("nvidia-l4", {f"{GFD}sharing-strategy": "time-slicing"}, Shares(f"{GFD}sharing-strategy", 1)),
        ("nvidia-l4", {f"{GFD}replicas": "3"}, Shares(f"{GFD}replicas", 3)),
        ("nvidia-l4", {STRATEGY: "mps", CLIENTS: "3"}, Shares(STRATEGY, 3)),
        # Feature discovery doesn't know what GKE's own plugin does.
        ("nvidia-l4", {STRATEGY: "mps", CLIENTS: "3", f"{GFD}sharing-strategy": "none"}, Shares(STRATEGY, 3)),
        # Whole cards of the node are shared, its partitions aren't.
        ("nvidia-h100-80gb-mig-1g.10gb", {f"{MIG}replicas": "1", f"{MIG}sharing-strategy": "none"}
         | {f"{GFD}sharing-strategy": "time-slicing", f"{GFD}replicas": "4"}, None),
        ("nvidia-h100-80gb-mig-1g.10gb", {STRATEGY: "time-sharing", CLIENTS: "2"}, Shares(STRATEGY, 2)),
        ("amd-mi300x", {f"{GFD}replicas": "3"}, None),
    ],
)  # fmt: skip
def test_shares(name: str, labels: dict[str, str], expected: Shares | None) -> None:
    assert shares_of(CLASSES[name].spec, labels) == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({}, None),
        ({f"{GFD}count": "8", f"{KARPENTER}count": "4"}, (f"{GFD}count", 8)),
        ({f"{GFD}count": "0", f"{KARPENTER}count": "4"}, (f"{KARPENTER}count", 4)),
        ({f"{GKE}accelerator-count": "2"}, (f"{GKE}accelerator-count", 2)),
        ({f"{AUTO}count": "one"}, None),
        ({"karpenter.azure.com/sku-gpu-count": "1"}, ("karpenter.azure.com/sku-gpu-count", 1)),
    ],
)
def test_whole_devices(labels: dict[str, str], expected: tuple[str, int] | None) -> None:
    assert whole_devices(CLASSES["nvidia-l40s"].spec, labels) == expected

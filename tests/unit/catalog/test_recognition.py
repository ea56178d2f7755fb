"""A realistic node has exactly one class for each of its resources.

Written by hand, after nodes of real clusters; nodes made from the classes are in
tests/unit/placement/test_recognition_catalog.py.
"""

from __future__ import annotations

import pytest

from stowage.catalog import load_catalog
from stowage.placement.recognition import classes_by_resource, recognise
from stowage.placement.snapshot import Node

AMD64 = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
ARM64 = {"kubernetes.io/arch": "arm64", "kubernetes.io/os": "linux"}
INSTANCE = "node.kubernetes.io/instance-type"
PRODUCT = "nvidia.com/gpu.product"
CPUID = "feature.node.kubernetes.io/cpu-cpuid."
AVX512 = {f"{CPUID}{flag}": "true" for flag in ("AVX2", "AVX512F", "AVX512VNNI")}
AMX = AVX512 | {f"{CPUID}{flag}": "true" for flag in ("AVX512BF16", "AMXTILE", "AMXINT8", "AMXBF16")}
GPU, TPU, AMD, NEURON, GAUDI = (
    "nvidia.com/gpu",
    "google.com/tpu",
    "amd.com/gpu",
    "aws.amazon.com/neuron",
    "habana.ai/gaudi",
)
U250 = "amd.com/xilinx_u250_gen3x16_base_4-0"


def look(labels: dict[str, str], resource: str) -> list[str]:
    """The classes that win on a node with these labels: none, one, or several where they tie."""
    amounts = {resource: 8000 if resource == "cpu" else 1}
    node = Node("n", labels, (), amounts, amounts)
    found = recognise(node, classes_by_resource(load_catalog().classes.values(), node.capacity))
    known = [c.name for c in found.classes if c.spec.type != "CPU" or resource == "cpu"]
    return [*known, *(name for _, names in found.ambiguous for name in names)]


KARPENTER = "karpenter.k8s.aws/instance-"
AUTO = "eks.amazonaws.com/instance-"
GKE = "cloud.google.com/gke-"
AZURE = "karpenter.azure.com/sku-"

RECOGNISED = [
    ("GFD T4", AMD64 | {PRODUCT: "Tesla-T4", "nvidia.com/gpu.memory": "15360"}, GPU, "nvidia-t4"),
    ("GKE T4", AMD64 | {f"{GKE}accelerator": "nvidia-tesla-t4", INSTANCE: "n1-standard-4"}, GPU, "nvidia-t4"),
    (
        "Karpenter T4",
        AMD64 | {f"{KARPENTER}gpu-name": "t4", f"{KARPENTER}gpu-memory": "16384", INSTANCE: "g4dn.xlarge"},
        GPU,
        "nvidia-t4",
    ),
    ("AKS T4", AMD64 | {INSTANCE: "Standard_NC4as_T4_v3", f"{AZURE}gpu-name": "T4"}, GPU, "nvidia-t4"),
    ("GFD L4", AMD64 | {PRODUCT: "NVIDIA-L4", f"{GKE}accelerator": "nvidia-l4"}, GPU, "nvidia-l4"),
    ("shared L4", AMD64 | {PRODUCT: "NVIDIA-L4-SHARED", "nvidia.com/gpu.replicas": "4"}, GPU, "nvidia-l4"),
    (
        "Auto Mode L4",
        AMD64 | {f"{AUTO}gpu-name": "l4", f"{AUTO}gpu-memory": "22888", INSTANCE: "g6.xlarge"},
        GPU,
        "nvidia-l4",
    ),
    ("GFD A100 PCIe", AMD64 | {PRODUCT: "NVIDIA-A100-80GB-PCIe"}, GPU, "nvidia-a100-80gb"),
    (
        "EKS A100 with GFD",
        AMD64
        | {PRODUCT: "NVIDIA-A100-SXM4-80GB", INSTANCE: "p4de.24xlarge"}
        | {f"{KARPENTER}gpu-name": "a100", f"{KARPENTER}gpu-memory": "81920"},
        GPU,
        "nvidia-a100-80gb",
    ),
    ("EC2 A100", AMD64 | {INSTANCE: "p4de.24xlarge"}, GPU, "nvidia-a100-80gb"),
    ("GKE A100", AMD64 | {f"{GKE}accelerator": "nvidia-a100-80gb"}, GPU, "nvidia-a100-80gb"),
    ("GFD H100", AMD64 | {PRODUCT: "NVIDIA-H100-80GB-HBM3"}, GPU, "nvidia-h100-80gb-sxm"),
    ("GKE H100", AMD64 | {f"{GKE}accelerator": "nvidia-h100-mega-80gb"}, GPU, "nvidia-h100-80gb-sxm"),
    (
        "AKS H100",
        AMD64 | {f"{AZURE}gpu-name": "H100", f"{AZURE}series": "NDisr_v5"},
        GPU,
        "nvidia-h100-80gb-sxm",
    ),
    (
        "GKE TPU slice",
        AMD64 | {f"{GKE}tpu-accelerator": "tpu-v5-lite-podslice", f"{GKE}tpu-topology": "2x4"},
        TPU,
        "google-tpu-v5e",
    ),
    ("GKE TPU device", AMD64 | {f"{GKE}tpu-accelerator": "tpu-v5-lite-device"}, TPU, "google-tpu-v5e"),
    ("U250", AMD64, U250, "amd-alveo-u250"),
    ("EC2 Inferentia2", AMD64 | {INSTANCE: "inf2.8xlarge"}, NEURON, "aws-inferentia2"),
    (
        "Karpenter Inferentia2",
        AMD64
        | {f"{KARPENTER}accelerator-name": "inferentia2", f"{KARPENTER}accelerator-manufacturer": "aws"}
        | {INSTANCE: "inf2.xlarge"},
        NEURON,
        "aws-inferentia2",
    ),
    ("Gaudi 3", AMD64 | {"habana.ai/product.name": "Intel-Gaudi-3-128GB"}, GAUDI, "intel-gaudi3"),
    ("MI300X", AMD64 | {"amd.com/gpu.device-id": "74a1"}, AMD, "amd-mi300x"),
    (
        "MI300X unpartitioned",
        AMD64
        | {"amd.com/gpu.device-id": "74a1", "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}
        | {"amd.com/compute-memory-partition": "spx_nps1", INSTANCE: "Standard_ND96isr_MI300X_v5"},
        AMD,
        "amd-mi300x",
    ),
    ("Sapphire Rapids", AMD64 | AMX, "cpu", "cpu-x86-amx-int8"),
    ("Ice Lake", AMD64 | AVX512, "cpu", "cpu-x86-avx512-vnni"),
    ("no NFD", AMD64, "cpu", "cpu-generic"),
    ("Granite Rapids", AMD64 | AMX | {f"{CPUID}AMXFP16": "true"}, "cpu", "cpu-x86-amx-fp16"),
    ("Zen 4", AMD64 | AVX512 | {f"{CPUID}AVX512BF16": "true"}, "cpu", "cpu-x86-avx512-bf16"),
    (
        "Zen 5",
        AMD64 | AVX512 | {f"{CPUID}AVX512BF16": "true", f"{CPUID}AVXVNNI": "true"},
        "cpu",
        "cpu-x86-avx512-bf16",
    ),
    ("Sierra Forest", AMD64 | {f"{CPUID}AVX2": "true", f"{CPUID}AVXVNNI": "true"}, "cpu", "cpu-x86-avx-vnni"),
    ("Graviton2", ARM64 | {f"{CPUID}ASIMDDP": "true"}, "cpu", "cpu-arm64-dotprod"),
    (
        "Graviton4",
        ARM64 | {f"{CPUID}{flag}": "true" for flag in ("ASIMDDP", "I8MM", "BF16", "SVE2")},
        "cpu",
        "cpu-arm64-i8mm-bf16",
    ),
    ("arm64 without NFD", ARM64, "cpu", "cpu-generic"),
    ("AVX2 only", AMD64 | {f"{CPUID}AVX2": "true"}, "cpu", "cpu-x86-avx2"),
    ("L40S is no L4", AMD64 | {PRODUCT: "NVIDIA-L40S"}, GPU, "nvidia-l40s"),
    (
        "A100 40 GB",
        AMD64 | {f"{KARPENTER}gpu-name": "a100", f"{KARPENTER}gpu-memory": "40960", INSTANCE: "p4d.24xlarge"},
        GPU,
        "nvidia-a100-40gb",
    ),
    ("H100 NVL", AMD64 | {PRODUCT: "NVIDIA-H100-NVL"}, GPU, "nvidia-h100-pcie-nvl"),
    (
        "H100 NVL on AKS",
        AMD64 | {f"{AZURE}gpu-name": "H100", f"{AZURE}series": "NCads_v5"},
        GPU,
        "nvidia-h100-pcie-nvl",
    ),
    (
        "a part of an H100 on GKE",
        AMD64 | {f"{GKE}accelerator": "nvidia-h100-80gb", f"{GKE}gpu-partition-size": "1g.10gb"},
        GPU,
        "nvidia-h100-80gb-mig-1g.10gb",
    ),
    ("MI325X", AMD64 | {"amd.com/gpu.device-id": "74a5"}, AMD, "amd-mi325x"),
    ("TPU v6e", AMD64 | {f"{GKE}tpu-accelerator": "tpu-v6e-slice"}, TPU, "google-tpu-v6e-trillium"),
    ("Trainium", AMD64 | {INSTANCE: "trn1.2xlarge"}, NEURON, "aws-trainium1"),
    ("Gaudi 2", AMD64 | {"habana.ai/product.name": "Intel-Gaudi-2-96GB"}, GAUDI, "intel-gaudi2"),
    ("U280", AMD64, "amd.com/xilinx_u280_gen3x16_xdma_base_1-0", "amd-alveo-u280"),
    ("no labels", {}, "cpu", "cpu-generic"),
]


@pytest.mark.parametrize(
    ("labels", "resource", "expected"),
    [pytest.param(*case[1:], id=case[0]) for case in RECOGNISED],
)
def test_one_class_wins(labels: dict[str, str], resource: str, expected: str) -> None:
    assert look(labels, resource) == [expected]


@pytest.mark.parametrize(
    ("labels", "resource"),
    [
        pytest.param(AMD64 | {PRODUCT: ""}, GPU, id="empty product"),
        pytest.param(AMD64 | {PRODUCT: "nvidia-l4"}, GPU, id="another case"),
        pytest.param(
            AMD64 | {f"{KARPENTER}gpu-name": "l4", f"{KARPENTER}gpu-memory": "2861", INSTANCE: "g6f.large"},
            GPU,
            id="a part of an L4",
        ),
        pytest.param(
            AMD64 | {PRODUCT: "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", INSTANCE: "p4de.24xlarge"}, GPU, id="MIG"
        ),
        pytest.param(
            AMD64 | {"amd.com/gpu.device-id": "74a1", "amd.com/compute-memory-partition": "cpx_nps4"},
            AMD,
            id="a part of an MI300X",
        ),
        pytest.param(AMD64 | {"feature.node.kubernetes.io/amd-gpu": "true"}, AMD, id="some AMD GPU"),
        pytest.param(AMD64, GPU, id="a GPU of which nothing is known"),
    ],
)
def test_other_devices_are_not_taken_for_one_of_these(labels: dict[str, str], resource: str) -> None:
    assert look(labels, resource) == []

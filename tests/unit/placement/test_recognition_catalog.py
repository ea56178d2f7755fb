"""Every device of the catalog is recognised, in every way that it says, and as nothing else.

The nodes are made from the classes: one for each alternative and each value in it, with what such nodes have
besides. A tie between two classes is a mistake in the data, but for the cards that nothing tells apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from stowage.api.accelerator_class import AcceleratorClass, NodeMatch
from stowage.catalog import load_catalog
from stowage.placement.recognition import Recognised, classes_by_resource, recognise
from stowage.placement.snapshot import Node

CLASSES = load_catalog().classes
PRODUCT = "nvidia.com/gpu.product"

LIVE_NAMES = {
    "amd-alveo-u50": ["amd.com/xilinx_u50_gen3x16_xdma_base_5-0"],
    "amd-alveo-u200": [
        "amd.com/xilinx_u200_gen3x16_xdma_base_2-0",
        "amd.com/xilinx_u200_qdma_201920_1-1573695690",
    ],
    "amd-alveo-u250": ["amd.com/xilinx_u250_gen3x16_base_4-0"],
    "amd-alveo-u280": ["amd.com/xilinx_u280_gen3x16_xdma_base_1-0"],
    "amd-versal-v70": ["amd.com/xilinx_v70-0"],
    "amd-versal-vck5000": ["amd.com/xilinx_vck5000_gen4x8_qdma_base_2-0"],
    "arm-ethos-u65-u85": ["squat.ai/ethos"],
    "aws-f2-vu47p": ["squat.ai/fpga"],
    "intel-fpga-agilex": ["squat.ai/fpga"],
    "intel-fpga-arria10-pac": [
        "fpga.intel.com/region-69528db6eb31577a8c3668f9faa081f6",
        "fpga.intel.com/af-695.d84.aVKNtusxV3qMNmj5-qCB9thCTcSko8QT-J5DNoP5BAs",
    ],
    "intel-fpga-stratix10-d5005": ["fpga.intel.com/region-bfac4d851ee856fe8c95865ce1bbaa2d"],
}
"""What device plugins publish for the classes that have a pattern."""

LINUX = {"kubernetes.io/os": "linux", "kubernetes.io/hostname": "node-1", "topology.kubernetes.io/zone": "a"}
CPUID = {
    f"feature.node.kubernetes.io/cpu-cpuid.{flag}": "true"
    for flag in ("AVX2", "AVX512F", "AVX512VNNI", "AVX512BF16", "AMXTILE", "AMXINT8", "AMXBF16", "AVXVNNI")
}
GFD = {"nvidia.com/gpu.count": "8", "nvidia.com/gpu.replicas": "1", "nvidia.com/gpu.machine": "X"}
BESIDES: dict[str, dict[str, str]] = {
    "gfd": GFD | CPUID | {"nvidia.com/mig.strategy": "single", "nvidia.com/mig.capable": "true"},
    "gfd-mig-mixed": GFD | CPUID | {PRODUCT: "NVIDIA-H100-80GB-HBM3"},
    "gke": {"cloud.google.com/gke-nodepool": "np", "node.kubernetes.io/instance-type": "n1-standard-8"},
    "eks-karpenter": {"karpenter.sh/nodepool": "np", "karpenter.sh/capacity-type": "spot"},
    "eks-auto-mode": {"eks.amazonaws.com/compute-type": "auto"},
    "amd-labeller": {"feature.node.kubernetes.io/amd-gpu": "true", "amd.com/gpu.family": "AI"},
    "intel-nfd-rule": {"intel.feature.node.kubernetes.io/gpu": "true", "gpu.intel.com/family": "Max_Series"},
    "rbln-feature-discovery": {"rebellions.ai/npu.present": "true", "rebellions.ai/npu.family": "atom"},
    "gaudi-feature-discovery": {"feature.node.kubernetes.io/pci-1200_1da3.present": "true"},
}
"""What nodes of a provider have beside the labels that identify the device, by the provider's first words."""

TOLD_APART_BY_NOTHING = {"qualcomm-ai100-standard", "qualcomm-ai100-pro", "qualcomm-ai100-ultra"}


class Case(NamedTuple):
    """One way in which a node shows its device."""

    expected: str
    provider: str
    resource: str
    labels: dict[str, str]


def choices(match: NodeMatch) -> Iterator[dict[str, str]]:
    """Labels for the alternative: each value of each requirement once."""
    first = dict(match.match_labels)
    several: list[tuple[str, list[str]]] = []
    for expression in match.match_expressions:
        if expression.operator == "In":
            first[expression.key] = expression.values[0]
            several.append((expression.key, expression.values))
        elif expression.operator == "Exists":
            first[expression.key] = "true"
        elif expression.operator == "Gt":
            first[expression.key] = str(int(expression.values[0]) + 1)
    yield first
    for key, values in several:
        yield from ({**first, key: value} for value in values[1:])


def besides(provider: str) -> dict[str, str]:
    fitting = [p for p in BESIDES if provider == p or provider.startswith(f"{p}-")]
    return LINUX | BESIDES[max(fitting, key=len)] if fitting else LINUX


def cases() -> Iterator[Case]:
    for name, entry in CLASSES.items():
        spec = entry.spec
        own = [spec.resource_name] if spec.resource_name else LIVE_NAMES[name]
        for match in spec.match or [NodeMatch(provider="resource-alone")]:
            for resource in [match.resource_name] if match.resource_name else own:
                for labels in choices(match):
                    arch = {"kubernetes.io/arch": "amd64"}
                    yield Case(name, match.provider, resource, arch | besides(match.provider) | labels)


CASES = list(cases())
SURE = [c for c in CASES if not (c.expected in TOLD_APART_BY_NOTHING and c.provider == "any-card")]


def look(resource: str, labels: dict[str, str]) -> Recognised:
    amounts = {resource: 8000 if resource == "cpu" else 1}
    node = Node("n", labels, (), amounts, amounts)
    return recognise(node, classes_by_resource(CLASSES.values(), node.capacity))


def names(found: Recognised) -> list[str]:
    return [c.name for c in found.classes]


@pytest.mark.parametrize("case", SURE, ids=lambda c: f"{c.expected}-{c.provider}")
def test_every_alternative_is_its_class_alone(case: Case) -> None:
    found = look(case.resource, case.labels)
    assert (names(found), found.resources, found.ambiguous, found.unknown) == (
        [case.expected],
        (case.resource,),
        (),
        (),
    )


def test_every_class_has_a_way_to_be_recognised() -> None:
    assert {c.expected for c in SURE} == set(CLASSES)


def test_labels_of_several_providers_on_one_node_agree() -> None:
    """GPU Feature Discovery runs on the nodes of any cloud."""
    by_class: dict[str, list[Case]] = {}
    for case in SURE:
        by_class.setdefault(case.expected, []).append(case)
    for name, found in by_class.items():
        for first in found:
            for other in found:
                if first.resource == other.resource and first.provider.startswith("gfd"):
                    assert names(look(first.resource, other.labels | first.labels)) == [name]


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_without_its_labels_a_shared_resource_identifies_nothing(name: str) -> None:
    """Nobody is taken for a device because of labels that only say that some device is there."""
    entry = CLASSES[name]
    if not all(m.match_labels or m.match_expressions for m in entry.spec.match) or not entry.spec.match:
        return
    presence = {k: v for labels in BESIDES.values() for k, v in labels.items() if k not in (PRODUCT, *CPUID)}
    resource = entry.spec.resource_name or LIVE_NAMES[name][0]
    assert name not in names(look(resource, LINUX | presence))


def test_cards_that_nothing_tells_apart_are_reported_together() -> None:
    found = look("qualcomm.com/qaic", LINUX | {"qualcomm.com/qaic": "true"})
    assert (found.classes, found.ambiguous) == (
        (),
        (("qualcomm.com/qaic", tuple(sorted(TOLD_APART_BY_NOTHING))),),
    )


@pytest.mark.parametrize(
    ("resource", "labels"),
    [
        pytest.param("amd.com/gpu", {"amd.com/gpu.device-id": "740c"}, id="MI250 or MI250X"),
        pytest.param(
            "nvidia.com/gpu",
            {PRODUCT: "Orin", "kubernetes.io/arch": "arm64", "nvidia.com/gpu.memory": "15389"},
            id="Orin NX",
        ),
        pytest.param("nvidia.com/gpu", {PRODUCT: "Orin", "kubernetes.io/arch": "arm64"}, id="some Orin"),
        pytest.param(
            "huawei.com/Ascend910",
            {"accelerator": "huawei-Ascend910", "servertype": "Ascend910B-20"}
            | {"node.kubernetes.io/npu.chip.name": "910B4"},
            id="910B4 with 32 GB",
        ),
        pytest.param("huawei.com/Ascend910", {"accelerator": "huawei-Ascend910"}, id="some Ascend 910"),
        pytest.param(
            "amd.com/gpu",
            {"amd.com/gpu.device-id": "75a3", "amd.com/compute-memory-partition": "cpx_nps2"},
            id="a part of an MI355X",
        ),
        pytest.param(
            "nvidia.com/gpu",
            {PRODUCT: "NVIDIA-H200-MIG-1g.18gb", "node.kubernetes.io/instance-type": "p5e.48xlarge"},
            id="a part of an H200",
        ),
        pytest.param(
            "nvidia.com/mig-1g.10gb",
            {"nvidia.com/mig.strategy": "mixed", "nvidia.com/mig-1g.10gb.count": "7"}
            | {"nvidia.com/mig-1g.10gb.product": "NVIDIA-H100-NVL-MIG-1g.10gb"},
            id="a part of another H100 with the name of an SXM's",
        ),
        pytest.param(
            "nvidia.com/gpu",
            {"cloud.google.com/gke-accelerator": "nvidia-h200-141gb"}
            | {"cloud.google.com/gke-gpu-partition-size": "1g.18gb"}
            | {"node.kubernetes.io/instance-type": "a3-ultragpu-8g"},
            id="a part of an H200 on GKE",
        ),
        pytest.param(
            "nvidia.com/gpu",
            {
                "karpenter.azure.com/sku-gpu-name": "A10",
                "karpenter.azure.com/sku-name": "Standard_NV6ads_A10_v5",
            },
            id="a sixth of an A10",
        ),
        pytest.param("amd.com/xilinx_u55c_gen3x16_xdma_base_3-0", {}, id="another Alveo"),
        pytest.param("squat.ai/video", {"node.kubernetes.io/instance-type": "f2.6xlarge"}, id="a camera"),
        pytest.param("squat.ai/fpga", {}, id="some FPGA"),
    ],
)
def test_what_could_be_another_device_is_not_guessed(resource: str, labels: dict[str, str]) -> None:
    assert [c.name for c in look(resource, LINUX | labels).classes if c.spec.type != "CPU"] == []


PATTERNED = {name: e for name, e in CLASSES.items() if e.spec.resource_name_pattern is not None}


def test_classes_with_a_pattern() -> None:
    assert sorted(PATTERNED) == sorted(LIVE_NAMES)


@pytest.mark.parametrize("entry", PATTERNED.values(), ids=PATTERNED)
def test_patterns_are_anchored_and_exact(entry: AcceleratorClass) -> None:
    pattern = entry.spec.resource_name_pattern or ""
    assert (pattern[0], pattern[-1]) == ("^", "$")
    assert re.search(r"[^\\][.](?![*+])", pattern) is None, "a dot stands for itself or is repeated"
    for name in LIVE_NAMES[entry.name]:
        assert re.fullmatch(pattern, name)
        assert not re.search(pattern, f"x{name}")
        assert not re.search(pattern, name.replace(".", "x", 1))

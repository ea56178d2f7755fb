"""Every entry of the embedded catalog is a valid manifest, complete and free of surprises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from dataclasses import FrozenInstanceError
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.inference_runtime import InferenceRuntime
from stowage.catalog import Catalog, load_catalog, source
from stowage.catalog.loader import _parse

CATALOG = load_catalog()
CLASSES = sorted(CATALOG.classes)
RUNTIMES = sorted(CATALOG.runtimes)
GPU, GKE = "nvidia.com/gpu", "cloud.google.com/gke-"
ARM64 = {"nvidia-t4g", "nvidia-gh200", "nvidia-gh200-144gb", "nvidia-gb200", "nvidia-gb300"}
NVIDIA = [name for name in CLASSES if name.startswith("nvidia-")]


class UniqueKeys(yaml.SafeLoader):
    """Refuses what YAML parsers take in silence: a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key is written twice in {keys}"
        return super().construct_mapping(node, deep)


def test_names() -> None:
    """Every device of the collected facts is a class: 101 of them. Besides the partitions of an A100."""
    assert Counter(entry.spec.type for entry in CATALOG.classes.values()) == {
        "GPU": 62,
        "NPU": 25,
        "FPGA": 10,
        "CPU": 9,
        "TPU": 6,
        "IPU": 1,
    }
    vendors = Counter(entry.spec.vendor for entry in CATALOG.classes.values())
    assert (vendors["NVIDIA"], vendors["AMD"], vendors["Intel"]) == (43, 15, 15)
    assert len(CLASSES) == 113
    assert RUNTIMES == [
        "llama-cpp",
        "mlserver",
        "onnx-server",
        "openvino-model-server",
        "sglang",
        "tensorflow-serving",
        "triton",
        "vitis-ai",
        "vllm",
    ]


@pytest.mark.parametrize(
    ("folder", "kind", "names"),
    [("classes", "AcceleratorClass", CLASSES), ("runtimes", "InferenceRuntime", RUNTIMES)],
)
def test_every_file_is_an_entry_of_its_name(folder: str, kind: str, names: list[str]) -> None:
    found = {entry.name for entry in files("stowage.catalog").joinpath(folder).iterdir()}
    assert found == {f"{name}.yaml" for name in names}
    for name in names:
        # Checked without the parser: it has no say over metadata, where more may stand than Stowage reads.
        document = yaml.load(source(name), Loader=UniqueKeys)
        assert sorted(document) == ["apiVersion", "kind", "metadata", "spec"]
        assert (document["kind"], document["metadata"]["name"]) == (kind, name)
        assert set(document["metadata"]) <= {"name", "labels"}


def test_the_catalog_is_read_once_and_cannot_be_changed() -> None:
    assert load_catalog() is CATALOG
    with pytest.raises(FrozenInstanceError):
        CATALOG.classes = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        CATALOG.classes["nvidia-l4"] = CATALOG.classes["nvidia-t4"]  # type: ignore[index]
    assert isinstance(CATALOG, Catalog)


def test_source_is_the_manifest_with_its_comments() -> None:
    assert source("nvidia-l4").startswith("# NVIDIA L4")
    assert "\nkind: InferenceRuntime\n" in source("vllm")
    for name in ("no-such-entry", "../loader", ""):
        with pytest.raises(KeyError):
            source(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("memory:", "memmory:"), "memmory"),
        (("name: nvidia-l4", "name: nvidia-l5"), "nvidia-l5"),
        (("stowage.dev/v1alpha1", "stowage.dev/v1"), "stowage.dev/v1 "),
        (("kind: AcceleratorClass", "kind: InferenceRuntime"), "AcceleratorClass"),
        (("name: bf16,", "name: bf61,"), "precisions"),
    ],
)
def test_a_typing_mistake_is_an_error_that_names_the_file(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    file = tmp_path / "nvidia-l4.yaml"
    file.write_text(source("nvidia-l4").replace(*change))
    with pytest.raises(ValueError, match=r"nvidia-l4\.yaml") as error:
        _parse(file, AcceleratorClass)
    assert message in str(error.value)


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_says_what_it_is_and_where_the_figures_come_from(name: str) -> None:
    entry = CATALOG.classes[name]
    assert entry.metadata.labels["stowage.dev/vendor"] == entry.spec.vendor.lower().replace(" ", "-")
    assert entry.metadata.labels["stowage.dev/family"] == entry.metadata.labels["stowage.dev/family"].lower()
    assert entry.spec.provenance is not None
    assert entry.spec.provenance.sources


@pytest.mark.parametrize("name", NVIDIA)
def test_nvidia_devices_say_when_they_are_shared(name: str) -> None:
    spec = CATALOG.classes[name].spec
    assert (spec.memory_labels[0].key, spec.memory_labels[0].unit) == (f"{spec.resource_name}.memory", "Mi")
    expected = [(f"{r}.sharing-strategy", f"{r}.replicas") for r in {spec.resource_name: 1, GPU: 2}]
    if "jetson" not in name:
        gke = (f"{GKE}gpu-sharing-strategy", f"{GKE}max-shared-clients-per-gpu")
        # What GKE's own plugin shares, feature discovery beside it doesn't know of.
        expected.insert(len(expected) - 1, gke)
    assert [(s.strategy_label, s.replicas_label) for s in spec.sharing] == expected
    assert all(s.exclusive_values == ["none"] for s in spec.sharing)
    assert spec.taints == (
        [] if "jetson" in name else [GPU, *(["kubernetes.io/arch"] if name in ARM64 else [])]
    )


def test_taints_are_those_of_the_device_alone() -> None:
    taints = {taint for entry in CATALOG.classes.values() for taint in entry.spec.taints}
    assert taints == {
        "nvidia.com/gpu",
        # GKE puts it on its arm64 nodes; which image runs there, the affinity says.
        "kubernetes.io/arch",
        "google.com/tpu",
        "aws.amazon.com/neuron",
        "habana.ai/gaudi",
        "amd.com/gpu",
        "huawei.com/Ascend310",
        "huawei.com/Ascend310P",
        "huawei.com/Ascend910",
        "cambricon.com/mlu",
    }


IDENTIFIED_BY_RESOURCE = {
    "google-coral-edge-tpu",
    "iluvatar-corex",
    "qualcomm-ai100-pro",
    "qualcomm-ai100-standard",
    "qualcomm-ai100-ultra",
}
"""Classes with an alternative that asks for no label: one of their resource names says enough."""


def test_requirements_of_classes_are_exact() -> None:
    for entry in CATALOG.classes.values():
        for match in entry.spec.match:
            asks = match.match_labels or match.match_expressions
            assert asks or entry.name in IDENTIFIED_BY_RESOURCE, f"{entry.name} {match.provider} says nothing"
            for expression in match.match_expressions:
                assert len(set(expression.values)) == len(expression.values)
        providers = [match.provider for match in entry.spec.match]
        assert len(set(providers)) == len(providers)


PRESENCE = (
    "feature.node.kubernetes.io/amd-gpu",
    "feature.node.kubernetes.io/pci-1200_1da3.present",
    "feature.node.kubernetes.io/pci-1200_10ee.present",
    "gpu.intel.com/family",
    "intel.feature.node.kubernetes.io/gpu",
    "qualcomm.com/qaic",
    "rebellions.ai/npu.family",
)
"""Labels that say that some device of a maker is there, never which one."""


def test_presence_labels_identify_nothing() -> None:
    keys = {
        key
        for entry in CATALOG.classes.values()
        for match in entry.spec.match
        for key in [*match.match_labels, *(e.key for e in match.match_expressions)]
    }
    assert keys.isdisjoint(PRESENCE)


def test_runtimes_parse_as_themselves() -> None:
    assert all(isinstance(entry, InferenceRuntime) for entry in CATALOG.runtimes.values())


PARTITIONS = [name for name in CLASSES if "-mig-" in name]


def test_partitions() -> None:
    assert len(PARTITIONS) == 18
    for name in PARTITIONS:
        spec = CATALOG.classes[name].spec
        assert spec.resource_name == f"nvidia.com/mig-{name.partition('-mig-')[2]}"
        assert spec.part_of is not None
        assert (spec.part_of.resource_name, spec.count_labels, spec.partition_pattern) == (GPU, [], None)


@pytest.mark.parametrize("name", [n for n in NVIDIA if n not in PARTITIONS and "jetson" not in n])
def test_no_partition_or_share_is_taken_for_the_whole_card(name: str) -> None:
    """Where another label than the product's says which card it is, a label or a number must say that it
    is whole."""
    spec = CATALOG.classes[name].spec
    assert spec.count_labels[0] == "nvidia.com/gpu.count"
    for match in spec.match:
        asked = {(e.key, e.operator) for e in match.match_expressions}
        whole = (f"{GKE}gpu-partition-size", "DoesNotExist") in asked or spec.partition_pattern is None
        if f"{GKE}accelerator" in {*match.match_labels, *(key for key, _ in asked)}:
            assert whole, match.provider
        machines = [
            v for e in match.match_expressions for v in e.values if v.split("-")[0] in ("a2", "a3", "a4")
        ]
        assert whole or not machines, match.provider

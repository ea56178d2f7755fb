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
from stowage.api.quantity import parse_bytes
from stowage.catalog import Catalog, load_catalog, source
from stowage.catalog.loader import _parse

CATALOG = load_catalog()
CLASSES = sorted(CATALOG.classes)
RUNTIMES = sorted(CATALOG.runtimes)
DEVICES = [name for name in CLASSES if CATALOG.classes[name].spec.type != "CPU"]
CPUS = [name for name in CLASSES if name not in DEVICES]
NVIDIA = [name for name in CLASSES if name.startswith("nvidia-")]


class UniqueKeys(yaml.SafeLoader):
    """Refuses what YAML parsers take in silence: a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys = [self.construct_object(key) for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"{node.start_mark}: a key is written twice in {keys}"
        return super().construct_mapping(node, deep)


def test_names() -> None:
    """Every device of the collected facts is a class: 101 of them."""
    assert Counter(entry.spec.type for entry in CATALOG.classes.values()) == {
        "GPU": 50,
        "NPU": 25,
        "FPGA": 10,
        "CPU": 9,
        "TPU": 6,
        "IPU": 1,
    }
    vendors = Counter(entry.spec.vendor for entry in CATALOG.classes.values())
    assert (vendors["NVIDIA"], vendors["AMD"], vendors["Intel"]) == (31, 15, 15)
    assert len(CLASSES) == 101
    assert RUNTIMES == ["llama-cpp", "openvino-model-server", "triton", "vitis-ai", "vllm"]


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


UNKNOWN_MEMORY = {
    "biren-br100",
    "enflame-gcu",
    "hygon-dcu",
    "iluvatar-corex",
    "intel-fpga-agilex",
    "metax-c500",
    "moore-threads-mtt",
}
HOST_MEMORY = {"arm-ethos-u65-u85", "hailo-8", "intel-npu-core-ultra", "rockchip-rk3588-npu"}
UNKNOWN_PRECISIONS = UNKNOWN_MEMORY | {
    "intel-fpga-arria10-pac",
    "intel-fpga-stratix10-d5005",
    "nvidia-rtx-pro-4500-blackwell-server",
}
UNKNOWN_BANDWIDTH = (
    UNKNOWN_MEMORY
    | HOST_MEMORY
    | {"google-coral-edge-tpu", "graphcore-gc200-c600", "nvidia-rtx-pro-4500-blackwell-server"}
)


@pytest.mark.parametrize("name", CLASSES)
def test_figures_are_numbers_above_zero(name: str) -> None:
    spec = CATALOG.classes[name].spec
    assert len({precision.name for precision in spec.precisions}) == len(spec.precisions)
    for precision in spec.precisions:
        if precision.peak is not None:
            assert float(precision.peak) > 0
            assert float(precision.sparse_peak or precision.peak) >= float(precision.peak)
        assert precision.dialect is None or precision.name == "fp8"
    assert spec.memory_bandwidth is None or float(spec.memory_bandwidth) > 0
    assert spec.power_watts is None or float(spec.power_watts) > 0


def test_what_is_unknown_is_absent_and_known_to_be() -> None:
    classes = CATALOG.classes.values()
    devices = [c for c in classes if c.spec.type != "CPU"]
    assert {c.name for c in devices if not (c.spec.memory or c.spec.host_memory)} == UNKNOWN_MEMORY
    assert {c.name for c in devices if c.spec.host_memory} == HOST_MEMORY
    assert {c.name for c in classes if not c.spec.precisions} == UNKNOWN_PRECISIONS
    assert {c.name for c in classes if c.spec.memory_bandwidth is None} == UNKNOWN_BANDWIDTH
    unknown_peaks = {c.name for c in classes for p in c.spec.precisions if p.peak is None}
    assert unknown_peaks == {"aws-f2-vu47p"}


@pytest.mark.parametrize("name", CLASSES)
def test_doubtful_figures_are_named(name: str) -> None:
    entry = CATALOG.classes[name].spec.provenance
    assert entry is not None
    if name in CPUS:
        assert entry.performance == "Memory"
    elif "Partial" in (entry.identity, entry.performance):
        assert entry.memory_fields or entry.notes
    assert all("GiB" not in text or " " in text for text in [*entry.verified_fields, *entry.memory_fields])


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_is_published_under_a_name_of_its_vendor(name: str) -> None:
    spec = CATALOG.classes[name].spec
    assert "/" in (spec.resource_name or spec.resource_name_pattern or "")
    for match in spec.match:
        assert match.resource_name is None or "/" in match.resource_name
    if spec.memory is not None:
        assert 8 / 1024 <= parse_bytes(spec.memory) / 1024**3 <= 288


@pytest.mark.parametrize("name", CPUS)
def test_a_cpu_is_a_core_with_derived_figures(name: str) -> None:
    spec = CATALOG.classes[name].spec
    assert (spec.resource_name, spec.memory, spec.taints) == ("cpu", None, [])
    assert {"fp32", "int8"} <= {precision.name for precision in spec.precisions}
    assert spec.provenance is not None
    assert spec.provenance.performance == "Memory"
    assert any(text.startswith("derived: ") for text in spec.provenance.sources)


@pytest.mark.parametrize(
    ("name", "precision", "peak"),
    [
        # operations per cycle and core at 2.5 GHz, in TFLOPS or TOPS
        ("cpu-x86-amx-int8", "int8", 2048 * 2.5 / 1000),
        ("cpu-x86-amx-int8", "bf16", 1024 * 2.5 / 1000),
        ("cpu-x86-amx-int8", "fp32", 64 * 2.5 / 1000),
        ("cpu-x86-avx512-vnni", "int8", 256 * 2.5 / 1000),
        ("cpu-x86-avx512-vnni", "fp32", 64 * 2.5 / 1000),
        ("cpu-x86-amx-fp16", "fp16", 1024 * 2.5 / 1000),
        ("cpu-x86-avx512-bf16", "bf16", 128 * 2.5 / 1000),
        ("cpu-x86-avx-vnni", "int8", 128 * 2.5 / 1000),
        ("cpu-x86-avx2", "fp32", 32 * 2.5 / 1000),
        ("cpu-arm64-i8mm-bf16", "bf16", 128 * 2.5 / 1000),
        ("cpu-arm64-dotprod", "int8", 128 * 2.5 / 1000),
        ("cpu-generic", "fp32", 8 * 2.5 / 1000),
        ("cpu-generic", "int8", 8 * 2.5 / 1000),
    ],
)
def test_peaks_of_cpus_follow_from_operations_per_cycle(name: str, precision: str, peak: float) -> None:
    peaks = {str(entry.name): float(entry.peak or 0) for entry in CATALOG.classes[name].spec.precisions}
    assert peaks[precision] == pytest.approx(peak)


@pytest.mark.parametrize("name", NVIDIA)
def test_nvidia_devices_say_when_they_are_shared(name: str) -> None:
    spec = CATALOG.classes[name].spec
    assert spec.memory_label is not None
    assert (spec.memory_label.key, spec.memory_label.unit) == (f"{spec.resource_name}.memory", "Mi")
    assert spec.sharing is not None
    assert spec.sharing.strategy_label == f"{spec.resource_name}.sharing-strategy"
    assert spec.sharing.exclusive_values == ["none"]
    assert spec.sharing.replicas_label == f"{spec.resource_name}.replicas"
    assert spec.taints == ([] if "jetson" in name else ["nvidia.com/gpu"])


@pytest.mark.parametrize(
    ("name", "absent", "present"),
    [
        ("nvidia-t4", {"bf16", "fp8"}, {"fp16", "int8"}),
        ("nvidia-a100-80gb", {"fp8"}, {"bf16", "int8"}),
        ("nvidia-l4", set(), {"bf16", "fp8", "int8"}),
        ("google-tpu-v5e", {"fp8", "fp16"}, {"bf16", "int8"}),
        ("amd-alveo-u250", {"fp32", "bf16"}, {"int8"}),
        ("cpu-x86-avx512-vnni", {"bf16"}, {"int8", "fp32"}),
        ("nvidia-v100", {"bf16", "int8", "fp8"}, {"fp16"}),
        ("nvidia-b200", set(), {"fp4", "fp8"}),
        ("amd-mi210", {"fp8"}, {"bf16", "int8"}),
        ("amd-mi355x", {"tf32"}, {"fp4", "fp8"}),
        ("google-tpu-v6e-trillium", {"fp8"}, {"bf16", "int8"}),
        ("google-tpu7x-ironwood", {"int8"}, {"bf16", "fp8"}),
        ("aws-inferentia1", {"fp8"}, {"bf16", "int8"}),
    ],
)
def test_what_a_device_cannot_compute_is_not_claimed(name: str, absent: set[str], present: set[str]) -> None:
    native = {precision.name for precision in CATALOG.classes[name].spec.precisions}
    assert present <= native
    assert not absent & native


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        ("nvidia-l4", "ocp"),
        ("nvidia-h100-80gb-sxm", "ocp"),
        ("amd-mi300x", "fnuz"),
        ("amd-mi325x", "fnuz"),
        ("amd-mi350x", "ocp"),
        ("amd-mi355x", "ocp"),
        ("nvidia-b200", "ocp"),
        ("nvidia-h100-80gb-mig-1g.10gb", "ocp"),
        ("aws-trainium2", None),
        ("intel-gaudi2", None),
    ],
)
def test_dialects_of_fp8(name: str, dialect: str | None) -> None:
    dialects = {p.name: p.dialect for p in CATALOG.classes[name].spec.precisions}
    assert dialects["fp8"] == dialect


def test_taints_are_those_of_the_device_alone() -> None:
    taints = {taint for entry in CATALOG.classes.values() for taint in entry.spec.taints}
    assert taints == {
        "nvidia.com/gpu",
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

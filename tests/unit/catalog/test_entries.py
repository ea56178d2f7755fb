"""Every entry of the embedded catalog is a valid manifest, complete and free of surprises."""

from __future__ import annotations

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
    assert CLASSES == [
        "amd-alveo-u250",
        "amd-mi300x",
        "aws-inferentia2",
        "cpu-generic",
        "cpu-x86-amx-int8",
        "cpu-x86-avx512-vnni",
        "google-tpu-v5e",
        "intel-gaudi3",
        "nvidia-a100-80gb",
        "nvidia-h100-80gb-sxm",
        "nvidia-l4",
        "nvidia-t4",
    ]
    assert RUNTIMES == ["llama-cpp", "openvino-model-server", "triton", "vitis-ai", "vllm"]


@pytest.mark.parametrize(
    ("folder", "kind", "names"),
    [("classes", "AcceleratorClass", CLASSES), ("runtimes", "InferenceRuntime", RUNTIMES)],
)
def test_every_file_is_an_entry_of_its_name(folder: str, kind: str, names: list[str]) -> None:
    found = sorted(entry.name for entry in files("stowage.catalog").joinpath(folder).iterdir())
    assert found == [f"{name}.yaml" for name in names]
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
    assert entry.metadata.labels["stowage.dev/vendor"] == entry.spec.vendor.lower()
    assert entry.metadata.labels["stowage.dev/family"] == entry.metadata.labels["stowage.dev/family"].lower()
    assert entry.spec.provenance is not None
    assert entry.spec.provenance.sources


@pytest.mark.parametrize("name", CLASSES)
def test_a_class_has_all_figures_that_an_estimate_needs(name: str) -> None:
    spec = CATALOG.classes[name].spec
    assert spec.precisions
    assert len({precision.name for precision in spec.precisions}) == len(spec.precisions)
    for precision in spec.precisions:
        assert precision.peak is not None
        assert float(precision.peak) > 0
        assert float(precision.sparse_peak or precision.peak) >= float(precision.peak)
        assert precision.dialect is None or precision.name == "fp8"
    assert spec.memory_bandwidth is not None
    assert float(spec.memory_bandwidth) > 0


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_has_memory_of_its_own(name: str) -> None:
    spec = CATALOG.classes[name].spec
    assert "/" in spec.resource_name
    assert spec.memory is not None
    assert 16 <= parse_bytes(spec.memory) / 1024**3 <= 192


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
    assert (spec.memory_label.key, spec.memory_label.unit) == ("nvidia.com/gpu.memory", "Mi")
    assert spec.sharing is not None
    assert spec.sharing.strategy_label == "nvidia.com/gpu.sharing-strategy"
    assert spec.sharing.exclusive_values == ["none"]
    assert spec.sharing.replicas_label == "nvidia.com/gpu.replicas"
    assert spec.taints == ["nvidia.com/gpu"]


@pytest.mark.parametrize(
    ("name", "absent", "present"),
    [
        ("nvidia-t4", {"bf16", "fp8"}, {"fp16", "int8"}),
        ("nvidia-a100-80gb", {"fp8"}, {"bf16", "int8"}),
        ("nvidia-l4", set(), {"bf16", "fp8", "int8"}),
        ("google-tpu-v5e", {"fp8", "fp16"}, {"bf16", "int8"}),
        ("amd-alveo-u250", {"fp32", "bf16"}, {"int8"}),
        ("cpu-x86-avx512-vnni", {"bf16"}, {"int8", "fp32"}),
    ],
)
def test_what_a_device_cannot_compute_is_not_claimed(name: str, absent: set[str], present: set[str]) -> None:
    native = {precision.name for precision in CATALOG.classes[name].spec.precisions}
    assert present <= native
    assert not absent & native


@pytest.mark.parametrize(
    ("name", "dialect"), [("nvidia-l4", "ocp"), ("nvidia-h100-80gb-sxm", "ocp"), ("amd-mi300x", "fnuz")]
)
def test_dialects_of_fp8(name: str, dialect: str) -> None:
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
    }


def test_requirements_of_classes_are_exact() -> None:
    for entry in CATALOG.classes.values():
        for match in entry.spec.match:
            assert match.match_labels or match.match_expressions, (
                f"{entry.name} {match.provider} says nothing"
            )
            for expression in match.match_expressions:
                assert bool(expression.values) == (expression.operator in ("In", "NotIn"))
                assert len(set(expression.values)) == len(expression.values)


def test_runtimes_parse_as_themselves() -> None:
    assert all(isinstance(entry, InferenceRuntime) for entry in CATALOG.runtimes.values())

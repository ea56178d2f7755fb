"""The catalog's figures: what is claimed follows from its source, and what is unknown is absent."""

from __future__ import annotations

import pytest

from stowage.api.quantity import parse_bytes
from stowage.catalog import load_catalog

CATALOG = load_catalog()
CLASSES = sorted(CATALOG.classes)
DEVICES = [name for name in CLASSES if CATALOG.classes[name].spec.type != "CPU"]
CPUS = [name for name in CLASSES if name not in DEVICES]

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
    assert (spec.resource_name, spec.memory) == ("cpu", None)
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


SPARSE = {
    name
    for name in DEVICES
    for precision in CATALOG.classes[name].spec.precisions
    if precision.sparse_peak is not None
}


@pytest.mark.parametrize("name", sorted(SPARSE))
def test_two_of_four_doubles_the_peak_of_tensor_cores(name: str) -> None:
    """Data sheets since Ampere give each figure with and without sparsity; fp32 isn't computed there."""
    for precision in CATALOG.classes[name].spec.precisions:
        if precision.name == "fp32":
            assert precision.sparse_peak is None
        else:
            assert float(precision.sparse_peak or 0) == 2 * float(precision.peak or 0), precision.name


def test_only_devices_with_sparse_units_gain_from_pruning() -> None:
    assert {"nvidia-a100-40gb", "nvidia-h100-80gb-sxm", "nvidia-h200", "nvidia-l4", "nvidia-l40s"} <= SPARSE
    older = {"nvidia-t4", "nvidia-v100", "google-tpu-v5e", "amd-mi210", "aws-inferentia2", "intel-gaudi2"}
    assert older <= set(DEVICES) - SPARSE

"""The model servers of the catalog fit its devices, pin what they serve and guard their own arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.inference_runtime import InferenceRuntime, Support
from stowage.api.meta import LabelSelector
from stowage.api.selector import AcceleratorSelector
from stowage.catalog import load_catalog

CATALOG = load_catalog()
SUPPORTS = [
    pytest.param(runtime, support, id=f"{runtime.name}-{support.name}")
    for runtime in CATALOG.runtimes.values()
    for support in runtime.spec.supports
]
RUNTIMES = [pytest.param(runtime, id=name) for name, runtime in CATALOG.runtimes.items()]
PLACEHOLDERS = {"modelPath", "modelName", "devices", "contextLength"}
OPTIONAL = "{contextLength}"
SHELL_FLAGS = {"-c", "-d", "-f", "-q", "-name", "--list-gpus", "--list-devices"}
"""Of the shell and the tools in a command's script, not of the server."""


def selects_labels(selector: LabelSelector | None, labels: dict[str, str]) -> bool:
    for expression in selector.match_expressions if selector else []:
        inside = labels.get(expression.key) in expression.values
        if inside != (expression.operator == "In"):
            return False
    return True


def selects(selector: AcceleratorSelector, entry: AcceleratorClass) -> bool:
    by_type = entry.spec.type in selector.types if selector.types else entry.spec.type != "CPU"
    by_vendor = not selector.vendors or entry.spec.vendor in selector.vendors
    by_name = not selector.classes or entry.name in selector.classes
    return by_type and by_vendor and by_name and selects_labels(selector.selector, entry.metadata.labels)


def support_names(runtime: str, accelerator_class: str) -> list[str]:
    entry = CATALOG.classes[accelerator_class]
    supports = CATALOG.runtimes[runtime].spec.supports
    return [support.name for support in supports if selects(support.accelerators, entry)]


def own_arguments(support: Support) -> Iterator[str]:
    """What the runtime gives to the server: its arguments, and those inside a shell's script."""
    yield from support.arguments
    for variant in support.variant_arguments:
        yield from variant.arguments
    yield from " ".join(support.command).split()


@pytest.mark.parametrize(("runtime", "support"), SUPPORTS)
def test_a_support_fits_a_class_of_the_catalog(runtime: InferenceRuntime, support: Support) -> None:
    fitting = [entry for entry in CATALOG.classes.values() if selects(support.accelerators, entry)]
    assert fitting, f"{runtime.name} {support.name} fits no class"
    native = {precision.name for entry in fitting for precision in entry.spec.precisions}
    served = set(support.precisions) & native
    assert served, f"{runtime.name} {support.name} serves nothing that its devices compute"


@pytest.mark.parametrize(("runtime", "support"), SUPPORTS)
def test_vendors_and_classes_of_a_support_exist(runtime: InferenceRuntime, support: Support) -> None:
    vendors = {entry.spec.vendor for entry in CATALOG.classes.values()}
    assert set(support.accelerators.vendors) <= vendors, runtime.name
    assert set(support.accelerators.classes) <= set(CATALOG.classes), runtime.name


def test_every_class_is_served_by_exactly_these() -> None:
    served = {
        name: {runtime: found for runtime in CATALOG.runtimes if (found := support_names(runtime, name))}
        for name in CATALOG.classes
    }
    gpu = {"llama-cpp": ["cuda"], "triton": ["cuda"]}
    cpu = {"llama-cpp": ["cpu"], "openvino-model-server": ["cpu"]}
    assert served == {
        "amd-alveo-u250": {"vitis-ai": ["alveo"]},
        "amd-mi300x": {"vllm": ["rocm"]},
        "aws-inferentia2": {"vllm": ["neuron"]},
        "cpu-generic": cpu,
        "cpu-x86-amx-int8": cpu | {"vllm": ["cpu"]},
        "cpu-x86-avx512-vnni": cpu | {"vllm": ["cpu"]},
        "google-tpu-v5e": {"vllm": ["tpu"]},
        "intel-gaudi3": {"vllm": ["gaudi"]},
        "nvidia-a100-80gb": gpu | {"vllm": ["cuda-ampere"]},
        "nvidia-h100-80gb-sxm": gpu | {"vllm": ["cuda"]},
        "nvidia-l4": gpu | {"vllm": ["cuda"]},
        "nvidia-t4": gpu | {"vllm": ["cuda-turing"]},
    }


@pytest.mark.parametrize(("runtime", "support"), SUPPORTS)
def test_the_runtimes_own_arguments_are_reserved(runtime: InferenceRuntime, support: Support) -> None:
    flags = {word.split("=")[0] for word in own_arguments(support) if re.match(r"--?[a-z]", word)}
    assert flags - SHELL_FLAGS <= set(runtime.spec.reserved_arguments)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_reserved_arguments_are_flags_without_values(runtime: InferenceRuntime) -> None:
    reserved = runtime.spec.reserved_arguments
    assert reserved
    assert len(set(reserved)) == len(reserved)
    assert all(re.fullmatch(r"--?[a-z][a-z0-9_-]*", flag) for flag in reserved)


@pytest.mark.parametrize(("runtime", "support"), SUPPORTS)
def test_placeholders_are_known_and_optional_ones_stand_alone(
    runtime: InferenceRuntime, support: Support
) -> None:
    values = [*support.command, *own_arguments(support), *(v.value for v in support.environment)]
    found = {name for value in values for name in re.findall(r"\{([A-Za-z]+)\}", value)}
    assert found <= PLACEHOLDERS
    assert "modelPath" in found
    assert not any("{" in part for part in support.command), f"{runtime.name}: commands are not rendered"
    assert OPTIONAL not in support.arguments, "left out alone, it would leave its flag behind"


@pytest.mark.parametrize(("runtime", "support"), SUPPORTS)
def test_device_counts_ascend_and_reach_the_server(runtime: InferenceRuntime, support: Support) -> None:
    assert support.device_counts == sorted(set(support.device_counts))
    if len(support.device_counts) > 1 and runtime.name != "llama-cpp":
        values = [*own_arguments(support), *(variable.value for variable in support.environment)]
        assert any("{devices}" in value for value in values)


@pytest.mark.parametrize(("runtime", "support"), SUPPORTS)
def test_images_name_a_version(runtime: InferenceRuntime, support: Support) -> None:
    name, _, tag = support.image.rpartition(":")
    assert name
    assert re.search(r"\d", tag) or re.search(r"\d+\.\d+", name), f"{runtime.name}: {support.image}"


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_servers_listen_where_they_are_probed(runtime: InferenceRuntime) -> None:
    (protocol,) = runtime.spec.protocols
    assert runtime.spec.probes.ready.port == protocol.port
    assert runtime.spec.probes.live is None or runtime.spec.probes.live.port == protocol.port
    for support in runtime.spec.supports:
        assert any(argument.endswith(str(protocol.port)) for argument in support.arguments)
    assert runtime.spec.sources


@pytest.mark.parametrize(
    "name", ["cuda-turing", "cuda-ampere", "cuda", "rocm", "tpu", "neuron", "gaudi", "cpu"]
)
def test_vllm_pins_every_precision_that_it_serves(name: str) -> None:
    (support,) = (s for s in CATALOG.runtimes["vllm"].spec.supports if s.name == name)
    plain = {precision for v in support.variant_arguments if not v.schemes for precision in v.precisions}
    assert set(support.precisions) - {"fp4"} <= plain
    pinned = {scheme for variant in support.variant_arguments for scheme in variant.schemes}
    read = {scheme for weights in support.weight_only for scheme in weights.schemes} | set(support.schemes)
    assert read - {"nvfp4"} <= pinned


@pytest.mark.parametrize(
    ("accelerator_class", "native", "weight_only"),
    [
        # vLLM's table of quantization by hardware, narrowed to what the device computes
        ("nvidia-t4", {"fp32", "fp16", "int8"}, {"int4"}),
        ("nvidia-a100-80gb", {"fp32", "fp16", "bf16", "int8"}, {"int4", "int8", "fp8"}),
        ("nvidia-l4", {"fp32", "fp16", "bf16", "fp8", "int8"}, {"int4", "int8"}),
        ("nvidia-h100-80gb-sxm", {"fp32", "fp16", "bf16", "fp8", "int8"}, {"int4", "int8"}),
        ("amd-mi300x", {"fp16", "bf16", "fp8"}, set()),
        ("google-tpu-v5e", {"bf16", "int8"}, set()),
        ("aws-inferentia2", {"fp32", "fp16", "bf16"}, set()),
        ("intel-gaudi3", {"bf16"}, set()),
        ("cpu-x86-amx-int8", {"fp32", "bf16", "int8"}, {"int4"}),
        ("cpu-x86-avx512-vnni", {"fp32", "int8"}, set()),
    ],
)
def test_what_vllm_serves_on_a_class(accelerator_class: str, native: set[str], weight_only: set[str]) -> None:
    entry = CATALOG.classes[accelerator_class]
    computes = {precision.name for precision in entry.spec.precisions}
    (support,) = (s for s in CATALOG.runtimes["vllm"].spec.supports if selects(s.accelerators, entry))
    assert set(support.precisions) & computes == native
    assert {w.weights for w in support.weight_only if computes & set(w.activations)} == weight_only


def test_no_server_falls_back_to_the_cpu_in_silence() -> None:
    for name in ("triton", "llama-cpp"):
        for support in CATALOG.runtimes[name].spec.supports:
            if "CPU" not in support.accelerators.types:
                assert "exit 70" in support.command[2]

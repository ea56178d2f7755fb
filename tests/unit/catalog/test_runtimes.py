"""The model servers of the catalog fit its devices, pin what they serve and guard their own arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from tests.unit.render.builders import CLASSIC as CLASSIC_MODEL
from tests.unit.render.builders import any_type, pool, workload

from stowage import __version__
from stowage.api.inference_runtime import InferenceRuntime, Support
from stowage.catalog import load_catalog
from stowage.placement.decide import decide
from stowage.placement.selectors import selects_class
from stowage.placement.snapshot import Demand, Snapshot

CATALOG = load_catalog()
SUPPORTS = [
    pytest.param(runtime, support, id=f"{runtime.name}-{support.name}")
    for runtime in CATALOG.runtimes.values()
    for support in runtime.spec.supports
]
RUNTIMES = [pytest.param(runtime, id=name) for name, runtime in CATALOG.runtimes.items()]
PLACEHOLDERS = {"modelPath", "modelName", "digest", "devices", "contextLength"}
OPTIONAL = {"{contextLength}", "{digest}"}
SHELL_FLAGS = {"-c", "-d", "-f", "-m", "-q", "-name", "--list-gpus", "--list-devices"}
"""Of the shell, of Python and of the tools in a command's script, not of the server."""


def support_names(runtime: str, accelerator_class: str) -> list[str]:
    entry = CATALOG.classes[accelerator_class]
    supports = CATALOG.runtimes[runtime].spec.supports
    return [support.name for support in supports if selects_class(support.accelerators, entry)]


def own_arguments(support: Support) -> Iterator[str]:
    """What the runtime gives to the server: its arguments, and those inside a shell's script."""
    yield from support.arguments
    for variant in support.variant_arguments:
        yield from variant.arguments
    yield from " ".join(support.command).split()


@pytest.mark.parametrize(("runtime", "support"), SUPPORTS)
def test_a_support_fits_a_class_of_the_catalog(runtime: InferenceRuntime, support: Support) -> None:
    fitting = [entry for entry in CATALOG.classes.values() if selects_class(support.accelerators, entry)]
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
    assert served == {name: dict(SERVED_BY[_kind(name)]) for name in CATALOG.classes}


def _kind(name: str) -> str:
    """What decides which supports a class has: its family, and whether it is a partition."""
    labels = CATALOG.classes[name].metadata.labels
    if labels.get("stowage.dev/partition") == "mig" and labels["stowage.dev/family"] == "ampere":
        return "mig-ampere"
    return labels.get("stowage.dev/partition", labels["stowage.dev/family"])


def _servers(**supports: str) -> dict[str, list[str]]:
    return {runtime.replace("_", "-"): [support] for runtime, support in supports.items()}


CLASSIC = _servers(llama_cpp="cuda", triton="cuda", tensorflow_serving="cuda")
HOST = _servers(
    llama_cpp="cpu", mlserver="cpu", onnx_server="cpu", openvino_model_server="cpu", tensorflow_serving="cpu"
)
INTEL_GPU = _servers(openvino_model_server="gpu")
SERVED_BY: dict[str, dict[str, list[str]]] = {
    "volta": CLASSIC,
    "turing": CLASSIC | _servers(vllm="cuda-turing"),
    "ampere": CLASSIC | _servers(vllm="cuda-ampere", sglang="cuda-ampere"),
    "ada": CLASSIC | _servers(vllm="cuda", sglang="cuda"),
    "hopper": CLASSIC | _servers(vllm="cuda", sglang="cuda"),
    "mig": CLASSIC | _servers(llama_cpp="cuda-mig", vllm="cuda-mig", sglang="cuda-mig"),
    "mig-ampere": CLASSIC
    | _servers(llama_cpp="cuda-mig", vllm="cuda-mig-ampere", sglang="cuda-mig-ampere"),
    "blackwell": _servers(llama_cpp="cuda", triton="cuda", vllm="cuda", sglang="cuda"),
    "cdna2": _servers(vllm="rocm"),
    "rdna3": _servers(vllm="rocm"),
    "cdna3": _servers(vllm="rocm", sglang="rocm"),
    "cdna4": _servers(vllm="rocm-cdna4", sglang="rocm-cdna4"),
    "xe-hpg": INTEL_GPU,
    "xe-hpc": INTEL_GPU | _servers(vllm="xpu"),
    "xe2": INTEL_GPU | _servers(vllm="xpu"),
    "core-ultra-npu": _servers(openvino_model_server="npu"),
    **{family: _servers(vllm="tpu") for family in ("tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu7x")},
    "inferentia2": _servers(vllm="neuron"),
    "trainium1": _servers(vllm="neuron"),
    "trainium2": _servers(vllm="neuron-trainium2"),
    "gaudi2": _servers(vllm="gaudi"),
    "gaudi3": _servers(vllm="gaudi"),
    "ascend310p": _servers(vllm="ascend-310p"),
    "ascend910b": _servers(vllm="ascend-910b"),
    "ascend910c": _servers(vllm="ascend-910c"),
    "alveo": _servers(vitis_ai="alveo"),
    "versal": _servers(vitis_ai="alveo"),
    "generic": HOST,
    "avx2": HOST,
    "avx-vnni": HOST,
    "avx512": HOST | _servers(vllm="cpu"),
    "amx": HOST | _servers(vllm="cpu"),
    "arm-i8mm": HOST | _servers(vllm="cpu-arm"),
    "arm-dotprod": HOST | _servers(vllm="cpu-arm"),
    # Devices that no server here is known to run on; saying so is better than a pod that can't start.
    **{
        family: {}
        for family in (
            "ai100", "arria10", "ascend310", "ascend910a", "agilex", "atom", "br100", "c500", "corex", "dcu",
            "edge-tpu", "ethos-u", "gc200", "gcu", "hailo8", "inferentia1", "jetson-orin", "jetson-thor",
            "mlu370", "mtt", "rdna1", "rebel", "rk3588", "rngd", "stratix10", "tpu-v4", "trainium3",
            "virtex-ultrascale-plus",
        )
    },
}  # fmt: skip
"""By family: each runtime's one support."""


@pytest.mark.parametrize("name", sorted(CATALOG.runtimes))
def test_a_class_has_at_most_one_support_of_a_runtime(name: str) -> None:
    for accelerator_class in CATALOG.classes:
        assert len(support_names(name, accelerator_class)) <= 1


def test_partitions_are_never_joined() -> None:
    for name, entry in CATALOG.classes.items():
        if _kind(name) == "mig":
            for runtime in CATALOG.runtimes.values():
                for support in runtime.spec.supports:
                    if selects_class(support.accelerators, entry):
                        assert support.device_counts == [1], f"{runtime.name} {support.name} on {name}"


@pytest.mark.parametrize(
    ("accelerator_class", "architecture"),
    [
        ("nvidia-gh200", "arm64"),
        ("nvidia-gb200", "arm64"),
        ("nvidia-t4g", "arm64"),
        ("amd-mi300x", "amd64"),
        ("cpu-arm64-i8mm-bf16", "arm64"),
        ("cpu-x86-amx-int8", "amd64"),
        ("huawei-ascend-910b", "arm64"),
    ],
)
def test_vllm_has_an_image_for_the_cpus_beside_the_device(accelerator_class: str, architecture: str) -> None:
    (name,) = support_names("vllm", accelerator_class)
    (support,) = (s for s in CATALOG.runtimes["vllm"].spec.supports if s.name == name)
    assert architecture in support.architectures


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
    assert not OPTIONAL & set(support.arguments), "left out alone, it would leave its flag behind"


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
        given = [*support.arguments, *(variable.value for variable in support.environment)]
        assert any(value.endswith(str(protocol.port)) for value in given)
    assert runtime.spec.sources


@pytest.mark.parametrize("name", [support.name for support in CATALOG.runtimes["vllm"].spec.supports])
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
        ("nvidia-b200", {"fp32", "fp16", "bf16", "fp8", "int8", "fp4"}, {"int4", "int8"}),
        ("nvidia-h100-80gb-mig-1g.10gb", {"fp32", "fp16", "bf16", "fp8", "int8"}, {"int4", "int8"}),
        ("amd-mi210", {"fp16", "bf16"}, set()),
        ("amd-mi355x", {"fp16", "bf16", "fp8", "fp4"}, set()),
        ("intel-max-1550", {"fp16", "bf16"}, {"int4"}),
        ("google-tpu7x-ironwood", {"bf16"}, set()),
        ("aws-trainium2", {"fp32", "fp16", "bf16"}, set()),
        ("intel-gaudi2", {"bf16"}, set()),
        ("huawei-ascend-910b", {"fp16", "bf16", "int8"}, set()),
        ("huawei-ascend-310p", {"fp16", "int8"}, set()),
        ("cpu-x86-avx512-bf16", {"fp32", "bf16", "int8"}, {"int4"}),
        ("cpu-arm64-i8mm-bf16", {"fp32", "bf16"}, set()),
        ("cpu-arm64-dotprod", {"fp32"}, set()),
    ],
)
def test_what_vllm_serves_on_a_class(accelerator_class: str, native: set[str], weight_only: set[str]) -> None:
    entry = CATALOG.classes[accelerator_class]
    computes = {precision.name for precision in entry.spec.precisions}
    (support,) = (s for s in CATALOG.runtimes["vllm"].spec.supports if selects_class(s.accelerators, entry))
    assert set(support.precisions) & computes == native
    assert {w.weights for w in support.weight_only if computes & set(w.activations)} == weight_only


def test_no_server_falls_back_to_the_cpu_in_silence() -> None:
    for name in ("triton", "llama-cpp", "tensorflow-serving"):
        for support in CATALOG.runtimes[name].spec.supports:
            if "CPU" not in support.accelerators.types:
                assert "exit 70" in support.command[2]


@pytest.mark.parametrize(
    ("precision", "quantization", "server"),
    [
        ("fp32", None, "onnx-server"),
        ("int8", {"scheme": "nncf"}, "onnx-server"),
        ("int8", None, "onnx-server"),
        ("int8", {"scheme": "qdq"}, "onnx-server"),
        ("bf16", None, "openvino-model-server"),  # which alone computes in it
    ],
)
@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_a_classic_model_on_a_cpu_has_one_server(
    form: str, precision: str, quantization: dict[str, str] | None, server: str
) -> None:
    variant = {"name": "v", "precision": precision, "format": form, "uri": "oci://e/m:1", "size": "98Mi"}
    if quantization:
        variant["quantization"] = quantization
    snapshot = Snapshot((pool("cpu-x86-amx-int8", 64),), tuple(CATALOG.runtimes.values()), used={})
    decision = decide(snapshot, Demand(workload([variant], model=CLASSIC_MODEL), any_type()), ())
    assert [chosen.candidate.runtime.name for chosen in decision.placements] == [server]


def test_our_own_image_is_of_this_version() -> None:
    (support,) = CATALOG.runtimes["onnx-server"].spec.supports
    assert support.image == f"stowage/onnx-server:{__version__}"

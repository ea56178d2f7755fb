"""Placeholders, and arguments that belong to the runtime however they are written."""

from __future__ import annotations

import pytest

from stowage.api.inference_runtime import Support
from stowage.render.additions import reserved_argument, reserved_variable
from stowage.render.command import fill, placeholder_values, server_arguments

from .builders import BF16, CATALOG, CLASSIC, workload

VALUES = {
    "modelPath": "/models/a",
    "modelName": "llama",
    "devices": "2",
    "contextLength": None,
    "digest": None,
}
DIGEST = f"sha256:{'0' * 64}"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], []),
        (["--port=8000"], ["--port=8000"]),
        (["{modelPath}", "--name={modelName}"], ["/models/a", "--name=llama"]),
        (["{modelName}-{devices}-{modelName}"], ["llama-2-llama"]),
        (["--len={contextLength}", "--tp={devices}"], ["--tp=2"]),
        (["{devices}-{contextLength}"], []),
        (["--digest={digest}", "{modelName}"], ["llama"]),
        (['--json={"a":{"b":"{devices}"}}'], ['--json={"a":{"b":"2"}}']),
        (["{}", "{ devices }", "{1}", "{a-b}"], ["{}", "{ devices }", "{1}", "{a-b}"]),
    ],
)
def test_placeholders(arguments: list[str], expected: list[str]) -> None:
    assert fill(arguments, VALUES) == expected


@pytest.mark.parametrize("argument", ["{model}", "--tp={Devices}", "{modelPath}{nothing}"])
def test_an_unknown_placeholder_is_a_mistake(argument: str) -> None:
    with pytest.raises(ValueError, match="known are contextLength, devices, digest, modelName, modelPath"):
        fill([argument], VALUES)


def test_a_value_that_looks_like_a_placeholder_stays() -> None:
    assert fill(["{modelName}"], {**VALUES, "modelName": "{devices}"}) == ["{devices}"]


def test_values_of_a_language_and_of_a_classic_model() -> None:
    language = workload()
    assert placeholder_values(language, language.spec.variants[0], "/models/a", 4) == {
        "modelPath": "/models/a",
        "modelName": "llama",
        "digest": None,
        "devices": "4",
        "contextLength": "8192",
    }
    classic = workload([{**BF16, "digest": DIGEST}], model=CLASSIC)
    values = placeholder_values(classic, classic.spec.variants[0], "/models/a", 1)
    assert (values["contextLength"], values["digest"]) == (None, DIGEST)


SUPPORT = Support.model_validate(
    {
        "name": "cuda",
        "image": "server:1",
        "arguments": ["serve", "{modelPath}"],
        "variantArguments": [
            {"precisions": ["bf16"], "arguments": ["--dtype=bfloat16"]},
            {"schemes": ["awq"], "arguments": ["--quantization=awq"]},
            {"precisions": ["int8"], "schemes": ["gptq"], "arguments": ["--eight"]},
            {"arguments": ["--without-scheme"]},
        ],
    }
)


@pytest.mark.parametrize(
    ("variant", "pins"),
    [
        ({"precision": "bf16"}, ["--dtype=bfloat16", "--without-scheme"]),
        ({"precision": "fp16"}, ["--without-scheme"]),
        ({"precision": "int4", "quantization": {"scheme": "awq"}}, ["--quantization=awq"]),
        ({"precision": "int8", "quantization": {"scheme": "gptq"}}, ["--eight"]),
        ({"precision": "int4", "quantization": {"scheme": "gptq"}}, []),
        ({"precision": "bf16", "quantization": {"scheme": "other"}}, []),
    ],
)
def test_the_runtimes_arguments_then_the_variants_then_the_users(
    variant: dict[str, object], pins: list[str]
) -> None:
    given = workload([{**BF16, **variant}], template={"extraArguments": ["--mine={modelPath}", "--last"]})
    arguments = server_arguments(given, given.spec.variants[0], SUPPORT, VALUES)
    assert arguments == ["serve", "/models/a", *pins, "--mine={modelPath}", "--last"]


REFUSED = {
    "vllm": [
        *("--port=1", "--port 1", "--port", "--port\t1"),
        *("--served_model_name=x", "--served-model-name", "--served_model-name"),
        *("--trust", "--trust-remote-code", "--trust_remote_code=true", "--trust-rem"),
        *("-qfp8", "-q", "-q=fp8", "-q fp8", "--quant", "--quantization=awq"),
        *("--hf-overrides.x=1", "--hf_overrides.rope.theta", "--hf-overrides+=1", "--hf-overrides"),
        *("--middleware+", "--logits_processors+=x", "--logits-processors"),
        *("-tp", "-tp=2", "-tp 2", "-t", "-t=2", "--tensor-parallel-size=8", "--tensor"),
        *("-pp", "-dp", "-p", "-d"),
        *("--config=/tmp/x", "--dtype=half", "--max-model-len=1", "--max-mod", "--reasoning-parser-plugin=x"),
    ],
    "triton": [
        *("--model-repository=/", "--model_repository=/", "--model-rep", "--http-port=1", "--load-model=x"),
        *("--allow-http=false", "--backend-config=onnxruntime,x=1", "--exit-on-error=false"),
    ],
    "openvino-model-server": [
        *("--model_path=/", "--model-path=/", "--port=1", "--rest_port 1", "--target_device=GPU"),
        *("--plugin_config={}", "--config_path=/x", "--model"),
    ],
    "llama-cpp": [
        *("-m", "--model", "--model=/x", "-hf", "-ngl", "--gpu_layers", "--n-gpu-layers", "-c", "-t", "-a"),
        *("--tools", "--agent", "-ag", "--api-key-file", "--rpc", "--host", "--ctx-size"),
    ],
    "mlserver": ["--help"],
    "onnx-server": [
        "--model-path=/",
        "--model_name=x",
        "--model",
        "--threads=9",
        "--digest=sha256:0",
        "--termination-log=/x",
        "--port 1",
        "--host=::",
        "--version",
    ],
    "sglang": [
        *("--model-path=/x", "--model_path", "--port=1", "--tp=2", "--tp-size", "--tensor-parallel-size=2"),
        *("--trust-remote-code", "--quantization=fp8", "--context-length=1", "--dtype=half", "--json-model"),
    ],
    "tensorflow-serving": [
        *("--model_base_path=/", "--port=1", "--rest_api_port=1", "--model_config_file=/x", "--model_name"),
        *("--monitoring_config_file=/x", "--tensorflow_intra_op_parallelism=9"),
    ],
    "vitis-ai": ["--model-repository=/x", "--http-port=1", "--grpc-port", "--repository-monitoring"],
}
ALLOWED = {
    "vllm": [
        *("--max-num-seqs=64", "--max_num_seqs=64", "--enable-prefix-caching", "--no-enable-prefix-caching"),
        *("--enforce-eager", "--gpu-memory-utilization=0.9", "--max-num-batched-tokens", "8192"),
        *("--reasoning-parser=deepseek_r1", "--tool-call-parser=hermes", "--enable-auto-tool-choice"),
        *("--chat-template=/x", "--seed=1", "--swap-space=4", "--speculative-config.method=ngram"),
        *("--data-parallel-backend=mp", "--api-key=x", "--load-balancing", "--lora-modules", "a=b"),
        *("-O3", "-O.level=3", "-cc.mode=3", "-ep", "--", "-", "", "port", "model", "--pooler-config.x=1"),
        *("--uvicorn-log-level=info", "--tokenizer-mode=auto", "--model-impl=vllm", "--revisions"),
    ],
    "triton": ["--log-verbose=1", "--http-thread-count=8", "--model-load-thread-count=4", "--cache-config=x"],
    "openvino-model-server": ["--nireq=4", "--log_level=DEBUG", "--layout=NHWC", "--metrics_enable"],
    "llama-cpp": [
        *("-cb", "--cont-batching", "-np", "4", "--parallel", "-fa", "on", "--flash-attn", "-b", "-ub"),
        *("-ctk", "q8_0", "-ctv", "-cmoe", "-tb", "--threads-batch", "-ts", "-to", "-mg", "-mm"),
        *("--api-key", "x", "--ui", "--no-webui", "-n", "--jinja", "--reasoning-format", "-sm", "--lora"),
    ],
    "mlserver": ["--verbose"],
    "onnx-server": [
        "--engine=openvino",
        "--max-request-mebibytes=256",
        "--drain-seconds=9",
        "--finish-seconds=30",
    ],
    "sglang": [
        "--mem-fraction-static=0.8",
        "--chunked-prefill-size=4096",
        "--tool-call-parser=qwen",
        "--seed=1",
    ],
    "tensorflow-serving": ["--enable_batching=true", "--rest_api_timeout_in_ms=1000"],
    "vitis-ai": ["--enable-repository-watcher"],
}


def refused(runtime: str, *arguments: str) -> str | None:
    given = workload(template={"extraArguments": list(arguments)})
    return reserved_argument(given, CATALOG.runtimes[runtime])


def test_every_runtime_is_looked_at() -> None:
    assert set(REFUSED) == set(ALLOWED) == set(CATALOG.runtimes)


@pytest.mark.parametrize(("runtime", "argument"), [(r, a) for r, given in REFUSED.items() for a in given])
def test_reserved_in_any_way_of_writing(runtime: str, argument: str) -> None:
    assert refused(runtime, argument) == argument


@pytest.mark.parametrize(("runtime", "argument"), [(r, a) for r, given in ALLOWED.items() for a in given])
def test_ordinary_arguments_are_allowed(runtime: str, argument: str) -> None:
    assert refused(runtime, argument) is None


@pytest.mark.parametrize(
    ("runtime", "flag"),
    [(r.name, flag) for r in CATALOG.runtimes.values() for flag in r.spec.reserved_arguments],
)
def test_every_reserved_argument_is_refused_as_it_is_listed(runtime: str, flag: str) -> None:
    for argument in (flag, f"{flag}=1", f"{flag} 1"):
        assert refused(runtime, argument) == argument


@pytest.mark.parametrize(
    ("runtime", "flag", "argument"),
    [
        ("vllm", "--data-parallel-address", "--data-parallel-addr=10.0.0.1"),
        ("vllm", "-n", "-n2"),
        ("vllm", "-r", "-r=1"),
        ("vllm", "-dpa", "-dpa=10.0.0.1"),
        ("vllm", "--port", "-port=9"),
        ("llama-cpp", "--port", "-port"),
    ],
)
def test_more_ways_to_write_a_reserved_flag(runtime: str, flag: str, argument: str) -> None:
    assert flag in CATALOG.runtimes[runtime].spec.reserved_arguments
    assert refused(runtime, argument) == argument


@pytest.mark.parametrize(
    ("runtime", "variable", "is_reserved"),
    [
        ("llama-cpp", "LLAMA_ARG_MODEL", True),
        ("llama-cpp", "llama_arg_port", True),
        ("llama-cpp", "GGML_BACKEND_PATH", True),
        ("llama-cpp", "GGML_CUDA_ENABLE_UNIFIED_MEMORY", False),
        ("vllm", "VLLM_API_KEY", True),
        ("vllm", "VLLM_NCCL_SO_PATH", True),
        ("vllm", "VLLM_LOGGING_CONFIG_PATH", True),
        ("vllm", "VLLM_DP_RANK", True),
        ("vllm", "VLLM_LOGGING_LEVEL", False),
        ("vllm", "LLAMA_ARG_MODEL", False),
        ("mlserver", "mlserver_model_implementation", True),
        ("sglang", "SGLANG_EXTERNAL_MODEL_PACKAGE", True),
        ("tensorflow-serving", "MODEL_BASE_PATH", True),
        ("triton", "HTTPS_PROXY", False),
    ],
)
def test_variables_that_a_runtime_reserves(runtime: str, variable: str, is_reserved: bool) -> None:
    env = [{"name": "HF_HUB_OFFLINE", "value": "1"}, {"name": variable, "value": "1"}]
    given = workload(template={"env": env})
    assert reserved_variable(given, CATALOG.runtimes[runtime]) == (variable if is_reserved else None)


def test_the_first_of_several_is_named() -> None:
    assert refused("vllm", "--max-num-seqs=4", "--seed=1", "--port=1", "--host=x") == "--port=1"
    assert refused("vllm") is None

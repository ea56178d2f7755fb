"""Memory by hand-computed numbers."""

from __future__ import annotations

from typing import Any

import pytest

from stowage.api.quantity import GIB
from stowage.placement.checks import memory
from stowage.placement.fit import Fit, cache_shares, fit, fit_host, kv_bytes_per_token
from stowage.placement.snapshot import Demand

from .builders import (
    CHAT,
    CLASSIFIER,
    Spec,
    accelerator,
    candidate,
    cpu_class,
    node,
    policy,
    runtime,
    snapshot,
    variant,
    workload,
)

RESERVE = int(2.3 * GIB)
CONTEXT = GIB  # 128 KiB a token x 8192 tokens


@pytest.mark.parametrize(
    ("quantization", "expected"),
    [
        pytest.param(None, 131_072, id="2 x 32 layers x 8 heads x 128 x 2 bytes"),
        pytest.param({"kvCache": "fp8"}, 65_536, id="an 8-bit cache is half"),
        pytest.param({"kvCache": "fp4"}, 32_768, id="a 4-bit cache is a quarter"),
        pytest.param({"activations": "fp32"}, 262_144, id="fp32 arithmetic keeps fp32"),
        pytest.param({"weights": "int4"}, 131_072, id="narrow weights change nothing"),
    ],
)
def test_cache_of_one_token(quantization: Spec | None, expected: int) -> None:
    extra = {"quantization": quantization} if quantization else {}
    spec = workload([variant(**extra)]).spec
    assert kv_bytes_per_token(spec.model, spec.variants[0]) == expected


def test_a_classic_model_has_no_cache() -> None:
    spec = workload(model=CLASSIFIER).spec
    assert kv_bytes_per_token(spec.model, spec.variants[0]) == 0


def share(size: float, devices: int) -> int:
    """Weights on each device: x 1.02 loaded and, when spread, x 1.05 for imbalance."""
    return int(size * GIB * 1.02 / devices * (1.05 if devices > 1 else 1.0))


@pytest.mark.parametrize(
    ("model", "size", "devices", "needed"),
    [
        pytest.param(CHAT, "8Gi", 1, share(8, 1) + RESERVE + CONTEXT, id="one device: 11.5 GiB"),
        pytest.param(CHAT, "8Gi", 2, share(8, 2) + RESERVE + CONTEXT // 2, id="two share weights and cache"),
        pytest.param(CHAT, "8Gi", 16, share(8, 16) + RESERVE + CONTEXT // 8, id="8 heads on 16: copied"),
        pytest.param(CLASSIFIER, "26Mi", 1, share(26 / 1024, 1) + GIB // 2 + 100 * 1024**2, id="classic"),
    ],
)
def test_needed_on_each_device(model: Spec, size: str, devices: int, needed: int) -> None:
    spec = workload([variant(size=size)], model=model).spec
    found = fit(spec.model, spec.variants[0], devices, 16 * GIB)
    assert found == Fit(devices, needed, int(16 * GIB * 0.84))


def test_host_memory_holds_the_model_once() -> None:
    spec = workload().spec
    expected = Fit(16, share(8, 1) + RESERVE + CONTEXT, 64 * GIB)
    assert fit_host(spec.model, spec.variants[0], 16, 64 * GIB) == expected


def test_heads_that_are_fewer_than_devices_are_copied() -> None:
    single = workload(model={**CHAT, "attention": {**CHAT["attention"], "kvHeads": 1}}).spec.model
    assert [cache_shares(single, 8), cache_shares(workload().spec.model, 8)] == [1, 8]


@pytest.mark.parametrize(
    ("size", "gpus", "message"),
    [
        pytest.param(
            "15Gi",
            1,
            "needs 18.6 GiB, one nvidia-t4 offers 13.4 GiB usable: 5.2 GiB short",
            id="one device: 15 x 1.02 + 2.3 + 1.0 against 16 x 0.84",
        ),
        pytest.param(
            "10Gi", 1, "needs 13.5 GiB, one nvidia-t4 offers 13.4 GiB usable: 0.1 GiB short", id="by little"
        ),
        pytest.param("9Gi", 1, None, id="fits"),
        pytest.param("15Gi", 2, None, id="fits on two"),
        pytest.param(
            "80Gi",
            2,
            "needs 45.6 GiB, each of 2 nvidia-t4 offers 13.4 GiB usable: 32.2 GiB short",
            id="two, as many as a node has",
        ),
    ],
)
def test_the_shortfall_is_said_in_numbers(size: str, gpus: int, message: str | None) -> None:
    seen = snapshot([node("a", "nvidia-t4", gpu=gpus)], [accelerator("nvidia-t4")])
    found = memory(candidate(seen, Demand(workload([variant(size=size)]), policy())))
    assert (found and found.message) == message


@pytest.mark.parametrize(
    ("memory_text", "message"),
    [
        ("16Gi", None),
        ("8Gi", "needs 11.5 GiB, a node of cpu-64x has 8.0 GiB: 3.5 GiB short"),
    ],
)
def test_a_cpu_has_the_memory_of_its_node(memory_text: str, message: str | None) -> None:
    seen = snapshot([node("a", memory=memory_text)], [cpu_class()], runtimes=[runtime(supports=[CPU])])
    found = memory(candidate(seen, Demand(workload(), policy(allowCPU=True))))
    assert (found and found.message) == message


CPU: dict[str, Any] = {"accelerators": {"types": ["CPU"]}}

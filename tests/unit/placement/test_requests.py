"""What one replica asks of its node."""

from __future__ import annotations

import pytest

from stowage.placement.snapshot import Amounts, Demand

from .builders import (
    CLASSIFIER,
    GPU,
    Spec,
    accelerator,
    candidate,
    cpu_class,
    gib,
    node,
    policy,
    quantities,
    snapshot,
    variant,
    workload,
)

MIB = 1024**2


def requests(
    spec: Spec, resources: Spec | None = None, *, cpu: bool = False, model: Spec | None = None
) -> Amounts:
    one, device = (node("n"), cpu_class()) if cpu else (node("n", "gpu"), accelerator("gpu"))
    wanted = workload([spec], model, template={"resources": resources} if resources else {})
    return candidate(snapshot([one], [device]), Demand(wanted, policy(allowCPU=cpu))).requests


@pytest.mark.parametrize(
    ("size", "given", "expected"),
    [
        pytest.param(
            "8Gi",
            None,
            {"cpu": 4000, "memory": 14746 * MIB, "ephemeral-storage": 9012 * MIB, GPU: 1},
            id="defaults",
        ),
        pytest.param(
            "18Gi",
            None,
            {"cpu": 8000, "memory": 28058 * MIB, "ephemeral-storage": 20276 * MIB, GPU: 2},
            id="two devices: 8 cores, 18 x 1.3 + 4 GiB, 18 x 1.1 GiB",
        ),
        pytest.param(
            "8Gi",
            {"cpu": "1500m", "memory": "6Gi", "ephemeralStorage": "1Gi"},
            {**quantities(cpu="1500m", memory="6Gi", storage="1Gi"), GPU: 1},
            id="the template overrides each",
        ),
        pytest.param(
            "8Gi",
            {"memory": "6Gi"},
            {"cpu": 4000, "memory": gib(6), "ephemeral-storage": 9012 * MIB, GPU: 1},
            id="and only what it names",
        ),
    ],
)
def test_on_an_accelerator(size: str, given: Spec | None, expected: Amounts) -> None:
    assert requests(variant(size=size), given) == expected


def test_a_cpu_keeps_the_model_in_host_memory_and_a_device_is_a_core() -> None:
    """4 x 1.02 + 2.3 + 1.0 = 7.38 GiB are less than 4 x 1.3 + 4 = 9.2 GiB for loading."""
    small = requests(variant(size="4Gi"), cpu=True)
    assert small == {"cpu": 1000, "memory": 9421 * MIB, "ephemeral-storage": 4506 * MIB}


def test_a_cpu_asks_for_what_the_model_needs_where_that_is_more() -> None:
    roomy = {**CLASSIFIER, "inference": {"flops": 1, "activationMemory": "20Gi"}}
    assert (
        requests(variant(size="1Gi"), cpu=True, model=roomy)["memory"] == 22037 * MIB
    )  # 1.02 + 20 + 0.5 GiB


def test_cores_of_a_cpu_are_not_overridden() -> None:
    assert requests(variant(size="4Gi"), {"cpu": "9"}, cpu=True)["cpu"] == 1000

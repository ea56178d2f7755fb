"""What one replica asks of its node."""

from __future__ import annotations

import pytest

from stowage.api.reasons import Code
from stowage.placement.snapshot import Amounts, Demand

from .builders import (
    CLASSIFIER,
    GKE_POOL,
    GPU,
    Spec,
    accelerator,
    candidate,
    choose,
    cpu_class,
    declared,
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


@pytest.mark.parametrize(
    ("cpu", "gpus", "expected"),
    [
        pytest.param("64", 4, 4000, id="a large node: four cores"),
        pytest.param("3920m", 1, 3400, id="g5.xlarge"),
        pytest.param("3860m", 1, 3300, id="NC4as_T4_v3"),
        pytest.param("15890m", 4, 3800, id="a share of four"),
        pytest.param("500m", 1, 100, id="never nothing"),
    ],
)
def test_the_default_cpu_is_no_more_than_a_devices_share(cpu: str, gpus: int, expected: int) -> None:
    """Half a core of each node is left to daemons."""
    seen = snapshot([node("n", "gpu", cpu=cpu, gpu=gpus)], [accelerator("gpu")])
    found = candidate(seen, Demand(workload(), policy()))
    assert found.requests["cpu"] == expected
    given = workload(template={"resources": {"cpu": "6"}})
    assert candidate(seen, Demand(given, policy())).requests["cpu"] == 6000


def test_the_share_is_that_of_the_smallest_node() -> None:
    nodes = [node("a", "gpu", "p", cpu="64", gpu=8), node("b", "gpu", "p", cpu="4", gpu=1)]
    seen = snapshot(nodes, [accelerator("gpu")])
    assert candidate(seen, Demand(workload(), policy())).requests["cpu"] == 3500


def test_a_pool_without_nodes_has_the_share_that_its_declaration_says() -> None:
    pools = [
        declared(
            f"p-{i}", {GKE_POOL: f"p-{i}"}, "gpu", provisionable={"maxNodes": 1, "devicesPerNode": 2, **cpu}
        )
        for i, cpu in enumerate(({"cpu": "4"}, {}))
    ]
    seen = snapshot([], [accelerator("gpu")], pools)
    wanted = Demand(workload(), policy())
    assert [candidate(seen, wanted, p).requests["cpu"] for p in ("p-0", "p-1")] == [1700, 4000]


@pytest.mark.parametrize(
    ("size", "resources", "ending"),
    [
        pytest.param(
            "9728Mi", None, "a node has 16.0 GiB of memory; set less in template.resources", id="memory"
        ),
        pytest.param(
            "1Gi",
            {"cpu": "6"},
            "a node has 4 CPU cores; lower template.resources",
            id="CPU, as the user asks",
        ),
        pytest.param("1Gi", None, "5.3 GiB of memory; short of nvidia.com/gpu", id="the node is full"),
    ],
)
def test_a_node_that_is_too_small_be_it_empty(size: str, resources: Spec | None, ending: str) -> None:
    seen = snapshot(
        [node("n", "gpu", "p", cpu="4", memory="16Gi", gpu=1)], [accelerator("gpu")], used={"n": {GPU: 1}}
    )
    wanted = workload([variant(size=size)], template={"resources": resources} if resources else {})
    (verdict,) = choose(seen, wanted).verdicts
    assert verdict.reasons[0].code is Code.NO_CAPACITY
    assert verdict.reasons[0].message.endswith(ending)

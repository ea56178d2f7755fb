"""Which nodes are alike, what they are called, and what AcceleratorPools say of them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from stowage.api.accelerator_pool import AcceleratorPool
from stowage.placement.discovery import discover
from stowage.placement.pools import slice_hosts
from stowage.placement.snapshot import Node, Pool, Provision

from .builders import (
    ARCHITECTURE,
    GKE_POOL,
    KIND,
    TPU,
    accelerator,
    cpu_class,
    declared,
    fleet,
    gib,
    node,
    priced,
)

INSTANCE = "node.kubernetes.io/instance-type"
KARPENTER = {"karpenter.sh/nodepool": "gpu", INSTANCE: "g6.4xlarge"}
STRATEGY, REPLICAS = "nvidia.com/gpu.sharing-strategy", "nvidia.com/gpu.replicas"
TOPOLOGY = "cloud.google.com/gke-tpu-topology"
L4 = accelerator("l4", memory="24Gi", memoryLabels=[{"key": "nvidia.com/gpu.memory", "unit": "Mi"}])
SHARING = [{"strategyLabel": STRATEGY, "replicasLabel": REPLICAS}]
SHARED = accelerator("l4", memory="24Gi", sharing=SHARING)
TPU_CLASS = accelerator(
    "tpu", type="TPU", vendor="Google", resourceName=TPU, poolLabels=[TOPOLOGY], topologyLabel=TOPOLOGY
)
CLASSES = [L4, TPU_CLASS, cpu_class("cpu")]


def pools(*nodes: Node, also: tuple[AcceleratorPool, ...] = (), shared: bool = False) -> tuple[Pool, ...]:
    classes = [SHARED, *CLASSES[1:]] if shared else CLASSES
    return discover(nodes, classes, also).pools


def l4(name: str = "a", **labels: str) -> Node:
    return node(name, "l4", gpu=2, labels=labels)


@pytest.mark.parametrize(
    ("one", "name", "keys", "identified", "capacity_type"),
    [
        pytest.param(
            l4(**{GKE_POOL: "l4-spot", "cloud.google.com/gke-spot": "true"}),
            "l4-spot",
            ((GKE_POOL, "l4-spot"),),
            True,
            "spot",
            id="GKE",
        ),
        pytest.param(
            l4(**{GKE_POOL: "l4", "cloud.google.com/reservation-name": "r"}),
            "l4",
            ((GKE_POOL, "l4"),),
            True,
            "reserved",
            id="GKE with a reservation",
        ),
        pytest.param(
            l4(**KARPENTER, **{"karpenter.sh/capacity-type": "spot"}),
            "gpu.g6.4xlarge.spot",
            (
                ("karpenter.sh/nodepool", "gpu"),
                (INSTANCE, "g6.4xlarge"),
                ("karpenter.sh/capacity-type", "spot"),
            ),
            True,
            "spot",
            id="Karpenter: a NodePool may mix shapes",
        ),
        pytest.param(
            l4(
                **{
                    "eks.amazonaws.com/nodegroup": "g",
                    INSTANCE: "g6.xlarge",
                    "eks.amazonaws.com/capacityType": "SPOT",
                }
            ),
            "g.g6.xlarge",
            (("eks.amazonaws.com/nodegroup", "g"), (INSTANCE, "g6.xlarge")),
            True,
            "spot",
            id="EKS",
        ),
        pytest.param(
            l4(**{"kubernetes.azure.com/agentpool": "gpu", "agentpool": "gpu"}),
            "gpu",
            (("kubernetes.azure.com/agentpool", "gpu"),),
            True,
            "on-demand",
            id="AKS",
        ),
        pytest.param(l4(), "l4-2x", ((ARCHITECTURE, "amd64"),), False, "on-demand", id="on premises"),
        pytest.param(
            l4(**{INSTANCE: "k3s"}),
            "k3s.l4-2x",
            ((INSTANCE, "k3s"), (ARCHITECTURE, "amd64")),
            False,
            "on-demand",
            id="an instance type that says little",
        ),
        pytest.param(
            l4(**{ARCHITECTURE: "arm64"}),
            "l4-2x.arm64",
            ((ARCHITECTURE, "arm64"),),
            False,
            "on-demand",
            id="on premises, arm64",
        ),
        pytest.param(node("a"), "cpu-64x", ((ARCHITECTURE, "amd64"),), False, "on-demand", id="CPU"),
        pytest.param(
            node("a", "tpu", tpu=4, labels={GKE_POOL: "t", TOPOLOGY: "2x2"}),
            "t",
            ((GKE_POOL, "t"), (TOPOLOGY, "2x2")),
            True,
            "on-demand",
            id="a GKE pool has one topology",
        ),
        pytest.param(
            node("a", "tpu", tpu=4, labels={TOPOLOGY: "2x2"}),
            "tpu-4x.2x2",
            ((ARCHITECTURE, "amd64"), (TOPOLOGY, "2x2")),
            False,
            "on-demand",
            id="elsewhere the class's pool labels part",
        ),
    ],
)
def test_names(
    one: Node, name: str, keys: tuple[tuple[str, str], ...], identified: bool, capacity_type: str
) -> None:
    (found,) = pools(one)
    assert (found.name, found.keys, found.identified_by_keys, found.capacity_type) == (
        name,
        keys,
        identified,
        capacity_type,
    )


def test_the_demo_fleet() -> None:
    found = [
        (p.name, p.accelerator_class.name, p.devices_per_node, len(p.nodes), str(p.cost_per_hour))
        for p in fleet().pools
    ]
    assert (fleet().problems, found) == (
        (),
        [
            ("a100-80", "nvidia-a100-80gb", 4, 2, "20.28"),
            ("amd-alveo-u250-2x.xilinx_u250_gen3x16_base_4-0", "amd-alveo-u250", 2, 1, "None"),
            ("cpu-amx", "cpu-x86-amx-int8", 21, 2, "1.14"),
            ("cpu-general", "cpu-x86-avx512-vnni", 7, 2, "None"),
            ("inf2.inf2.8xlarge", "aws-inferentia2", 1, 2, "1.97"),
            ("l4-spot", "nvidia-l4", 2, 4, "0.84"),
            ("t4.g4dn.2xlarge.on-demand", "nvidia-t4", 1, 2, "0.75"),
            ("tpu-v5e", "google-tpu-v5e", 4, 2, "4.80"),
        ],
    )


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(node("0", "l4", gpu=8), id="another size"),
        pytest.param(l4("0", **{GKE_POOL: "l4-2x"}), id="a pool of the same name"),
        pytest.param(l4("0", **{ARCHITECTURE: "arm64"}), id="another architecture"),
        pytest.param(l4("0", **{INSTANCE: "k3s"}), id="with an instance type"),
        pytest.param(node("0"), id="a CPU node"),
    ],
)
def test_a_name_never_depends_on_other_nodes(other: Node) -> None:
    with_other = [p for p in pools(l4("a"), other) if any(n.name == "a" for n in p.nodes)]
    assert [(p.name, p.keys) for p in with_other] == [(p.name, p.keys) for p in pools(l4("a"))]


def test_two_classes_under_one_instance_type_are_two_pools() -> None:
    found = pools(l4("a", **{INSTANCE: "k3s"}), node("b", labels={INSTANCE: "k3s"}))
    assert [(p.name, [n.name for n in p.nodes]) for p in found] == [
        ("k3s.cpu-64x", ["b"]),
        ("k3s.l4-2x", ["a"]),
    ]


def test_the_order_of_the_arguments_changes_nothing() -> None:
    nodes = [l4("a"), l4("b", **{GKE_POOL: "p"}), node("c"), l4("d", **{GKE_POOL: "p"})]
    also = [priced("p", "l4", "2"), declared("q", {GKE_POOL: "q"}, "l4", provisionable=ONE)]
    assert discover(nodes, CLASSES, also) == discover(nodes[::-1], CLASSES[::-1], also[::-1])


ONE = {"maxNodes": 1, "devicesPerNode": 4}


def test_a_price_never_renames() -> None:
    before = pools(l4(**{GKE_POOL: "p"}), l4("b"))
    after = pools(
        l4(**{GKE_POOL: "p"}),
        l4("b"),
        also=(declared("x", {GKE_POOL: "p"}, "l4", costPerHour="2.5", capacityType="reserved"),),
    )
    priced_pool = replace(before[1], cost_per_hour=Decimal("2.5"), capacity_type="reserved")
    assert after == (before[0], priced_pool)


@pytest.mark.parametrize(
    ("declaration", "problems", "prices"),
    [
        pytest.param(priced("p", "l4", "2"), (), [Decimal(2)], id="meant"),
        pytest.param(priced("q", "l4", "2"), (), [None], id="another pool"),
        pytest.param(priced("p", "tpu", "2"), (), [None], id="another class"),
        pytest.param(
            priced("p", "l5", "2"),
            ("AcceleratorPool price-p: acceleratorClass 'l5' doesn't exist",),
            [None],
            id="no such class",
        ),
    ],
)
def test_a_price_is_that_of_the_pool_that_is_meant(
    declaration: AcceleratorPool, problems: tuple[str, ...], prices: list[Decimal | None]
) -> None:
    found = discover([l4(**{GKE_POOL: "p"})], CLASSES, [declaration])
    assert (found.problems, [p.cost_per_hour for p in found.pools]) == (problems, prices)


SHAPE = {
    "nvidia.com/gpu": 4,
    "cpu": 16_000,
    "memory": gib(64),
    "ephemeral-storage": 2**60,
    "pods": 110,
}
GROWS = {"maxNodes": 3, "devicesPerNode": 4, "cpu": "16", "memory": "64Gi", "architecture": "arm64"}


def test_a_pool_without_nodes() -> None:
    (found,) = pools(
        also=(
            declared("x", {GKE_POOL: "new"}, "l4", capacityType="spot", costPerHour="4", provisionable=GROWS),
        )
    )
    assert found == Pool(
        name="new",
        accelerator_class=L4,
        nodes=(),
        keys=((GKE_POOL, "new"),),
        identified_by_keys=True,
        capacity_type="spot",
        architecture="arm64",
        devices_per_node=4,
        device_memory=gib(24),
        node_memory=gib(64),
        node_cpu=16000,
        cpu_per_device=3800,
        labels={GKE_POOL: "new"},
        cost_per_hour=Decimal(4),
        provision=Provision(3, SHAPE),
    )


def test_a_pool_that_gets_its_first_node_keeps_its_name() -> None:
    declaration = declared("x", {GKE_POOL: "new"}, "l4", provisionable=GROWS)
    (found,) = pools(l4(**{GKE_POOL: "new"}), also=(declaration,))
    assert (found.name, len(found.nodes), found.provision) == ("new", 1, Provision(2, SHAPE))


def test_a_declared_pool_stays_beside_the_pools_that_its_nodes_turn_out_to_be() -> None:
    declaration = declared("x", {"karpenter.sh/nodepool": "gpu"}, "l4", provisionable=GROWS)
    came = l4(**KARPENTER, **{"karpenter.sh/capacity-type": "spot"})
    before = [(p.name, len(p.nodes), p.provision) for p in pools(also=(declaration,))]
    after = [(p.name, len(p.nodes), p.provision) for p in pools(came, also=(declaration,))]
    assert (before, after) == (
        [("x", 0, Provision(3, SHAPE))],
        [("gpu.g6.4xlarge.spot", 1, Provision(2, SHAPE)), ("x", 0, None)],
    )


@pytest.mark.parametrize("existing", [3, 4])
def test_a_pool_at_its_limit_can_not_grow(existing: int) -> None:
    nodes = [l4(str(i), **{GKE_POOL: "p"}) for i in range(existing)]
    (found,) = pools(*nodes, also=(declared("x", {GKE_POOL: "p"}, "l4", provisionable=GROWS),))
    assert found.provision is None


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["23034"], 23034 * 1024**2),
        (["23034", "22500"], 22500 * 1024**2),
        (["", "0"], gib(24)),
        (["not a number"], gib(24)),
    ],
)
def test_a_live_memory_label_wins_over_the_nominal_figure(texts: list[str], expected: int) -> None:
    (found,) = pools(*(l4(str(i), **{"nvidia.com/gpu.memory": t}) for i, t in enumerate(texts)))
    assert found.device_memory == expected


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        pytest.param(
            {STRATEGY: "time-slicing", REPLICAS: "2"}, ("l4-2x.shared", True, gib(12)), id="two shares"
        ),
        pytest.param({STRATEGY: "none", REPLICAS: "1"}, ("l4-2x", False, gib(24)), id="exclusive"),
        pytest.param({REPLICAS: "4"}, ("l4-2x.shared", True, gib(6)), id="shares without a strategy"),
        pytest.param({REPLICAS: "1"}, ("l4-2x", False, gib(24)), id="one share is none"),
        pytest.param({STRATEGY: "mps"}, ("l4-2x.shared", True, gib(24)), id="of unknown number"),
    ],
)
def test_shared_devices_have_a_share_of_the_memory(
    labels: dict[str, str], expected: tuple[str, bool, int]
) -> None:
    (found,) = pools(l4(**labels), shared=True)
    assert (found.name, found.shared, found.device_memory) == expected


@pytest.mark.parametrize(
    ("topology", "devices", "hosts"),
    [("2x2", 4, 1), ("2x4", 8, 1), ("2x4", 4, 2), ("4x4", 4, 4), ("2x2x2", 4, 2), ("", 4, 1)],
)
def test_hosts_of_a_slice(topology: str, devices: int, hosts: int) -> None:
    (found,) = pools(node("a", labels={KIND: "tpu", TOPOLOGY: topology}, tpu=devices))
    assert slice_hosts(found) == hosts


def test_a_cpu_has_as_many_devices_as_pods_can_have_cores() -> None:
    whole = node("a", cpu="8")
    one = replace(whole, allocatable={**whole.allocatable, "cpu": 7910})
    (found,) = pools(one)
    assert (found.name, found.devices_per_node) == ("cpu-8x", 7)

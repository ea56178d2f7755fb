"""A pool's resource is what its nodes publish, and its name implies it."""

from __future__ import annotations

from typing import Any

import pytest

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.catalog import load_catalog
from stowage.placement.discovery import Discovery, discover
from stowage.placement.recognition import alternatives
from stowage.placement.snapshot import Node, Pool

CLASSES = load_catalog().classes
LINUX = {"kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"}
U250, U250_NEXT = "amd.com/xilinx_u250_gen3x16_base_4-0", "amd.com/xilinx_u250_gen3x16_xdma_4_1-0"
PARTITION = {
    "cloud.google.com/gke-nodepool": "parts",
    "cloud.google.com/gke-accelerator": "nvidia-h100-80gb",
    "cloud.google.com/gke-gpu-partition-size": "1g.10gb",
}


def node(name: str, labels: dict[str, str], **resources: int) -> Node:
    amounts = {"cpu": 8000, "memory": 64 * 1024**3, **resources}
    return Node(name, LINUX | labels, (), amounts, amounts)


def declared(name: str, accelerator: str, selector: dict[str, str], **provisionable: Any) -> AcceleratorPool:
    spec = {
        "nodeSelector": selector,
        "acceleratorClass": accelerator,
        "provisionable": {"maxNodes": 2, "devicesPerNode": 2, **provisionable},
    }
    return AcceleratorPool.model_validate(
        {"kind": "AcceleratorPool", "metadata": {"name": name}, "spec": spec}
    )


def found(*nodes: Node, pools: tuple[AcceleratorPool, ...] = ()) -> Discovery:
    return discover(nodes, CLASSES.values(), pools)


def seen(pool: Pool) -> tuple[str, str, str, int]:
    return pool.name, pool.accelerator_class.name, pool.resource, pool.devices_per_node


@pytest.mark.parametrize(
    ("labels", "resource", "expected"),
    [
        pytest.param(
            PARTITION, "nvidia.com/gpu", ("parts.gpu", "nvidia-h100-80gb-mig-1g.10gb"), id="MIG on GKE"
        ),
        pytest.param(
            {
                "agentpool": "parts",
                "nvidia.com/mig.strategy": "mixed",
                "nvidia.com/mig-1g.10gb.count": "14",
                "nvidia.com/mig-1g.10gb.product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb",
            },
            "nvidia.com/mig-1g.10gb",
            ("parts", "nvidia-h100-80gb-mig-1g.10gb"),
            id="MIG with strategy mixed",
        ),
        pytest.param({"agentpool": "fpga"}, U250, (f"fpga.{U250[8:]}", "amd-alveo-u250"), id="FPGA"),
        pytest.param(
            {"agentpool": "arc", "gpu.intel.com/product": "Flex_170"},
            "gpu.intel.com/xe",
            ("arc.xe", "intel-flex-170"),
            id="another driver",
        ),
        pytest.param(
            {"agentpool": "amd", "amd.com/gpu.device-id": "74a1"},
            "amd.com/spx_nps1",
            ("amd.spx_nps1", "amd-mi300x"),
            id="named after the partition style",
        ),
    ],
)
def test_a_pools_resource_is_what_its_nodes_publish(
    labels: dict[str, str], resource: str, expected: tuple[str, str]
) -> None:
    result = found(node("a", labels, **{resource: 4}))
    assert [seen(p) for p in result.pools] == [(*expected, resource, 4)]
    assert result.problems == ()


def test_cards_with_two_shells_are_two_pools() -> None:
    labels = {"agentpool": "fpga"}
    result = found(node("a", labels, **{U250: 1}), node("b", labels, **{U250_NEXT: 2}))
    assert sorted(seen(p)[2:] for p in result.pools) == [(U250, 1), (U250_NEXT, 2)]
    assert len({p.name for p in result.pools}) == 2


def test_nodes_to_come_publish_what_their_labels_say() -> None:
    (pool,) = found(pools=(declared("parts", "nvidia-h100-80gb-mig-1g.10gb", PARTITION),)).pools
    assert seen(pool)[:3] == ("parts.gpu", "nvidia-h100-80gb-mig-1g.10gb", "nvidia.com/gpu")
    assert pool.provision is not None
    assert pool.provision.shape["nvidia.com/gpu"] == 2
    (live,) = found(node("a", PARTITION, **{"nvidia.com/gpu": 4})).pools
    assert live.name == pool.name


def test_nodes_to_come_of_a_class_with_a_pattern_must_be_declared_with_their_resource() -> None:
    unsaid = found(pools=(declared("fpga", "amd-alveo-u250", {"a": "b"}),))
    assert [p.provision for p in unsaid.pools] in ([], [None])
    assert unsaid.problems == (
        "AcceleratorPool fpga: amd-alveo-u250 is published under a name that differs from node to node; "
        "write provisionable.resourceName",
    )
    said = found(pools=(declared("fpga", "amd-alveo-u250", {"a": "b"}, resourceName=U250),))
    (pool,) = said.pools
    assert (pool.resource, said.problems) == (U250, ())
    assert pool.provision is not None
    assert pool.provision.shape[U250] == 2


def test_a_declaration_of_nodes_that_are_there_keeps_their_resource() -> None:
    live = node("a", {"agentpool": "fpga"}, **{U250: 1})
    result = found(live, pools=(declared("fpga", "amd-alveo-u250", {"agentpool": "fpga"}),))
    provisions = [p.provision for p in result.pools if p.nodes]
    assert result.problems == ()
    assert provisions[0] is not None
    assert provisions[0].shape[U250] == 2


def test_pods_select_nodes_by_the_labels_of_their_resource_only() -> None:
    partition = CLASSES["nvidia-h100-80gb-mig-1g.10gb"]
    assert [m.provider for m in alternatives(partition, "nvidia.com/gpu")] == ["gfd-mig-single", "gke"]
    assert [m.provider for m in alternatives(partition, "nvidia.com/mig-1g.10gb")] == [
        "gfd-mig-mixed",
        "eks-karpenter",
        "instance-type",
    ]
    card = CLASSES["qualcomm-ai100-standard"]
    assert alternatives(card, "qualcomm.com/qaic-std") == []
    assert {m.provider for m in alternatives(card, "qualcomm.com/qaic")} == {
        "eks-karpenter",
        "instance-type",
    }


@pytest.mark.parametrize(
    ("operator", "value", "holds"),
    [("Gt", "9", False), ("Gt", "10", False), ("Gt", "11", True), ("Lt", "9", True), ("Lt", "10", False)]
    + [(o, v, False) for o in ("Gt", "Lt") for v in (None, "", "-1", "9Gi", "9.5")],
)
def test_numbers_are_compared_as_numbers(operator: str, value: str | None, holds: bool) -> None:
    requirement = {"key": "memory", "operator": operator, "values": ["10"]}
    spec = {
        "type": "GPU",
        "vendor": "X",
        "resourceName": "x.io/gpu",
        "match": [{"provider": "x", "matchExpressions": [requirement]}],
    }
    entry = AcceleratorClass.model_validate({"metadata": {"name": "x"}, "spec": spec})
    labels = {} if value is None else {"memory": value}
    result = discover([node("a", labels, **{"x.io/gpu": 1})], [entry], ())
    assert bool(result.pools) == holds

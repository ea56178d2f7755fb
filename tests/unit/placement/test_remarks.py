"""What can't be understood of a node is said by its name, with what to do; nothing of it is used."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from stowage.api.accelerator_class import AcceleratorClass
from stowage.catalog import load_catalog
from stowage.placement.discovery import Discoverer, Discovery, discover
from stowage.placement.snapshot import Node

from .builders import GPU, accelerator, cpu_class, node

CLASSES = load_catalog().classes
ARM64 = {"kubernetes.io/arch": "arm64"}
ADMIN = "stowage.dev/accelerator-class"
PRODUCT, COUNT = "nvidia.com/gpu.product", "nvidia.com/gpu.count"
KARPENTER, INSTANCE = "karpenter.k8s.aws/instance-", "node.kubernetes.io/instance-type"
GKE = "cloud.google.com/gke-"
TWINS = [accelerator(n, resourceName="x.io/gpu", match=None) for n in ("one", "two")]
"""Classes that nothing tells apart."""


def found(
    labels: Mapping[str, str], classes: list[AcceleratorClass] | None = None, **amounts: int
) -> Discovery:
    one = node("n", labels=labels, **amounts)
    one = Node("n", dict(labels), (), one.allocatable, one.capacity)
    return discover([one], classes or CLASSES.values(), [])


def seen(discovery: Discovery) -> list[tuple[str, str, int]]:
    return [(p.name, p.accelerator_class.name, p.devices_per_node) for p in discovery.pools]


REPORTED = [
    pytest.param(
        {PRODUCT: "Tesla-T4"},
        {},
        f"its labels say nvidia-t4, but it publishes no {GPU}; see that its device plugin runs there",
        id="the plugin is down",
    ),
    pytest.param(
        {PRODUCT: "Tesla-T4"},
        {GPU: 0},
        f"its labels say nvidia-t4, but it publishes no {GPU}; see that its device plugin runs there",
        id="the plugin counts 0",
    ),
    pytest.param(
        {},
        {GPU: 0},
        f"publishes 0 {GPU}; see that its device plugin runs there",
        id="it counts 0, and no label says of what",
    ),
    pytest.param(
        {f"{KARPENTER}gpu-name": "l4", f"{KARPENTER}gpu-memory": "2861", INSTANCE: "g6f.large"},
        {},
        f"its label {KARPENTER}gpu-name=l4 says that it has an accelerator, but it publishes no "
        "amd.com/gpu or "
        f"{GPU}; see that its device plugin runs there",
        id="a part of a GPU that nobody publishes",
    ),
    pytest.param(
        {f"{GKE}tpu-accelerator": "tpu-v9-slice"},
        {},
        f"its label {GKE}tpu-accelerator=tpu-v9-slice says that it has an accelerator, but it publishes no "
        "google.com/tpu; see that its device plugin runs there",
        id="a TPU that nobody knows and nobody publishes",
    ),
    pytest.param(
        {f"{GKE}accelerator": "nvidia-h200-141gb", f"{GKE}gpu-partition-size": "1g.18gb"},
        {GPU: 7},
        f"no accelerator class matches its {GPU} ({GKE}accelerator=nvidia-h200-141gb, "
        f"{GKE}gpu-partition-size=1g.18gb); label the node {ADMIN} with the class that it is, or create an "
        "AcceleratorClass for it",
        id="a partition that no class describes",
    ),
    pytest.param(
        {INSTANCE: "Standard_ND96asr_v4"},
        {GPU: 56},
        f"publishes 56 {GPU}, and its instance type has 8: they are shares or partitions, and no label says "
        f"which; run the vendor's feature discovery there, or label it {ADMIN} with a class for such a part",
        id="partitions on AKS",
    ),
    pytest.param(
        {f"{KARPENTER}gpu-name": "a10g", f"{KARPENTER}gpu-memory": "22888", f"{KARPENTER}gpu-count": "1"},
        {GPU: 4},
        f"publishes 4 {GPU}, and its label {KARPENTER}gpu-count says 1: they are shares or partitions, "
        "and no "
        "label says which; run the vendor's feature discovery there, or label it "
        f"{ADMIN} with a class for such a part",
        id="shares that no label speaks of",
    ),
    pytest.param(
        {ADMIN: "nvidia-a1000", PRODUCT: "Orin"} | ARM64,
        {GPU: 1},
        f"no accelerator class matches its {GPU} ({PRODUCT}=Orin); label the node {ADMIN} with the "
        "class that "
        "it is, or create an AcceleratorClass for it",
        id="an admin's label of no class",
    ),
]


@pytest.mark.parametrize(("labels", "amounts", "problem"), REPORTED)
def test_it_is_reported_and_not_used(labels: dict[str, str], amounts: dict[str, int], problem: str) -> None:
    discovery = found(labels, **amounts)
    assert (seen(discovery), discovery.problems[0]) == ([], f"Node n: {problem}")


def test_a_gpu_node_whose_driver_is_missing_is_no_cpu_pool_and_others_are() -> None:
    cpu = {"feature.node.kubernetes.io/cpu-cpuid.AVX2": "true", "kubernetes.io/arch": "amd64"}
    assert seen(found(cpu)) == [("cpu-x86-avx2-64x", "cpu-x86-avx2", 64)]
    assert seen(found(cpu | {"nvidia.com/gpu.present": "true"})) == []
    assert seen(found(cpu | {"nvidia.com/gpu.present": "false"})) == [
        ("cpu-x86-avx2-64x", "cpu-x86-avx2", 64)
    ]


ORIN = {PRODUCT: "Orin", "nvidia.com/gpu.memory": "15655"} | ARM64


def test_an_admins_label_settles_what_labels_leave_open() -> None:
    discovery = found(ORIN | {ADMIN: "nvidia-jetson-agx-orin-64gb"}, **{GPU: 1})
    (pool,) = discovery.pools
    assert (pool.name, discovery.problems) == ("nvidia-jetson-agx-orin-64gb-1x.arm64.labelled", ())
    assert pool.keys == (("kubernetes.io/arch", "arm64"), (ADMIN, "nvidia-jetson-agx-orin-64gb"))
    assert pool.identified_by_keys, "its pods select nodes by the admin's label"
    assert pool.device_memory == 15655 * 2**20


def test_an_admins_label_settles_a_tie() -> None:
    assert found({}, TWINS, **{"x.io/gpu": 1}).problems == (
        f"Node n: x.io/gpu matches the classes one and two equally; label the node {ADMIN} with the one "
        "that it is",
    )
    assert seen(found({ADMIN: "two"}, TWINS, **{"x.io/gpu": 1})) == [("two-1x.labelled", "two", 1)]


def test_an_admins_label_that_says_what_is_known_changes_nothing() -> None:
    labels = {PRODUCT: "NVIDIA-L4", f"{GKE}nodepool": "p"}
    plain, labelled = found(labels, **{GPU: 1}), found(labels | {ADMIN: "nvidia-l4"}, **{GPU: 1})
    assert [(p.name, p.keys) for p in plain.pools] == [(p.name, p.keys) for p in labelled.pools]
    assert labelled.problems == ()


@pytest.mark.parametrize(
    ("labels", "amounts", "pools", "problem"),
    [
        pytest.param(
            {ADMIN: "nvidia-l5", PRODUCT: "NVIDIA-L4"},
            {GPU: 1},
            [("nvidia-l4-1x", "nvidia-l4", 1)],
            f"its label {ADMIN} names nvidia-l5, and no accelerator class is called so; mend the label",
            id="no such class",
        ),
        pytest.param(
            {ADMIN: "intel-gaudi2", PRODUCT: "NVIDIA-L4"},
            {GPU: 1},
            [("nvidia-l4-1x", "nvidia-l4", 1)],
            f"its label {ADMIN} names intel-gaudi2, which is published as habana.ai/gaudi; the "
            "node publishes "
            f"{GPU}; mend the label",
            id="a class of another resource",
        ),
        pytest.param(
            {ADMIN: "nvidia-l4"},
            {},
            [("cpu-generic-64x", "cpu-generic", 64)],
            f"its label {ADMIN} names nvidia-l4, which is published as {GPU}; the node publishes no "
            "device; mend "
            "the label",
            id="no device at all",
        ),
    ],
)
def test_an_admins_label_settles_only_among_what_is_published(
    labels: dict[str, str], amounts: dict[str, int], pools: list[tuple[str, str, int]], problem: str
) -> None:
    discovery = found(labels, **amounts)
    assert (seen(discovery), discovery.problems) == (pools, (f"Node n: {problem}",))


MIXED = {
    PRODUCT: "NVIDIA-A100-SXM4-40GB",
    "nvidia.com/mig.strategy": "mixed",
    "nvidia.com/mig-1g.5gb.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
    "nvidia.com/mig-1g.5gb.count": "7",
}
PARTITIONS = ("nvidia-a100-40gb-mig-1g.5gb-7x", "nvidia-a100-40gb-mig-1g.5gb", 7)


def test_cards_beside_partitions_of_others_are_counted() -> None:
    discovery = found(MIXED | {COUNT: "2"}, **{GPU: 1, "nvidia.com/mig-1g.5gb": 7})
    assert seen(discovery) == [("nvidia-a100-40gb-1x", "nvidia-a100-40gb", 1), PARTITIONS]
    assert discovery.problems == ()


def test_a_partitioned_card_is_not_counted_a_second_time_as_a_whole_one() -> None:
    """NVIDIA/gpu-operator#637: nvidia.com/gpu still was 2 after both cards were divided."""
    discovery = found(MIXED | {COUNT: "2"}, **{GPU: 2, "nvidia.com/mig-1g.5gb": 7})
    assert seen(discovery) == [PARTITIONS]
    assert discovery.problems == (
        f"Node n: publishes 2 {GPU} beside partitions, and its label {COUNT} says 2 in all; the former "
        "are not "
        "counted; restart its device plugin",
    )


def test_partitions_under_a_name_that_no_class_has_are_reported_beside_whole_cards() -> None:
    discovery = found(
        {PRODUCT: "NVIDIA-A100-SXM4-40GB", COUNT: "2"}, **{GPU: 1, "nvidia.com/mig-1g.5gb.me": 1}
    )
    assert seen(discovery) == [("nvidia-a100-40gb-1x", "nvidia-a100-40gb", 1)]
    assert discovery.problems == (
        "Node n: no accelerator class matches its nvidia.com/mig-1g.5gb.me; create an "
        "AcceleratorClass for it",
    )


def test_what_was_found_is_found_again_without_a_look() -> None:
    """And the same as a first look finds, whatever changed."""
    cpu = cpu_class()
    l4 = accelerator("l4")
    nodes = [node(str(i), "l4" if i % 2 else None, **({"gpu": 2} if i % 2 else {})) for i in range(6)]
    discoverer = Discoverer()
    first = discoverer.discover(nodes, [l4, cpu], [])
    again = discoverer.discover(nodes[::-1], [cpu, l4], [])
    assert again == first == discover(nodes, [l4, cpu], [])
    assert all(a is b for a, b in zip(first.pools, again.pools, strict=True))
    changed = [*nodes[:5], node("5", "other", gpu=2)]
    after = discoverer.discover(changed, [l4, cpu], [])
    assert after == discover(changed, [l4, cpu], [])
    assert [a is b for a, b in zip(first.pools, after.pools, strict=True)] == [True, False]
    wider = [accelerator("l4", memory="24Gi"), cpu]
    assert discoverer.discover(changed, wider, []) == discover(changed, wider, [])

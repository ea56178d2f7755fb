"""Which device a node has: exact labels, never a guess."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stowage.api.accelerator_class import AcceleratorClass
from stowage.catalog import load_catalog
from stowage.placement.discovery import discover
from stowage.placement.recognition import Recognised, classes_by_resource, match_strength, recognise
from stowage.placement.snapshot import Node

from .builders import GPU, accelerator, cpu_class, node

PRODUCT = "nvidia.com/gpu.product"
L4 = accelerator("l4", match=[{"provider": "gfd", "matchLabels": {PRODUCT: "NVIDIA-L4"}}])
L40S = accelerator("l40s", match=[{"provider": "gfd", "matchLabels": {PRODUCT: "NVIDIA-L40S"}}])
CPU = cpu_class()
SPECIFIC = accelerator(
    "l4-24gb",
    match=[{"provider": "x", "matchLabels": {PRODUCT: "NVIDIA-L4", "nvidia.com/gpu.memory": "24576"}}],
)
TWIN = accelerator("twin", match=[{"provider": "x", "matchLabels": {PRODUCT: "NVIDIA-L4"}}])
NIC = accelerator("chip", resourceName="example.com/chip", match=None)


def names(found: Recognised) -> tuple[list[str], tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]]:
    return [c.name for c in found.classes], found.ambiguous, found.unknown


def gpu_node(product: str | None, **amounts: int) -> Node:
    labels = {} if product is None else {PRODUCT: product}
    return node("n", labels=labels, **(amounts or {"gpu": 1}))


@pytest.mark.parametrize(
    ("one", "classes", "expected"),
    [
        pytest.param(gpu_node("NVIDIA-L4"), [L4, L40S], (["l4"], (), ()), id="l4"),
        pytest.param(gpu_node("NVIDIA-L40S"), [L4, L40S], (["l40s"], (), ()), id="l40s is no l4"),
        pytest.param(gpu_node("NVIDIA-L40S"), [L4], ([], (), (GPU,)), id="unknown is reported"),
        pytest.param(gpu_node(""), [L4, L40S], ([], (), (GPU,)), id="an empty label matches nothing"),
        pytest.param(gpu_node(None), [L4], ([], (), (GPU,)), id="no label matches nothing"),
        pytest.param(gpu_node("NVIDIA-L4"), [L4, TWIN], ([], ((GPU, ("l4", "twin")),), ()), id="no guess"),
        pytest.param(
            replace(gpu_node("NVIDIA-L4"), labels={PRODUCT: "NVIDIA-L4", "nvidia.com/gpu.memory": "24576"}),
            [L4, SPECIFIC],
            (["l4-24gb"], (), ()),
            id="more requirements win",
        ),
        pytest.param(gpu_node("NVIDIA-L4"), [L4, SPECIFIC], (["l4"], (), ()), id="all of them must hold"),
        pytest.param(node("n"), [L4, CPU], (["cpu"], (), ()), id="a node without devices is a CPU pool"),
        pytest.param(gpu_node("NVIDIA-L4"), [L4, CPU], (["l4"], (), ()), id="a GPU node is not"),
        pytest.param(gpu_node("other"), [L4, CPU], ([], (), (GPU,)), id="nor one of an unknown GPU"),
        pytest.param(gpu_node("NVIDIA-L4", gpu=0), [L4, CPU], ([], (), ()), id="nor one that counts 0"),
        pytest.param(
            gpu_node("NVIDIA-L4", cpu=8), [L4, CPU], ([], (), ()), id="nor before its plugin starts"
        ),
        pytest.param(
            gpu_node(None, **{"nvidia.com/mig-1g.10gb": 7}),
            [L4, CPU],
            ([], (), ("nvidia.com/mig-1g.10gb",)),
            id="nor one of a partitioned GPU",
        ),
        pytest.param(
            gpu_node("NVIDIA-L4", **{GPU: 1, "nvidia.com/other": 2}),
            [L4],
            (["l4"], (), ()),
            id="what stands beside a known device is not reported",
        ),
        pytest.param(
            gpu_node("NVIDIA-L4", **{GPU: 1, "example.com/chip": 2}),
            [L4, NIC],
            (["chip", "l4"], (), ()),
            id="two kinds on one node; a class without match goes by its resource",
        ),
    ],
)
def test_recognise(
    one: Node,
    classes: list[AcceleratorClass],
    expected: tuple[list[str], tuple[tuple[str, tuple[str, ...]], ...], tuple[str, ...]],
) -> None:
    assert names(recognise(one, classes_by_resource(classes))) == expected


def test_strength_is_that_of_the_strongest_alternative() -> None:
    several = accelerator(
        "x",
        match=[
            {"provider": "a", "matchLabels": {"a": "1"}},
            {
                "provider": "b",
                "matchLabels": {"b": "1"},
                "matchExpressions": [{"key": "c", "operator": "Exists"}],
            },
        ],
    )
    cases = [{"a": "1"}, {"a": "1", "b": "1", "c": ""}, {"a": "2"}, {}]
    assert [match_strength(several, labels) for labels in cases] == [1, 2, None, None]
    assert match_strength(NIC, {}) == 0


def test_problems_name_the_node_and_say_what_to_do() -> None:
    nodes = [replace(gpu_node("NVIDIA-L4"), name="b"), replace(gpu_node("NVIDIA-H200"), name="a")]
    assert discover(nodes, [L4, TWIN], []).problems == (
        f"Node a: no accelerator class matches its {GPU} ({PRODUCT}=NVIDIA-H200); label the node "
        "stowage.dev/accelerator-class with the class that it is, or create an AcceleratorClass for it",
        f"Node b: {GPU} matches the classes l4 and twin equally ({PRODUCT}=NVIDIA-L4); label the node "
        "stowage.dev/accelerator-class with the one that it is",
    )


def test_the_catalog_takes_an_unknown_product_for_nothing_it_knows() -> None:
    found = recognise(gpu_node("NVIDIA-L40"), classes_by_resource(load_catalog().classes.values()))
    assert names(found) == ([], (), (GPU,))

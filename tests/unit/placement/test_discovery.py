"""Discovering again finds what a first look finds, whatever changed in between."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from stowage.api.accelerator_class import AcceleratorClass
from stowage.placement.discovery import Discoverer, discover
from stowage.placement.dynamic import NO_DEVICES, DeviceClass, DeviceCount, Devices, DeviceSlice
from stowage.placement.snapshot import Node

from .builders import GKE_POOL, GPU, KIND, accelerator, cpu_class, node

DRIVER = "gpu.example.com"
CLASSES = [
    accelerator("l4", countLabels=["count"], dra={"driver": DRIVER, "deviceClass": "gpus"}),
    accelerator("t4", presenceLabels=["present"], sharing=[{"strategyLabel": "shared"}]),
    accelerator("tie", match=[{"provider": "x", "matchLabels": {KIND: "t4"}}]),
    cpu_class(),
]
LABELS = st.fixed_dictionaries(
    {},
    optional={
        KIND: st.sampled_from(["l4", "t4", "other"]),
        GKE_POOL: st.sampled_from(["p", "q"]),
        "count": st.sampled_from(["1", "2"]),
        "present": st.sampled_from(["true", "false"]),
        "shared": st.sampled_from(["none", "mps"]),
        "stowage.dev/accelerator-class": st.sampled_from(["l4", "t4", "nobody"]),
        "says.nothing": st.sampled_from(["1", "2"]),
    },
)
NODES = st.builds(
    lambda name, labels, gpus: replace(node(name, labels=labels, **gpus)),
    st.sampled_from("abcd"),
    LABELS,
    st.sampled_from([{}, {GPU: 0}, {GPU: 2}, {GPU: 4, "example.com/other": 1}]),
)
DEVICES = st.sampled_from(
    [
        NO_DEVICES,
        Devices((DeviceSlice("a", DRIVER, "a", 1, (DeviceCount(4),)),)),
        Devices(
            (DeviceSlice("b", DRIVER, "b", 1, (DeviceCount(4),)),),
            (DeviceClass("gpus", "example.com/gpu", DRIVER),),
        ),
    ]
)
STEPS = st.lists(
    st.tuples(
        st.lists(NODES, max_size=4, unique_by=lambda n: n.name),
        st.lists(st.sampled_from(CLASSES), min_size=1, unique_by=lambda c: c.name),
        DEVICES,
    ),
    min_size=2,
    max_size=4,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
def test_it_is_as_if_looked_for_the_first_time(
    steps: list[tuple[list[Node], list[AcceleratorClass], Devices]],
) -> None:
    discoverer, known = Discoverer(), {}
    for nodes, classes, devices in steps:
        kept = [known.setdefault((n.name, repr(n)), n) for n in nodes]  # the same objects where alike
        assert discoverer.discover(kept, classes, [], devices) == discover(nodes, classes, [], devices)


@settings(max_examples=100, deadline=None)
@given(st.lists(NODES, max_size=4, unique_by=lambda n: n.name))
def test_every_node_is_in_a_pool_or_reported(nodes: list[Node]) -> None:
    found = discover(nodes, CLASSES, [])
    pooled = {n.name for p in found.pools for n in p.nodes}
    reported = {p.split(":")[0].removeprefix("Node ") for p in found.problems}
    assert {n.name for n in nodes} <= pooled | reported
    assert len({p.key for p in found.pools}) == len(found.pools), "a name and a class identify a pool"

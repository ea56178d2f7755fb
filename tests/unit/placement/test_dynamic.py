"""Devices that DRA publishes: recognised by labels, placed on where they have an extended resource."""

from __future__ import annotations

from dataclasses import replace

from stowage.api.accelerator_class import AcceleratorClass
from stowage.placement.discovery import Discovery, discover
from stowage.placement.dynamic import DeviceClass, DeviceCount, Devices, DeviceSlice
from stowage.placement.snapshot import Node, Snapshot

from .builders import GPU, KIND, accelerator, choose, cpu_class, node, placed, runtime, verdicts, workload

DRIVER = "gpu.example.com"
DRA = {"driver": DRIVER, "deviceClass": "gpus"}
TYPED = ((f"{DRIVER}/type", "gpu"),)
PARTS = ((f"{DRIVER}/type", "part"),)


def devices(*slices: DeviceSlice, classes: tuple[DeviceClass, ...] = ()) -> Devices:
    return Devices(slices, classes)


def on(name: str, *counts: DeviceCount, generation: int = 1, driver: str = DRIVER) -> DeviceSlice:
    return DeviceSlice(name, driver, f"{driver}-{name}", generation, counts or (DeviceCount(8, TYPED),))


def bare(name: str, kind: str | None = "big", **amounts: int) -> Node:
    """A node with the class's label and no device plugin."""
    return node(name, labels={KIND: kind} if kind else None, pool="p", **amounts)


def found(
    nodes: list[Node], seen: Devices, *classes: AcceleratorClass
) -> tuple[list[tuple[str, str, str, int]], Discovery]:
    known = classes or (accelerator("big", dra=DRA),)
    discovery = discover(nodes, [*known, cpu_class()], (), seen)
    pools = [(p.name, p.accelerator_class.name, p.resource, p.devices_per_node) for p in discovery.pools]
    return pools, discovery


NAMED = DeviceClass("gpus", GPU, DRIVER)
UNNAMED = DeviceClass("gpus", "", DRIVER)


def test_without_an_extended_resource_the_pool_is_shown_and_rejected() -> None:
    for classes in ((), (UNNAMED,)):
        pools, discovery = found([bare("n1")], devices(on("n1"), classes=classes))
        assert pools == [("p.gpus", "big", "dra/gpus", 8)]
        assert discovery.pools[0].dra_only
        assert discovery.problems == ()
        decision = choose(Snapshot(discovery.pools, (runtime(),), {}), workload())
        assert verdicts(decision) == [
            ("bf16/server/p.gpus/0", False, ["DynamicResourceAllocationOnly"]),
        ]
        assert decision.outcome.message.endswith(
            "only DRA (gpu.example.com) publishes the 8 devices of a node of p.gpus; set"
            " spec.extendedResourceName of DeviceClass gpus"
        )


def test_with_an_extended_resource_it_is_a_pool_like_any_other() -> None:
    pools, discovery = found([bare("n1"), bare("n2")], devices(on("n1"), on("n2"), classes=(NAMED,)))
    assert pools == [("p", "big", GPU, 8)]
    seen = Snapshot(discovery.pools, (runtime(),), {"n1": {GPU: 7}})
    decision = choose(seen, workload(replicas=10))
    assert placed(decision) == [("bf16/server/p/1", 9)]
    assert decision.placements[0].candidate.requests[GPU] == 1


def test_pods_request_the_name_that_the_device_class_gives() -> None:
    other = DeviceClass("gpus", "example.com/fast", DRIVER)
    pools, discovery = found([bare("n1")], devices(on("n1"), classes=(other,)))
    assert pools == [("p.fast", "big", "example.com/fast", 8)]
    decision = choose(Snapshot(discovery.pools, (runtime(),), {}), workload())
    assert decision.placements[0].candidate.requests["example.com/fast"] == 1


def test_what_a_device_plugin_publishes_is_not_counted_twice() -> None:
    for classes in ((), (NAMED,), (DeviceClass("gpus", "example.com/fast", DRIVER),)):
        plugged = node("n1", kind="big", pool="p")
        pools, discovery = found([plugged], devices(on("n1"), classes=classes))
        assert pools == [("p", "big", GPU, 4)]
        assert discovery.pools[0].nodes == (plugged,)


def test_a_plugin_that_counts_none_gives_way() -> None:
    empty = bare("n1", **{GPU: 0})
    pools, _ = found([empty], devices(on("n1"), classes=(NAMED,)))
    assert pools == [("p", "big", GPU, 8)]


def test_tainted_devices_are_there_but_not_to_be_had() -> None:
    counts = (DeviceCount(6, TYPED), DeviceCount(2, TYPED, tainted=True))
    _, discovery = found([bare("n1")], devices(on("n1", *counts), classes=(NAMED,)))
    (only,) = discovery.pools[0].nodes
    assert (only.capacity[GPU], only.allocatable[GPU]) == (8, 6)


def test_only_the_latest_generation_counts() -> None:
    old, new = on("n1", generation=1), on("n1", DeviceCount(3), generation=2)
    for slices in ((old, new), (new, old)):
        assert found([bare("n1")], devices(*slices, classes=(NAMED,)))[0][0][3] == 3


def test_slices_of_a_pool_add_up() -> None:
    assert found([bare("n1")], devices(on("n1"), on("n1"), classes=(NAMED,)))[0][0][3] == 16


def test_classes_part_the_devices_of_one_driver() -> None:
    """Whole devices and partitions: each class gets what its DeviceClass selects."""
    both = on("n1", DeviceCount(2, TYPED), DeviceCount(5, PARTS))
    whole = accelerator("big", dra=DRA)
    part = accelerator("part", resourceName="example.com/part", dra={**DRA, "deviceClass": "parts"},
                       match=[{"provider": "test", "matchLabels": {KIND: "big"}}])  # fmt: skip
    classes = (DeviceClass("gpus", GPU, DRIVER, TYPED), DeviceClass("parts", "", DRIVER, PARTS))
    pools, discovery = found([bare("n1")], devices(both, classes=classes), whole, part)
    assert pools == [("p", "big", GPU, 2), ("p.parts", "part", "dra/parts", 5)]
    assert len({id(n) for p in discovery.pools for n in p.nodes}) == 1


def test_another_device_class_counts_where_it_selects_these_devices_only() -> None:
    own = DeviceClass("gpus", "", DRIVER, TYPED)
    mine = DeviceClass("team", "example.com/team", DRIVER, TYPED)
    wide = DeviceClass("all", "example.com/all", DRIVER)
    both = on("n1", DeviceCount(2, TYPED), DeviceCount(5, PARTS))
    assert found([bare("n1")], devices(both, classes=(own, mine, wide)))[0][0][2] == "example.com/team"
    assert found([bare("n1")], devices(both, classes=(own, wide)))[0][0][2] == "dra/gpus"


def test_a_selector_that_cannot_be_read_is_taken_by_its_name() -> None:
    unclear = DeviceClass("gpus", GPU, "", readable=False)
    assert found([bare("n1")], devices(on("n1"), classes=(unclear,)))[0] == [("p", "big", GPU, 8)]
    other = DeviceClass("others", GPU, DRIVER, readable=False)
    assert found([bare("n1")], devices(on("n1"), classes=(other,)))[0][0][2] == "dra/gpus"


def test_a_class_without_labels_is_meant_by_its_driver() -> None:
    plain = accelerator("plain", match=None, dra=DRA)
    unlabelled = bare("n1", kind=None)
    pools, _ = found([unlabelled], devices(on("n1"), classes=(NAMED,)), plain)
    assert pools == [("p", "plain", GPU, 8)]


def test_two_classes_of_one_driver_are_ambiguous_without_labels() -> None:
    plain, big = accelerator("plain", match=None, dra=DRA), accelerator("big", dra=DRA)
    pools, discovery = found([bare("n1", kind=None)], devices(on("n1")), plain, big)
    assert pools == []
    assert discovery.problems == (
        "Node n1: gpu.example.com in ResourceSlices matches the classes big and plain equally; "
        "label the node stowage.dev/accelerator-class with the one that it is",
    )
    assert found([bare("n1")], devices(on("n1")), plain, big)[0] == [("p.gpus", "big", "dra/gpus", 8)]
    labelled = replace(bare("n1", kind=None), labels={"stowage.dev/accelerator-class": "plain"})
    _, settled = found([labelled], devices(on("n1")), plain, big)
    assert settled.problems == ()
    assert ("stowage.dev/accelerator-class", "plain") in settled.pools[0].keys
    assert settled.pools[0].identified_by_keys, "its pods select nodes by the admin's label"


def test_devices_that_no_label_tells_are_reported_and_no_cpu_pool() -> None:
    pools, discovery = found([bare("n1", kind=None)], devices(on("n1")))
    assert pools == []
    assert discovery.problems == (
        "Node n1: no accelerator class matches its devices of gpu.example.com; create an AcceleratorClass"
        " for it",
    )


def test_a_driver_that_no_class_names_is_nothing_to_us() -> None:
    pools, discovery = found([bare("n1", kind=None)], devices(on("n1", driver="net.example.com")))
    assert pools == [("p", "cpu", "cpu", 64)]
    assert discovery.problems == ()


def test_devices_of_no_single_node_are_reported() -> None:
    _, discovery = found([bare("n1", kind=None)], devices(on("")))
    assert discovery.problems == (
        "ResourceSlices of gpu.example.com name no node; devices that several nodes share are not counted",
    )

"""Room is counted in slots per node, and nothing is given twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from stowage.placement.capacity import Capacity, Ledger, Room, slots
from stowage.placement.snapshot import Amounts, Holding, Node, Snapshot

from .builders import GPU, accelerator, bind, cpu_class, declared, node, quantities, snapshot, someone

A = accelerator("a")
ONE = quantities(gpu=1, cpu="4", memory="16Gi", storage="10Gi")
FOUR = quantities(gpu=4, cpu="16", memory="16Gi", storage="10Gi")
ME = ("shop", "chat")


def nodes(count: int, pool: str = "p", **texts: str | int) -> list[Node]:
    return [node(f"n{i}", "a", pool, **texts) for i in range(count)]


def room(
    seen: Snapshot, requests: Amounts = ONE, allowed: Sequence[str] = (), released: Sequence[str] = ()
) -> Capacity:
    return Ledger(seen, ME, frozenset(released)).capacity(seen.pools[0], requests, allowed)


@pytest.mark.parametrize(
    ("texts", "requests", "expected"),
    [
        pytest.param({}, ONE, 4, id="devices"),
        pytest.param({}, FOUR, 1, id="one replica takes them all"),
        pytest.param({"cpu": "15900m"}, ONE, 3, id="CPU"),
        pytest.param({"cpu": "15900m"}, FOUR, 0, id="16 cores don't fit into 15.9"),
        pytest.param({"memory": "40Gi"}, ONE, 2, id="memory"),
        pytest.param({"storage": "15Gi"}, ONE, 1, id="local storage"),
        pytest.param({"pods": 2}, ONE, 2, id="pods"),
        pytest.param({"gpu": 0, "cpu": "64"}, ONE, 0, id="no device"),
    ],
)
def test_slots_of_one_node(texts: dict[str, str | int], requests: Amounts, expected: int) -> None:
    assert slots(node("n", "a", **texts).allocatable, requests) == expected


def test_four_nodes_with_one_free_device_each_are_not_one_slot_of_four() -> None:
    seen = snapshot(nodes(4), [A], used={f"n{i}": {GPU: 3, "cpu": 12_000, "pods": 3} for i in range(4)})
    assert [room(seen, FOUR), room(seen, ONE)] == [Capacity(0, 0, 4), Capacity(4, 0, 4)]


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        pytest.param({}, 8, id="nothing"),
        pytest.param({"n0": {GPU: 4}}, 4, id="devices"),
        pytest.param({"n0": {"cpu": 62_000}}, 4, id="CPU alone"),
        pytest.param({"n0": {"memory": quantities(memory="500Gi")["memory"]}}, 4, id="memory alone"),
        pytest.param({"n0": {"pods": 109}}, 5, id="pods"),
        pytest.param({"n0": {GPU: 9}, "n1": {"cpu": 99_000}}, 0, id="more than there is"),
        pytest.param({"elsewhere": {GPU: 4}}, 8, id="another node"),
    ],
)
def test_bound_pods_of_anybody_take_room(used: dict[str, Amounts], expected: int) -> None:
    assert room(snapshot(nodes(2), [A], used=used)).free == expected


@pytest.mark.parametrize(
    ("changed", "allowed", "expected"),
    [
        pytest.param({}, (), Capacity(4, 0, 1), id="usable"),
        pytest.param({"cordoned": True}, (), Capacity(0, 0, 0), id="cordoned"),
        pytest.param({"ready": False}, (), Capacity(0, 0, 0), id="not ready"),
        pytest.param({"taints": ("team",)}, (), Capacity(0, 0, 0), id="tainted"),
        pytest.param({"taints": ("team",)}, ("team",), Capacity(4, 0, 1), id="which the policy tolerates"),
        pytest.param({"taints": (GPU,)}, (), Capacity(4, 0, 1), id="the class's own taint"),
        pytest.param({"taints": (GPU, "team")}, (), Capacity(0, 0, 0), id="its own and another"),
    ],
)
def test_only_usable_nodes_have_room(
    changed: dict[str, object], allowed: tuple[str, ...], expected: Capacity
) -> None:
    seen = snapshot([node("n0", "a", "p", **changed)], [A])  # type: ignore[arg-type]
    assert room(seen, ONE, allowed) == expected


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        pytest.param(someone("p", "a", ONE, 3), 5, id="replicas without a pod"),
        pytest.param(someone("p", "a", FOUR, 1), 4, id="of another size"),
        pytest.param(someone("p", "a", ONE, 99), 0, id="more than there is room for"),
        pytest.param(someone("q", "a", ONE, 3), 8, id="another pool"),
        pytest.param(someone("p", "b", ONE, 3), 8, id="another class under the same name"),
    ],
)
def test_reservations_of_others_take_room(held: Holding, expected: int) -> None:
    assert room(bind(snapshot(nodes(2), [A]), held)).free == expected


def test_a_bound_replica_is_counted_once() -> None:
    seen = bind(snapshot(nodes(2), [A]), someone("p", "a", ONE, 3, bound=["n0", "n1"]))
    assert room(seen).free == 5


def test_reservations_do_not_go_to_nodes_that_take_no_pods() -> None:
    broken = [replace(n, name=f"a{n.name}", cordoned=True) for n in nodes(1)]
    seen = bind(snapshot([*broken, *nodes(1)], [A]), someone("p", "a", ONE, 4))
    assert room(seen) == Capacity(0, 0, 1)


def test_reservations_go_to_nodes_without_other_taints_first() -> None:
    tainted = [replace(n, name=f"a{n.name}") for n in [node("n0", "a", "p", taints=["team"])]]
    seen = bind(snapshot([*tainted, *nodes(1)], [A]), someone("p", "a", ONE, 3))
    assert [room(seen).free, room(seen, allowed=["team"]).free] == [1, 5]


def test_what_the_demand_itself_waits_for_is_not_counted_against_it() -> None:
    own = replace(someone("p", "a", ONE, 3), owner=ME)
    assert room(bind(snapshot(nodes(2), [A]), own)).free == 8


def test_released_pods_give_way() -> None:
    own = replace(someone("p", "a", FOUR, 2, bound=["n0", "n1"]), owner=ME)
    seen = bind(snapshot(nodes(2, pods=1), [A]), own)
    expected = [Capacity(0, 0, 2), Capacity(2, 0, 2)]
    assert [room(seen, FOUR), room(seen, FOUR, released=[own.deployment])] == expected


def test_the_order_of_holdings_changes_nothing() -> None:
    small, large = someone("p", "a", ONE, 2), someone("p", "a", quantities(gpu=3, cpu="1"), 1)
    one, other = (bind(snapshot(nodes(2), [A]), *order) for order in ([small, large], [large, small]))
    assert room(one, FOUR) == room(other, FOUR)


def test_two_pools_under_one_name() -> None:
    pair = [node("n0", "a", "p"), node("n1", None, "p")]
    seen = snapshot(pair, [A, cpu_class()])
    ledger = Ledger(seen, ME, frozenset())
    found = {p.accelerator_class.name: ledger.capacity(p, {"cpu": 1000}, ()) for p in seen.pools}
    assert found == {"a": Capacity(64, 0, 1), "cpu": Capacity(64, 0, 1)}


def test_a_node_in_two_pools_has_its_room_once() -> None:
    chip = accelerator("chip", resourceName="example.com/chip", match=None)
    both = node("n0", "a", "p", **{GPU: 4, "example.com/chip": 4})
    seen = bind(snapshot([both], [A, chip]), someone("p", "chip", {"example.com/chip": 1, "cpu": 16_000}, 3))
    ledger = Ledger(seen, ME, frozenset())
    found = {p.accelerator_class.name: ledger.capacity(p, {"cpu": 8000}, ()).free for p in seen.pools}
    assert found == {"a": 2, "chip": 2}


GROWS = declared(
    "d", {"cloud.google.com/gke-nodepool": "p"}, "a", provisionable={"maxNodes": 3, "devicesPerNode": 4}
)


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        pytest.param([], Capacity(4, 8, 1), id="two nodes can come"),
        pytest.param([someone("p", "a", ONE, 4)], Capacity(0, 8, 1), id="reserved on the node that is there"),
        pytest.param([someone("p", "a", ONE, 6)], Capacity(0, 4, 1), id="reserved on one that comes"),
        pytest.param([someone("p", "a", ONE, 99)], Capacity(0, 0, 1), id="reserved on all"),
    ],
)
def test_nodes_to_come_are_promised_once(held: list[Holding], expected: Capacity) -> None:
    assert room(bind(snapshot(nodes(1), [A], [GROWS]), *held)) == expected


def test_what_waits_for_a_declared_pool_reserves_the_nodes_that_came_for_it() -> None:
    labels = {
        "karpenter.sh/nodepool": "k",
        "node.kubernetes.io/instance-type": "g",
        "karpenter.sh/capacity-type": "spot",
    }
    declaration = declared(
        "d", {"karpenter.sh/nodepool": "k"}, "a", provisionable={"maxNodes": 1, "devicesPerNode": 4}
    )
    came = snapshot([node("n0", "a", labels=labels)], [A], [declaration])
    seen = bind(came, someone("d", "a", ONE, 3))
    assert [p.name for p in seen.pools] == ["d", "k.g.spot"]
    assert Ledger(seen, ME, frozenset()).capacity(seen.pools[1], ONE, ()).free == 1


@pytest.mark.parametrize(
    ("capacity", "wanted", "expected"),
    [
        (Capacity(2, 0, 1), 2, Room.FREE),
        (Capacity(2, 4, 1), 3, Room.PROVISIONABLE),
        (Capacity(2, 4, 1), 7, Room.PARTIAL),
        (Capacity(0, 1, 0), 2, Room.PARTIAL),
        (Capacity(0, 0, 4), 1, Room.FULL),
        (Capacity(0, 0, 4), 0, Room.FREE),
    ],
)
def test_room(capacity: Capacity, wanted: int, expected: Room) -> None:
    assert capacity.room(wanted) is expected


@pytest.mark.parametrize(
    ("used", "texts", "expected"),
    [
        pytest.param({GPU: 4}, {}, (GPU,), id="devices"),
        pytest.param({GPU: 4, "cpu": 63_000}, {}, (GPU,), id="devices, whatever else"),
        pytest.param({"cpu": 63_000}, {}, ("cpu",), id="CPU"),
        pytest.param(
            {}, {"memory": "8Gi", "storage": "1Gi"}, ("memory", "ephemeral-storage"), id="two things"
        ),
        pytest.param({"pods": 110}, {}, ("pods",), id="pods"),
    ],
)
def test_what_is_short(used: Amounts, texts: dict[str, str], expected: tuple[str, ...]) -> None:
    seen = snapshot(nodes(1, **texts), [A], used={"n0": used})
    assert Ledger(seen, ME, frozenset()).short(seen.pools[0], ONE, ()) == expected

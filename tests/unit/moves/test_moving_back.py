"""Moving back in time: nodes that flap for twenty minutes, one price edit over two hundred deployments."""

from __future__ import annotations

from collections import deque

import pytest
from tests.unit.moves.simulation import Cluster, Wish
from tests.unit.placement.builders import policy, tier

from stowage.catalog import load_catalog
from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key
from stowage.control.move_budget import SAFETY_SECONDS, MoveBudget, most_moves
from stowage.control.moves import Ripening
from stowage.control.world import World
from stowage.placement.decide import decide
from stowage.placement.decision import Decision
from stowage.placement.snapshot import Demand, Placement, Snapshot

CHAT: Key = ("shop", "chat")
MINUTES = 20
TICK = 10


class Clock:
    """Moves when told."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(after: int) -> tuple[int, int]:
    """Twenty minutes with the preferred node up and down every 30 s: moves by itself, and failures."""
    rules = policy(
        tiers=[tier("x", classes=["a"]), tier("y", classes=["b"])],
        moveBack={"after": f"{after}s", "minimumGain": "0.1"},
    )
    cluster, clock = Cluster({"a": [1], "b": [1]}, rules), Clock()
    cluster.wishes[CHAT] = Wish(CHAT)
    ripening = Ripening(clock)
    moves = failures = 0

    def choose(seen: Snapshot, demand: Demand, current: tuple[Placement, ...]) -> Decision:
        nonlocal moves
        decision = decide(seen, demand, current)
        ripe, _ = ripening.ripe(CHAT, decision.better, after)
        if not ripe:
            return decision
        moves += 1
        ripening.forget(CHAT)
        return decide(seen, demand, current, ripe=ripe)

    for second in range(0, MINUTES * 60, TICK):
        clock.now = float(second)
        if second % 60 == 30:
            failures += any(pod.node == "a0" for pod in cluster.pods.values())
            cluster.lose("a0")
        elif second % 60 == 0:
            cluster.down.discard("a0")
        cluster.settle(choose=choose)
        assert cluster.available(CHAT) == 1
    return moves, failures


@pytest.mark.parametrize("after", [10, 20, 30, 900])
def test_flapping_nodes_cause_a_bounded_number_of_moves(after: int) -> None:
    """At most one by itself in each ``after``, and one for each failure."""
    moves, failures = run(after)
    assert moves <= MINUTES * 60 // after
    assert failures <= moves + 1
    if after >= 30:
        assert moves == 0
    else:
        assert moves >= MINUTES - 1  # once in each minute, so the bound above isn't held by standing still


def test_a_wait_is_one_without_a_break() -> None:
    clock = Clock()
    ripening = Ripening(clock)
    found = []
    for clock.now, better in [(0, "ab"), (10, "a"), (20, "ab"), (30, "ab"), (50, "b"), (60, "")]:
        ripe, again = ripening.ripe(CHAT, tuple(better), 30)
        found.append(("".join(sorted(ripe)), again))
    assert found == [("", 30), ("", 20), ("", 10), ("a", 20), ("b", None), ("", None)]


@pytest.mark.parametrize(
    ("text", "deployments", "most"),
    [
        ("3", 100, 3),
        ("0", 100, 0),
        ("10%", 200, 20),
        ("10%", 19, 1),
        ("10%", 3, 1),
        ("0%", 9, 0),
        ("100%", 7, 7),
    ],
)
def test_the_budget(text: str, deployments: int, most: int) -> None:
    assert most_moves(policy(disruption={"maxConcurrentMoves": text}), deployments) == most


class Fleet:
    """Two hundred deployments of one policy, in the operator's own stores."""

    def __init__(self, count: int) -> None:
        self.world = World(load_catalog(), lambda *_: None)
        self.version = 0
        self.ready: deque[Key] = deque()
        self.later: set[Key] = set()
        rules = {"disruption": {"maxConcurrentMoves": "10%"}, "default": True}
        body = {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": "PlacementPolicy",
            "metadata": {"name": "p"},
            "spec": rules,
        }
        self.world.policies.observe("ADDED", self._versioned(body))
        self.world.namespace_changed(("", "shop"), None, {})
        self.keys: list[Key] = [("shop", f"d{n}") for n in range(count)]
        for key in self.keys:
            self.say(key, draining=False)
        (parsed,) = self.world.policies.items.values()
        assert parsed.value is not None
        self.policy = parsed.value

    def _versioned(self, body: Body) -> Body:
        self.version += 1
        return {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}

    def say(self, key: Key, *, draining: bool) -> None:
        """Writes the status."""
        placement = {
            "deployment": "old", "pool": "a", "acceleratorClass": "a", "acceleratorType": "GPU",
            "variant": "v", "precision": "bf16", "runtime": "r",
            "devicesPerReplica": 1, "replicas": 1, "draining": draining,
        }  # fmt: skip
        spec = Wish(key).object().to_wire()["spec"]
        body = {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": "InferenceDeployment",
            "metadata": {"name": key[1], "namespace": key[0], "uid": key[1]},
            "spec": spec,
            "status": {"placements": [placement]},
        }
        self.world.workloads.observe("MODIFIED", self._versioned(body))

    def look_again(self, key: Key, seconds: float) -> None:
        if seconds <= 0:
            self.ready.append(key)
        else:
            assert seconds == SAFETY_SECONDS
            self.later.add(key)


def test_one_price_edit_over_two_hundred_moves_a_tenth_at_a_time() -> None:
    fleet = Fleet(200)
    budget = MoveBudget(fleet.world, fleet.look_again)
    moving: deque[Key] = deque()
    moved: list[Key] = []
    most = 0
    fleet.ready.extend(fleet.keys)
    while fleet.ready or moving:
        while fleet.ready:
            key = fleet.ready.popleft()
            if key not in moved and key not in moving and budget.admit(key, fleet.policy):
                fleet.say(key, draining=True)
                moving.append(key)
            budget.settled(key)
        most = max(most, len(moving))
        key = moving.popleft()  # the first ends, and those that wait are told
        fleet.say(key, draining=False)
        moved.append(key)
        budget.settled(key)
    assert most == 20
    assert sorted(moved) == sorted(fleet.keys)


def test_a_move_that_was_not_asked_for_counts_too() -> None:
    fleet = Fleet(10)
    budget = MoveBudget(fleet.world, fleet.look_again)
    fleet.say(fleet.keys[0], draining=True)
    assert not budget.admit(fleet.keys[1], fleet.policy)
    budget.settled(fleet.keys[1])
    assert not fleet.ready
    fleet.say(fleet.keys[0], draining=False)
    budget.settled(fleet.keys[0])
    assert list(fleet.ready) == [fleet.keys[1]]
    assert budget.admit(fleet.keys[1], fleet.policy)


def test_what_was_admitted_counts_until_it_is_seen() -> None:
    fleet = Fleet(10)
    budget = MoveBudget(fleet.world, fleet.look_again)
    assert budget.admit(fleet.keys[0], fleet.policy)
    assert not budget.admit(fleet.keys[1], fleet.policy)
    budget.forget(fleet.keys[0])
    assert list(fleet.ready) == [fleet.keys[1]]

"""What holds in whatever order things happen: the core against a model of Kubernetes."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st
from tests.unit.moves.simulation import Cluster, Key, Wish
from tests.unit.placement.builders import policy, tier

from stowage.api.placement_policy import PlacementPolicy

SEARCH = os.environ.get("STOWAGE_EXAMPLES")
examples = settings(
    max_examples=int(SEARCH or 60),
    deadline=None,
    derandomize=SEARCH is None,
    database=None,
    # A run of eighty steps takes minutes to shrink, and is read from its steps as well.
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)

KEYS: list[Key] = [("shop", "chat"), ("shop", "other")]
TIERS = [
    [tier("all")],
    [tier("x", classes=["a"]), tier("y", classes=["b"])],
    [tier("y", classes=["b"]), tier("x", classes=["a"])],
    [tier("y", classes=["b"])],
    [tier("x", classes=["a"])],
]
DISRUPTIONS = st.fixed_dictionaries(
    {"minAvailable": st.integers(0, 3), "whenFull": st.sampled_from(["Wait", "Wait", "Replace"])}
)
STEPS = ["reconcile", "control", "schedule", "start", "finish"]
EDITS = ["replicas", "variants", "image", "disruption", "policy"]


def rules(index: int, split: bool) -> PlacementPolicy:
    return policy(tiers=TIERS[index], split="Allowed" if split else "Never", mixedPrecision=split)


class Run:
    """A random run of a cluster."""

    def __init__(self, data: st.DataObject, *, losses: bool) -> None:
        self.data = data
        self.losses = losses
        sizes = st.lists(st.integers(1, 3), min_size=1, max_size=2)
        self.one_variant = data.draw(st.booleans(), "one variant")
        self.split = data.draw(st.booleans(), "split")
        self.cluster = Cluster(
            {"a": data.draw(sizes, "a"), "b": data.draw(sizes, "b")},
            rules(data.draw(st.integers(0, 2), "tiers"), self.split),
        )
        for key in KEYS[: data.draw(st.integers(1, 2), "objects")]:
            self.cluster.wishes[key] = Wish(
                key, data.draw(st.integers(1, 3)), ("one",), disruption=data.draw(DISRUPTIONS)
            )
        if not losses:
            self.cluster.removed_ready = self.check_promise

    def check_promise(self, key: Key) -> None:
        wish = self.cluster.wishes[key]
        if wish.disruption["whenFull"] == "Wait":
            least = min(wish.disruption["minAvailable"], wish.least, wish.served)
            assert self.cluster.available(key) >= least, f"{key}: below what is promised"

    def check_devices(self) -> None:
        if not self.one_variant:
            return  # an object's own old and new pods may contend for a device, and then for another's
        for pool in ("a", "b"):
            assert self.cluster.promised(pool) <= self.cluster.devices(pool), f"{pool} is given twice"

    def go(self, count: int) -> None:
        kinds = STEPS * 4 + EDITS + (["node"] if self.losses else [])
        for _ in range(count):
            self.step(self.data.draw(st.sampled_from(kinds)))
            if not self.losses:
                self.check_devices()

    def step(self, kind: str) -> None:
        cluster, draw = self.cluster, self.data.draw
        wish = cluster.wishes[draw(st.sampled_from(sorted(cluster.wishes)))]
        if kind == "reconcile":
            cluster.reconcile(wish.key)
        elif kind == "control" and cluster.deployments:
            cluster.control(draw(st.sampled_from(sorted(cluster.deployments))))
        elif kind in ("schedule", "start", "finish") and cluster.pods:
            pod = cluster.pods[draw(st.sampled_from(sorted(cluster.pods)))]
            getattr(cluster, kind)(pod)
        elif kind == "replicas":
            wish.replicas = draw(st.integers(0, 4))
            wish.least = min(wish.least, wish.replicas)
        elif kind == "variants" and not self.one_variant:
            wish.variants = draw(
                st.sampled_from([("one",), ("same",), ("two",), ("one", "same"), ("one", "two")])
            )
        elif kind == "image":
            wish.version += 1
        elif kind == "disruption" and self.losses:  # a promise made while pods go comes too late for them
            wish.disruption = draw(DISRUPTIONS)
        elif kind == "policy":
            cluster.policy = rules(draw(st.integers(0, len(TIERS) - 1)), self.split)
        elif kind == "node":
            name = draw(st.sampled_from(sorted(cluster.nodes)))
            if name in cluster.down:
                cluster.down.discard(name)
            else:
                cluster.lose(name)

    def end(self) -> None:
        """Everything is there again, and nothing changes any more."""
        self.cluster.down.clear()
        self.cluster.settle()
        for wish in self.cluster.wishes.values():
            self.check_settled(wish)

    def check_settled(self, wish: Wish) -> None:
        decision = wish.decision
        assert decision is not None
        event(decision.outcome.code.value + (" blocked" if wish.blocked else ""))
        serves = self.cluster.available(wish.key)
        if decision.placed and not wish.blocked:
            assert serves == wish.replicas, f"{wish}: {serves} serve"
            assert not wish.draining, f"{wish}: still moving"
            versions = {p.version for p in self.cluster.pods.values() if self.cluster.owner(p) == wish.key}
            assert versions <= {wish.version}, f"{wish}: old pods stay"
        waits = wish.disruption["whenFull"] == "Wait" and wish.disruption["minAvailable"] >= min(
            serves, wish.replicas
        )
        if wish.blocked:
            assert waits, f"{wish}: its roll waits, and needn't"


@given(st.data())
@examples
def test_never_below_the_promise_and_no_device_twice_and_it_settles(data: st.DataObject) -> None:
    run = Run(data, losses=False)
    run.go(data.draw(st.integers(10, 80), "steps"))
    run.end()
    run.check_devices()


@given(st.data())
@examples
def test_it_settles_though_nodes_come_and_go(data: st.DataObject) -> None:
    run = Run(data, losses=True)
    run.go(data.draw(st.integers(10, 80), "steps"))
    run.end()


def test_fewer_replicas_in_a_roll_take_no_pod_that_is_needed() -> None:
    """Kubernetes scales a Deployment that rolls by the sizes of its ReplicaSets: pods that serve may go while
    those that start stay."""
    run = Cluster({"a": [4, 4], "b": [1]}, rules(0, split=False))
    wish = run.wishes[KEYS[0]] = Wish(KEYS[0], 2, disruption={"minAvailable": 1, "whenFull": "Wait"})
    run.settle()
    (name,) = run.deployments
    wish.version += 1
    for replicas in (2, 4, 1):
        wish.replicas = replicas
        run.reconcile(KEYS[0])
        run.control(name)
    assert run.available(KEYS[0]) >= 1
    run.settle()
    assert (run.available(KEYS[0]), run.deployments[name].replicas) == (1, 1)

"""Moves without loss: as seen by whoever watches the pods, available replicas keep the promise throughout."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.cluster.harness import BF16, FP8, Object, PodWatch, Stage, eventually

pytestmark = pytest.mark.cluster

WAIT = 60.0
OTHER = {**FP8, "name": "other", "uri": "hf://example/llama-other"}
"""As FP8, under another name: another placement on the same devices."""
SECOND = {**FP8, "uri": "hf://example/llama-fp8-v2"}
"""FP8 from elsewhere: the same placement, other pods."""
SURGE = {"maxSurge": 1, "maxUnavailable": 0}
TIERS = {"a100": "nvidia-a100-80gb", "l4": "nvidia-l4"}


def tiers() -> list[Object]:
    return [{"name": name, "accelerators": {"classes": [each]}} for name, each in TIERS.items()]


@contextmanager
def never_below(stage: Stage, least: int, begin: int) -> Iterator[None]:
    """Fails where fewer pods are ready at any moment, once ``begin`` of them have been seen."""
    with PodWatch(stage) as watch:
        eventually(watch.ready_counts, lambda counts: counts[-1:] == [begin])
        yield
        counts = watch.ready_counts()
    assert min(counts[counts.index(begin) :]) >= least, counts


def settled(stage: Stage, text: str, count: int) -> None:
    """Waits until so many pods of the new kind are all there is."""
    stage.wait_ready(seconds=WAIT)
    eventually(
        stage.pods,
        lambda pods: len(pods) == count and all(text in str(pod["spec"]) for pod in pods),
        WAIT,
    )


def strategy(stage: Stage) -> Object:
    (found,) = stage.deployments()
    return dict(found["spec"]["strategy"]["rollingUpdate"])


@pytest.mark.parametrize(
    ("after", "text"),
    [pytest.param(OTHER, "llama-other", id="another variant"), pytest.param(SECOND, "fp8-v2", id="an edit")],
)
def test_a_full_pool_is_gone_through_one_by_one(stage: Stage, after: Object, text: str) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload(replicas=2))
    stage.wait_ready()
    with never_below(stage, 1, begin=2):
        stage.apply(stage.workload(replicas=2, variants=[after]))
        settled(stage, text, 2)
    eventually(lambda: strategy(stage), lambda found: found == SURGE, WAIT)


@pytest.mark.parametrize(
    ("after", "text"),
    [pytest.param(OTHER, "llama-other", id="another variant"), pytest.param(SECOND, "fp8-v2", id="an edit")],
)
def test_where_the_promise_and_a_full_pool_contradict_it_waits_or_gives_way(
    stage: Stage, after: Object, text: str
) -> None:
    stage.pool("l4-spot", 1)
    keeps = {"minAvailable": 2}
    stage.apply(stage.policy(), stage.workload(replicas=2, disruption=keeps))
    stage.wait_ready()
    first = stage.pod_names()
    with never_below(stage, 2, begin=2):
        stage.apply(stage.workload(replicas=2, disruption=keeps, variants=[after]))
        found = stage.wait_for("Placed", "NoSpareDevice", seconds=WAIT)
        assert "what serves stays" in found["message"]
        assert set(first) <= set(stage.pod_names())
    with never_below(stage, 1, begin=2):
        stage.patch("infd/chat", {"spec": {"disruption": {"whenFull": "Replace"}}})
        settled(stage, text, 2)
    assert stage.get("pdb", "chat")["spec"]["minAvailable"] == 2


def test_a_move_to_another_pool_takes_over_replica_by_replica(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    stage.pool("a100-80", 1)
    slow = {"annotations": {"simulation.example.com/ready-after": "1s"}}
    spec = {"replicas": 3, "variants": [BF16], "template": slow, "disruption": {"minAvailable": 3}}
    stage.apply(stage.policy(), stage.workload(**spec))
    stage.wait_ready()
    (old,) = stage.deployments()
    with never_below(stage, 3, begin=3):
        only_a100 = [{"name": "all", "accelerators": {"classes": ["nvidia-a100-80gb"]}}]
        stage.apply(stage.policy(tiers=only_a100))
        eventually(lambda: stage.infd()["status"]["placements"][0]["acceleratorClass"] == TIERS["a100"])
        stage.wait_ready(seconds=WAIT)
        eventually(stage.deployments, lambda found: len(found) == 1 and found != [old], WAIT)
        eventually(stage.pods, lambda pods: len(pods) == 3, WAIT)


def test_a_paused_object_stands_still_in_mid_move(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    late = {"annotations": {"simulation.example.com/ready-after": "2s"}}
    stage.apply(stage.policy(), stage.workload(template=late))
    stage.wait_ready()
    stage.apply(stage.workload(template=late, variants=[OTHER]))
    eventually(lambda: len(stage.deployments()) == 2)
    stage.patch("infd/chat", {"spec": {"paused": True, "replicas": 3}})
    stage.wait_for("Ready", "Paused")
    eventually(lambda: _ready(stage), lambda count: count == 2, WAIT)
    generations = [(d["metadata"]["name"], d["metadata"]["generation"]) for d in stage.deployments()]
    stage.kubectl("annotate", "infd", "chat", "example.com/touched=yes")
    stage.wait_for("Ready", "Paused")
    found = [(d["metadata"]["name"], d["metadata"]["generation"]) for d in stage.deployments()]
    assert (found, len(stage.pods())) == (generations, 2)
    stage.patch("infd/chat", {"spec": {"paused": False}})
    settled(stage, "llama-other", 3)


def _ready(stage: Stage) -> int:
    """Pods that serve."""
    conditions = [each for pod in stage.pods() for each in pod["status"].get("conditions", ())]
    return sum((each["type"], each["status"]) == ("Ready", "True") for each in conditions)

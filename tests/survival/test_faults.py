"""Answers that an API server gives when it is loaded, upgraded or far away; and none at all."""

from __future__ import annotations

import time

import pytest
from tests.cluster.harness import BF16, FP8, Object, PodWatch, eventually
from tests.survival.town import BUSY, SOAK, Town

from devcluster.faultproxy import WATCH, WRITES, Fault

pytestmark = pytest.mark.cluster

SECONDS = 20.0 if SOAK else 2.0
READS = frozenset({"GET"})


def both(status: int, probability: float, verbs: frozenset[str] = frozenset()) -> list[Fault]:
    """Half of them instead of what was asked, half of them although it was done."""
    half = probability / 2
    return [Fault(status, verbs, probability=half), Fault(status, WRITES, probability=half, after=True)]


FAULTS = {
    "409 to half of the writes": both(409, 0.5, WRITES),
    "410 in all watches": [Fault(410, frozenset({WATCH}), times=30, in_stream=True)],
    "410 as the answer to watches": [Fault(410, frozenset({WATCH}), times=6)],
    "422 to writes of Deployments": [Fault(422, WRITES, "/deployments/", times=3)],
    "422 to writes of status": [Fault(422, WRITES, "/status", times=3)],
    "429 with Retry-After to a third": [Fault(429, probability=0.3, headers={"Retry-After": "1"})],
    "500 to half of the requests": both(500, 0.5),
    "503 to all requests": [Fault(503)],
    "half of the connections dropped": both(0, 0.5),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_it_survives(town: Town, fault: str) -> None:
    with town.survives(fault):
        town.proxy.inject(*FAULTS[fault])
        town.proxy.cut_watches()
        town.keep_editing(SECONDS)
        hit = sum(each.done for each in town.proxy.faults)
        assert hit > 0, "no request met the fault"


def test_what_was_deleted_while_the_watches_were_cut_is_not_a_phantom(town: Town) -> None:
    """An object deleted while its watch is broken never yields DELETED. Here a node, on which a model that
    comes later must not be placed; a Deployment, which must come back; and a model, which must be forgotten.

    The periodic resync of this operator comes after ten minutes: it must not take that long.
    """
    stage = town.stage
    extra = stage.pool("a100-80", 1, "phantom")
    stage.apply(town.model("forgotten"))
    town.converged()
    with town.survives("watches cut, objects deleted meanwhile"):
        town.proxy.inject(Fault(0, READS | {WATCH}))
        assert town.proxy.cut_watches() > 5
        (child,) = stage.deployments(BUSY[0])
        stage.kubectl("delete", "node", f"{extra}-1")
        stage.kubectl("delete", "infd", "forgotten")
        stage.kubectl("delete", "deployment", child["metadata"]["name"])
        time.sleep(3.0)
    log = stage.operator.text()
    policy = {"name": "a100", "accelerators": {"classes": ["nvidia-a100-80gb"]}}
    other = stage.policy(tiers=[policy])
    other["metadata"]["name"] = f"{stage.namespace}-a100"
    stage.apply(other, town.model("late", policy=other["metadata"]["name"]))
    try:
        found = stage.wait_for("Placed", "NoFeasibleCandidate", "late")
        assert "phantom" not in found["message"], log[-2000:]
    finally:
        stage.kubectl("delete", "infd", "late")
        stage.kubectl("delete", "plp", other["metadata"]["name"])


def test_what_it_deleted_itself_is_not_a_phantom_though_no_watch_tells_of_that(town: Town) -> None:
    """A watch that begins after a deletion never tells of it, nor one that is late in time. A move back to
    what a move took away must not take that for what serves, and give up what does."""
    stage, name = town.stage, BUSY[0]

    def take(variant: Object) -> None:
        stage.patch(f"infd/{name}", {"spec": {"variants": [variant], "replicas": 2}})
        town.converged()

    take(FP8)
    with PodWatch(stage, name) as watch, town.survives("a deletion of its own that no watch tells"):
        eventually(watch.ready_counts, lambda counts: counts[-1:] == [2])
        town.proxy.hidden = ("/deployments", "DELETED")
        take(BF16)
        take(FP8)
        counts = watch.ready_counts()
    assert min(counts[counts.index(2) :]) >= 2, counts

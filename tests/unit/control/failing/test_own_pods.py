"""What is kept of our own pods, and how a lost node is noticed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from stowage.control.failing.pods import OwnPod, OwnPods, project_own_pod
from stowage.placement.failure import PodState

LABELS = {"stowage.dev/inference-deployment": "chat", "stowage.dev/placement": "0a"}
AT = "2026-01-01T00:00:00Z"
T = 1767225600.0
ENDED = {"reason": "Error", "startedAt": AT, "finishedAt": "2026-01-01T00:00:30Z"}
SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": AT}
UNREADY = {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:10Z"}
READY = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"}
NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "lastTransitionTime": AT}
GATED = {**NO_NODE, "reason": "SchedulingGated"}
RUNNING = {"running": {"startedAt": AT}}
NO_IMAGE = {"waiting": {"reason": "ErrImagePull", "message": "no such tag" + "!" * 500}}
BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}


DONE = {"exitCode": 0, "reason": "Completed", "startedAt": AT, "finishedAt": "2026-01-01T02:00:00Z"}
REFUSED = {**ENDED, "exitCode": 6, "message": "it has no such file\n"}
INITIALIZING = {"waiting": {"reason": "PodInitializing"}}


def body(*conditions: Any, node: str = "", containers: Any = (), **status: Any) -> dict[str, Any]:
    return {
        "metadata": {"namespace": "shop", "name": "chat-0", "uid": "u", "labels": LABELS},
        "spec": {"nodeName": node} if node else {},
        "status": {"conditions": list(conditions), "containerStatuses": list(containers), **status},
    }


def container(state: Any, *, ready: bool = False, restarts: int = 0, last: Any = None) -> dict[str, Any]:
    given = {"name": "server", "ready": ready, "restartCount": restarts, "state": state}
    return {**given, "lastState": {"terminated": last}} if last else given


def fetcher(state: Any, **more: Any) -> dict[str, Any]:
    return {**container(state, **more), "name": "fetcher"}


def fetching(state: Any, **more: Any) -> dict[str, Any]:
    """A pod whose server waits for its model."""
    status = [fetcher(state, **more)]
    return body(
        SCHEDULED, UNREADY, node="n", initContainerStatuses=status, containers=[container(INITIALIZING)]
    )


T_UNREADY, NO_FILE = T + 10, "it has no such file"
CASES = {
    "just made": (body(), PodState(), False),
    "unschedulable": (body(NO_NODE), PodState(since=T), False),
    "held back by a gate": (body(GATED), PodState(), False),
    "bound": (body(SCHEDULED, node="n"), PodState(node="n", since=T), False),
    "loading": (
        body(SCHEDULED, UNREADY, node="n", containers=[container(RUNNING)]),
        PodState(node="n", since=T + 10, running=True),
        False,
    ),
    "serving, whatever happened before": (
        body(READY, node="n", containers=[container(RUNNING, ready=True, restarts=7, last=ENDED)]),
        PodState(node="n", ready=True, running=True),
        True,
    ),
    "its node is lost": (
        body(UNREADY, node="n", containers=[container(RUNNING, ready=True)]),
        PodState(node="n", since=T + 10, running=True),
        True,
    ),
    "no image": (
        body(UNREADY, node="n", containers=[container(NO_IMAGE)]),
        PodState("n", since=T + 10, waiting="ErrImagePull", message="no such tag" + "!" * 149),
        False,
    ),
    "a crash loop, and a sidecar that runs": (
        body(
            UNREADY,
            node="n",
            containers=[container(RUNNING, ready=True), container(BACK_OFF, restarts=3, last=ENDED)],
        ),
        PodState("n", since=T + 10, waiting="CrashLoopBackOff", restarts=3, ended="Error", ran=30),
        False,
    ),
    "a crash loop, and its last words": (
        body(
            UNREADY,
            node="n",
            containers=[
                container(BACK_OFF, restarts=3, last={**ENDED, "message": "digest is\n\x1b[1m a" + "!" * 500})
            ],
        ),
        PodState(
            "n",
            since=T + 10,
            waiting="CrashLoopBackOff",
            message="digest is [1m a" + "!" * 155,
            restarts=3,
            ended="Error",
            ran=30,
        ),
        False,
    ),
    "its model is being fetched: that is no time of its start": (
        fetching(RUNNING),
        PodState("n", running=True, fetcher=True),
        False,
    ),
    "its model is there: the start begins": (
        body(
            SCHEDULED,
            UNREADY,
            node="n",
            initContainerStatuses=[fetcher({"terminated": DONE}, ready=True)],
            containers=[container(RUNNING)],
        ),
        PodState("n", since=T + 7200, running=True),
        False,
    ),
    "its model can't be fetched": (
        fetching({"terminated": REFUSED}),
        PodState("n", since=T_UNREADY, message=NO_FILE, fetcher=True, exit_code=6, ended="Error", ran=30),
        False,
    ),
    "and the kubelet waits": (
        fetching(BACK_OFF, restarts=1, last=REFUSED),
        PodState(
            "n",
            since=T_UNREADY,
            waiting="CrashLoopBackOff",
            message=NO_FILE,
            restarts=1,
            fetcher=True,
            exit_code=6,
            ended="Error",
            ran=30,
        ),
        False,
    ),
    "and tries again: what it said is still so": (
        fetching(RUNNING, restarts=1, last=REFUSED),
        PodState(
            "n", running=True, message=NO_FILE, restarts=1, fetcher=True, exit_code=6, ended="Error", ran=30
        ),
        False,
    ),
    "the fetcher's Secret isn't there": (
        fetching({"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "x" not found'}}),
        PodState(
            "n",
            since=T_UNREADY,
            waiting="CreateContainerConfigError",
            message='secret "x" not found',
            fetcher=True,
        ),
        False,
    ),
    "it ended this moment": (
        body(UNREADY, node="n", containers=[container({"terminated": {**ENDED, "reason": "OOMKilled"}})]),
        PodState("n", since=T + 10, ended="OOMKilled", ran=30),
        False,
    ),
}


@pytest.mark.parametrize(("given", "state", "served"), CASES.values(), ids=CASES)
def test_projection(given: dict[str, Any], state: PodState, served: bool) -> None:
    assert project_own_pod(given) == OwnPod("u", "chat", "0a", state, served)


@pytest.mark.parametrize(
    "given",
    [
        body(phase="Succeeded"),
        body(phase="Failed"),
        {**body(), "metadata": {"namespace": "shop", "name": "x", "labels": {}}},
        {**body(), "metadata": {**body()["metadata"], "deletionTimestamp": AT}},
    ],
    ids=["succeeded", "evicted", "not ours", "going"],
)
def test_what_does_not_count(given: dict[str, Any]) -> None:
    assert project_own_pod(given) is None


# --- Lost nodes.

GROUP = ("shop", "chat", "0a")
KEY = ("shop", "chat-0")
SERVES = OwnPod("u", "chat", "0a", PodState(node="n", ready=True, running=True), served=True)
LOADS = replace(SERVES, state=PodState(node="n", since=T), served=False)


class Bench:
    def __init__(self) -> None:
        self.nodes: dict[str, bool] = {"n": True}
        self.now = T
        self.pods = OwnPods(self.nodes.get, lambda: self.now)

    def lost_since(self) -> float | None:
        return self.pods.lost_since(GROUP, self.pods.dead_nodes(GROUP))


def test_a_node_that_goes_and_the_pod_after_it() -> None:
    bench = Bench()
    bench.pods.change(KEY, None, SERVES)
    assert (bench.lost_since(), bench.pods.serves(GROUP)) == (None, True)
    del bench.nodes["n"]
    assert (bench.lost_since(), bench.pods.serves(GROUP)) == (T, False)
    bench.now = T + 60
    bench.pods.change(KEY, SERVES, None)
    assert bench.lost_since() == T
    bench.nodes["n"] = True
    bench.pods.change(KEY, None, SERVES)
    assert bench.lost_since() is None


def test_a_pod_that_goes_with_its_node_before_anybody_looked() -> None:
    bench = Bench()
    bench.pods.change(KEY, None, SERVES)
    bench.pods.dead_nodes(GROUP)
    bench.nodes["n"] = False
    bench.pods.change(KEY, SERVES, None)
    assert bench.lost_since() == T
    bench.pods.forget(GROUP[:2], {"other"})
    assert bench.lost_since() is None


@pytest.mark.parametrize(
    ("pod", "node"), [(SERVES, True), (LOADS, False)], ids=["scaled down", "it never served"]
)
def test_a_pod_that_goes_for_another_reason(pod: OwnPod, node: bool) -> None:
    bench = Bench()
    bench.pods.change(KEY, None, pod)
    bench.nodes["n"] = node
    bench.pods.change(KEY, pod, None)
    assert (bench.lost_since(), bench.pods.of(GROUP)) == (None, ())


def test_a_node_that_was_never_seen_may_be_new() -> None:
    bench = Bench()
    del bench.nodes["n"]
    bench.pods.change(KEY, None, SERVES)
    assert (bench.pods.dead_nodes(GROUP), bench.lost_since()) == (frozenset(), None)

"""The table of failures, line by line: what is seen, and when it counts as failed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from stowage.api.placement_policy import Fallback
from stowage.api.reasons import Code
from stowage.placement.failure import Later, Observed, PodState, Times, Verdict, judge
from stowage.placement.reasons import Reason

TIMES = Times(after=60, provisioning=600, start=1800)
T = 1_000_000.0
"""When the pods below began to wait."""

PENDING = PodState(since=T)
LOADING = PodState(node="n", since=T, running=True)
READY = PodState(node="n", ready=True, running=True)
NO_IMAGE = PodState(node="n", since=T, waiting="ImagePullBackOff", message='Back-off pulling image "x:1"')
CRASHING = PodState(node="n", since=T, waiting="CrashLoopBackOff", restarts=3, ended="Error", ran=2)
KILLED = PodState(node="n", since=T, waiting="CrashLoopBackOff", restarts=1, ended="OOMKilled", ran=30)

UNSCHEDULABLE = Reason(Code.UNSCHEDULABLE, "no node of the pool took its pods within 60 s")
NOT_BROUGHT = Reason(Code.UNSCHEDULABLE, "an autoscaler brought no node for it within 600 s")
IMAGE = Reason(Code.IMAGE_PULL_BACK_OFF, 'ImagePullBackOff: Back-off pulling image "x:1"')
CRASHED = Reason(Code.CRASH_LOOP, "its container crashed 3 times, at last with Error")
OOM = Reason(Code.OOM_KILLED, "its container was ended 2 times for taking too much memory")
SLOW = Reason(Code.START_TIMEOUT, "not ready within 1800 s of its start")
QUOTA = Reason(Code.PODS_REFUSED, "no pod could be made: exceeded quota: gpus")
SPOT_LOST = Reason(Code.NODE_LOST, "the spot node on which it served is lost")
LOST = Reason(Code.NODE_LOST, "the node on which it served is lost for 60 s")
DEAD = frozenset({"n"})
SAID = "net.onnx: the store answers 404: it has no such file; correct the variant's uri"
UNFETCHED = PodState(node="n", since=T, message=SAID, fetcher=True, exit_code=6, ended="Error", ran=1)
FETCHING = PodState(node="n", running=True, fetcher=True)
NOT_FETCHED = Reason(Code.FETCH_FAILED, SAID)


@dataclass(frozen=True)
class Case:
    seen: Observed
    after: float
    """Seconds since the pods began to wait."""
    expected: Verdict
    not_before: float = 0.0


def seen(*pods: PodState, **more: object) -> Observed:
    return Observed(pods, **more)  # type: ignore[arg-type]


CASES = {
    "unschedulable, and it is early": Case(seen(PENDING), 10, Later(50)),
    "unschedulable for long enough": Case(seen(PENDING), 60, UNSCHEDULABLE),
    "an autoscaler brings nodes": Case(seen(PENDING, provisioning=True), 60, Later(540)),
    "an autoscaler brought none": Case(seen(PENDING, provisioning=True), 600, NOT_BROUGHT),
    "another try begins anew": Case(seen(PENDING), 3600, Later(40), not_before=T + 3580),
    "nothing was said of the pod yet": Case(seen(PodState()), 3600, None),
    "one of two has a node and loads": Case(seen(PENDING, LOADING), 60, Later(1740)),
    "one of two serves": Case(seen(PENDING, READY), 3600, None),
    "a slow model load is no failure": Case(seen(LOADING), 1799, Later(1)),
    "but for startTimeout": Case(seen(LOADING), 1800, SLOW),
    "what it waits for is told": Case(
        seen(PodState(node="n", since=T, waiting="CreateContainerConfigError")),
        1800,
        Reason(Code.START_TIMEOUT, "not ready within 1800 s of its start (CreateContainerConfigError)"),
    ),
    "an image that can't be pulled, at once": Case(seen(NO_IMAGE), 0, IMAGE),
    "the first error of a pull too": Case(
        seen(PodState(node="n", since=T, waiting="ErrImagePull")),
        0,
        Reason(Code.IMAGE_PULL_BACK_OFF, "ErrImagePull: the image is not pulled"),
    ),
    "one of two loads": Case(seen(NO_IMAGE, LOADING), 5, Later(1795)),
    "one of two pulls, the other has no node": Case(seen(NO_IMAGE, PENDING), 60, IMAGE),
    "the third crash, at once": Case(seen(CRASHING), 0, CRASHED),
    "its last words are told": Case(
        seen(replace(CRASHING, message="there is no model")),
        0,
        Reason(Code.CRASH_LOOP, "its container crashed 3 times, at last with Error: there is no model"),
    ),
    "the second crash isn't it": Case(
        seen(PodState(node="n", since=T, waiting="CrashLoopBackOff", restarts=2, ended="Error")),
        5,
        Later(1795),
    ),
    "a crash after hours isn't it": Case(
        seen(PodState(node="n", since=T, waiting="CrashLoopBackOff", restarts=9, ended="Error", ran=7200)),
        5,
        Later(1795),
    ),
    "killed for memory twice, at once": Case(seen(KILLED), 0, OOM),
    "and running for the third time": Case(
        seen(PodState(node="n", since=T, running=True, restarts=2, ended="OOMKilled")), 0, OOM
    ),
    "killed once isn't it": Case(
        seen(PodState(node="n", since=T, running=True, restarts=1, ended="OOMKilled")), 0, Later(1800)
    ),
    "a fetch takes its time": Case(seen(FETCHING), 7200, None),
    "nothing is to be fetched there, at once": Case(seen(UNFETCHED), 0, NOT_FETCHED),
    "and when the kubelet waits to try again": Case(
        seen(replace(UNFETCHED, waiting="CrashLoopBackOff", restarts=1)), 0, NOT_FETCHED
    ),
    "it tries again, and may have it": Case(
        seen(replace(UNFETCHED, running=True, since=None, restarts=1)), 7200, None
    ),
    "the node's disk is full": Case(
        seen(replace(UNFETCHED, exit_code=5, message="the disk is full")),
        0,
        Reason(Code.NO_ROOM_FOR_MODEL, "the disk is full"),
    ),
    "the fetcher has no image": Case(
        seen(replace(NO_IMAGE, fetcher=True)),
        0,
        Reason(
            Code.FETCH_FAILED, 'the fetcher can\'t start: ImagePullBackOff: Back-off pulling image "x:1"'
        ),
    ),
    "the fetcher has no Secret": Case(
        seen(PodState("n", since=T, waiting="CreateContainerConfigError", message='secret "x" not found',
                      fetcher=True)),
        0,
        Reason(
            Code.FETCH_FAILED, 'the fetcher can\'t start: CreateContainerConfigError: secret "x" not found'
        ),
    ),
    "a crash of the fetcher may be the last": Case(
        seen(replace(UNFETCHED, exit_code=1, restarts=1)), 5, Later(1795)
    ),
    "the third isn't": Case(
        seen(replace(UNFETCHED, exit_code=137, message="", ended="OOMKilled", restarts=2)),
        0,
        Reason(Code.FETCH_FAILED, "the fetcher crashed 3 times, at last with OOMKilled"),
    ),
    "one of two serves, the other's fetch failed": Case(seen(UNFETCHED, replace(READY, node="m")), 0, None),
    "no pod could be made, and it is early": Case(
        seen(refused="exceeded quota: gpus", refused_since=T), 10, Later(50)
    ),
    "no pod could be made for long enough": Case(
        seen(refused="exceeded quota: gpus", refused_since=T), 60, QUOTA
    ),
    "a pod could be made and loads": Case(
        seen(LOADING, refused="exceeded quota: gpus", refused_since=T), 60, Later(1740)
    ),
    "no pod yet, and nobody says why": Case(seen(), 3600, None),
    "a spot node is lost, at once": Case(
        seen(READY, dead_nodes=DEAD, lost_since=T, spot=True), 0, SPOT_LOST
    ),
    "another node is lost, and it is early": Case(seen(READY, dead_nodes=DEAD, lost_since=T), 10, Later(50)),
    "another node is lost for long enough": Case(seen(READY, dead_nodes=DEAD, lost_since=T), 60, LOST),
    "the pod on it is gone, and the next has no node": Case(
        seen(PENDING, lost_since=T - 20, spot=True), 0, SPOT_LOST
    ),
    "the next one loads": Case(seen(LOADING, lost_since=T - 20, spot=True), 0, Later(1800)),
    "a node of a pod that never served is lost": Case(seen(LOADING, dead_nodes=DEAD), 10, Later(1790)),
    "one of two nodes is lost": Case(
        seen(READY, PodState(node="m", ready=True), dead_nodes=DEAD, lost_since=T, spot=True), 0, None
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_failure(case: Case) -> None:
    assert judge(case.seen, TIMES, T + case.after, case.not_before) == case.expected


def test_times_are_the_policys() -> None:
    given = Fallback(after="90s", provisioning_timeout="1h", start_timeout="1h30m")
    assert Times.of(given) == Times(90, 3600, 5400)

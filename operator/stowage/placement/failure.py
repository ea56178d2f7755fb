"""What counts as failed: the pods of one placement at one moment, against the policy's times."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from stowage.api.placement_policy import Fallback
from stowage.api.quantity import parse_duration
from stowage.api.reasons import Code
from stowage.placement.reasons import Reason

CRASHES = 3
"""Restarts after which a container that crashes again has failed."""
OUT_OF_MEMORY = 2
"""Times that the kernel may end a container for its memory until it has failed."""
SHORT_RUN = 600.0
"""Seconds: a run that lasted longer is no part of a crash loop. The kubelet forgets its back-off after
10 minutes too (kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle, container restarts)."""
SHORT_GROWTH = 3600.0
"""Seconds: a container whose memory sufficed for longer has room enough for its model."""

NO_ROOM = 5
"""The fetcher's exit code for a disk with too little room: of its own errors the one that is the node's."""
FETCH_ERRORS = frozenset({2, 3, 4, NO_ROOM, 6, 7, 8, 9})
"""Its exit codes after which trying again doesn't help, or was tried. Others are crashes."""
NO_START = frozenset({"CreateContainerConfigError", "CreateContainerError"})
"""Why a container waits that lacks something else than its image, such as a Secret
(k8s.io/kubernetes/pkg/kubelet/kuberuntime/kuberuntime_container.go)."""
NO_IMAGE = frozenset({"ImagePullBackOff", "ErrImagePull", "InvalidImageName", "ErrImageNeverPull"})
"""Why a container waits that has no image (k8s.io/kubernetes/pkg/kubelet/images/types.go)."""

NEVER = math.inf


@dataclass(frozen=True, slots=True)
class PodState:
    """What of one of our pods matters here. Times are in seconds since the epoch."""

    node: str = ""
    """Where it runs; empty while it has no node."""
    ready: bool = False
    since: float | None = None
    """Since when it is unschedulable or, on a node, not ready. None: neither was said of it."""
    waiting: str = ""
    """Why a container waits, such as ``ImagePullBackOff``."""
    message: str = ""
    """What the kubelet says of an image that it can't pull, or a container that crashes said at last."""
    running: bool = False
    """Whether the container runs."""
    restarts: int = 0
    fetcher: bool = False
    """Whether the container that all this is said of is the fetcher of the model."""
    exit_code: int = 0
    """Of that container's last run."""
    ended: str = ""
    """Why the container's last run ended, such as ``OOMKilled``."""
    ran: float = 0.0
    """For how many seconds that run lasted."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One placement as it is seen."""

    pods: tuple[PodState, ...]
    """Its pods that aren't on their way out."""
    dead_nodes: frozenset[str] = frozenset()
    """Nodes of its pods that are gone or not ready."""
    lost_since: float | None = None
    """Since when a node is lost on which it was serving."""
    refused: str = ""
    """Why no pod could be made, as the Deployment's condition ReplicaFailure says."""
    refused_since: float = 0.0
    spot: bool = False
    """Whether its nodes may be taken away at any time."""
    provisioning: bool = False
    """Whether an autoscaler is bringing nodes for its pods."""


@dataclass(frozen=True, slots=True)
class Times:
    """The policy's patience, in seconds."""

    after: float
    provisioning: float
    start: float

    @classmethod
    def of(cls, fallback: Fallback) -> Times:
        return cls(
            parse_duration(fallback.after),
            parse_duration(fallback.provisioning_timeout),
            parse_duration(fallback.start_timeout),
        )


@dataclass(frozen=True, slots=True)
class Later:
    """Nothing has failed yet; in so many seconds it will have, if nothing changes."""

    seconds: float


Verdict = Reason | Later | None


def judge(observed: Observed, times: Times, now: float, not_before: float = 0.0) -> Verdict:
    """Whether a placement has failed, and why; else when to look again, if time alone can tell.

    A placement of which a pod serves hasn't failed, whatever its other pods wait for. One without has
    failed when all its pods have, so that a pod that loads its model slowly is waited for.

    Args:
        not_before: when it was last given another try; waiting before that doesn't count.
    """
    if any(p.ready and p.node not in observed.dead_nodes for p in observed.pods):
        return None
    ends = sorted(_ends(observed, times, not_before), key=lambda e: e[0])
    if not ends or ends[-1][0] == NEVER:
        return None
    last = ends[-1][0]
    if last <= now:
        return ends[0][1]
    return Later(last - now)


def _ends(observed: Observed, times: Times, not_before: float) -> Iterable[tuple[float, Reason]]:
    """When each pod fails, and why it then does."""
    if observed.pods:
        return [_end(pod, observed, times, not_before) for pod in observed.pods]
    if observed.refused:
        since = max(observed.refused_since, not_before)
        return [(since + times.after, Reason(Code.PODS_REFUSED, f"no pod could be made: {observed.refused}"))]
    return []


def _end(pod: PodState, observed: Observed, times: Times, not_before: float) -> tuple[float, Reason]:
    tries = pod.fetcher and pod.running
    found = None if tries or pod.node in observed.dead_nodes else broken(pod)
    if found is not None:
        return 0.0, found
    if observed.lost_since is not None and (not pod.node or pod.node in observed.dead_nodes):
        wait = 0.0 if observed.spot else times.after
        return max(observed.lost_since, not_before) + wait, _lost(observed, times)
    if pod.since is None:
        return NEVER, Reason(Code.STARTING, "")
    since = max(pod.since, not_before)
    if pod.node:
        why = f" ({pod.waiting})" if pod.waiting else ""
        return since + times.start, Reason(
            Code.START_TIMEOUT, f"not ready within {times.start:g} s of its start{why}"
        )
    if observed.provisioning:
        text = f"an autoscaler brought no node for it within {times.provisioning:g} s"
        return since + times.provisioning, Reason(Code.UNSCHEDULABLE, text)
    return since + times.after, Reason(
        Code.UNSCHEDULABLE, f"no node of the pool took its pods within {times.after:g} s"
    )


def broken(pod: PodState) -> Reason | None:
    """What is wrong with a pod's container, so that waiting helps no more."""
    if pod.fetcher:
        return _unfetched(pod)
    if pod.waiting in NO_IMAGE:
        return Reason(Code.IMAGE_PULL_BACK_OFF, f"{pod.waiting}: {pod.message or 'the image is not pulled'}")
    ends = pod.restarts + (not pod.running)
    if pod.ended == "OOMKilled" and ends >= OUT_OF_MEMORY and pod.ran < SHORT_GROWTH:
        return Reason(
            Code.OOM_KILLED, f"its container was ended {OUT_OF_MEMORY} times for taking too much memory"
        )
    if pod.waiting == "CrashLoopBackOff" and pod.restarts >= CRASHES and pod.ran < SHORT_RUN:
        why = f", at last with {pod.ended}" if pod.ended else ""
        why += f": {pod.message}" if pod.message else ""
        return Reason(Code.CRASH_LOOP, f"its container crashed {CRASHES} times{why}")
    return None


def _unfetched(pod: PodState) -> Reason | None:
    """What is wrong with the fetcher. But for the node's disk it would be the same on every node."""
    if pod.waiting in NO_IMAGE | NO_START:
        return Reason(
            Code.FETCH_FAILED, f"the fetcher can't start: {pod.waiting}: {pod.message}".rstrip(": ")
        )
    if pod.exit_code in FETCH_ERRORS:
        code = Code.NO_ROOM_FOR_MODEL if pod.exit_code == NO_ROOM else Code.FETCH_FAILED
        return Reason(code, pod.message or f"the fetcher ended with {pod.exit_code}")
    if pod.exit_code and pod.restarts + (not pod.running) >= CRASHES:
        why = f"{pod.ended}: {pod.message}".strip(": ")
        return Reason(Code.FETCH_FAILED, f"the fetcher crashed {CRASHES} times, at last with {why}")
    return None


def _lost(observed: Observed, times: Times) -> Reason:
    if observed.spot:
        return Reason(Code.NODE_LOST, "the spot node on which it served is lost")
    return Reason(Code.NODE_LOST, f"the node on which it served is lost for {times.after:g} s")

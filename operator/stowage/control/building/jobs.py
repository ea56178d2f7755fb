"""Jobs that build, and the pods that they leave, as far as their ends go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from stowage.cluster.ports import Body
from stowage.control.projections import controller_of
from stowage.render.build_job import CONTAINER
from stowage.render.build_push import PULL, PUSH

JOB_NAME = "batch.kubernetes.io/job-name"
"""The label that Kubernetes puts on a Job's pods."""


@dataclass(frozen=True, slots=True)
class BuildJob:
    """A Job with our label."""

    uid: str
    owner_uid: str
    owner_name: str
    state: Literal["Running", "Complete", "Failed"]
    store: str
    """What it stores into: pvc://claim or oci://repository."""
    message: str = ""
    """Why it failed, in Kubernetes' words."""
    finished: str = ""
    """When."""


def project_job(body: Body) -> BuildJob:
    """A Job without what comes and goes while it runs."""
    metadata, status = body["metadata"], body.get("status") or {}
    controller = controller_of(metadata)
    ends: Mapping[str, Any] = next(
        (
            c
            for c in status.get("conditions") or ()
            if c["type"] in ("Complete", "Failed") and c["status"] == "True"
        ),
        {},
    )
    return BuildJob(
        uid=metadata.get("uid", ""),
        owner_uid=controller.get("uid", ""),
        owner_name=controller.get("name", ""),
        state=ends.get("type", "Running"),
        store=_store(body),
        message=ends.get("message", ""),
        finished=ends.get("lastTransitionTime", ""),
    )


def _store(body: Body) -> str:
    """Of the container that stores: the image that it pushes, else the claim that its output is on."""
    for container in body["spec"]["template"]["spec"].get("containers") or ():
        given = container.get("args") or []
        said = dict(pairwise(given))
        if container["name"] == PUSH and "--image" in said:
            return f"oci://{said['--image'].rpartition(':')[0]}"
        if container["name"] == CONTAINER and "--output" in said:
            return f"pvc://{said['--output'].split('/')[2]}"
    return ""


@dataclass(frozen=True, slots=True)
class EndedPod:
    """A pod that has ended: how the container did that failed, else the one that stored."""

    node: str
    exit_code: int
    message: str
    finished: str


def project_ended(body: Body) -> EndedPod | None:
    """A pod of a build; None where neither it has ended nor one of its containers failed."""
    status = body.get("status") or {}
    storing = _ended(status.get("containerStatuses"))
    every = [*_ended(status.get("initContainerStatuses")), *storing]
    failed = [each for each in every if int(each.get("exitCode", 1)) != 0]
    for ended in (*failed, *storing):
        return EndedPod(
            node=(body.get("spec") or {}).get("nodeName") or "",
            exit_code=int(ended.get("exitCode", 1)),
            message=ended.get("message") or ended.get("reason") or "",
            finished=ended.get("finishedAt") or "",
        )
    return None


def _ended(statuses: Iterable[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """How those of our containers ended that did; others, which somebody injected, say nothing of a build."""
    ours = (each for each in statuses or () if each["name"] in (PULL, CONTAINER, PUSH))
    states = ((each.get("state") or {}).get("terminated") for each in ours)
    return [ended for ended in states if ended]


def telling(pods: Iterable[EndedPod | None], *, succeeded: bool) -> EndedPod | None:
    """The pod whose words count: the last that ended as the Job did."""
    ended = [p for p in pods if p is not None and (p.exit_code == 0) == succeeded]
    return max(ended, key=lambda p: p.finished, default=None)

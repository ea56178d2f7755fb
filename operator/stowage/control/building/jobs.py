"""Jobs that build, and the pods that they leave, as far as their ends go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from stowage.cluster.ports import Body
from stowage.control.projections import controller_of
from stowage.render.build_job import CONTAINER

JOB_NAME = "batch.kubernetes.io/job-name"
"""The label that Kubernetes puts on a Job's pods."""


@dataclass(frozen=True, slots=True)
class BuildJob:
    """A Job with our label."""

    uid: str
    owner_uid: str
    owner_name: str
    state: Literal["Running", "Complete", "Failed"]
    claim: str
    """The claim that it stores into."""
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
        claim=_claim(body),
        message=ends.get("message", ""),
        finished=ends.get("lastTransitionTime", ""),
    )


def _claim(body: Body) -> str:
    """What ``--output`` begins with."""
    for container in body["spec"]["template"]["spec"].get("containers") or ():
        arguments = container.get("args") or []
        if container["name"] == CONTAINER and "--output" in arguments[:-1]:
            path: str = arguments[arguments.index("--output") + 1]
            return path.split("/")[2]
    return ""


@dataclass(frozen=True, slots=True)
class EndedPod:
    """A pod whose builder has ended."""

    node: str
    exit_code: int
    message: str
    finished: str


def project_ended(body: Body) -> EndedPod | None:
    """A pod of a build; None where its builder hasn't ended."""
    for container in (body.get("status") or {}).get("containerStatuses") or ():
        ended = (container.get("state") or {}).get("terminated")
        if container["name"] == CONTAINER and ended:
            return EndedPod(
                node=(body.get("spec") or {}).get("nodeName") or "",
                exit_code=int(ended.get("exitCode", 1)),
                message=ended.get("message") or ended.get("reason") or "",
                finished=ended.get("finishedAt") or "",
            )
    return None


def telling(pods: Iterable[EndedPod | None], *, succeeded: bool) -> EndedPod | None:
    """The pod whose words count: the last that ended as the Job did."""
    ended = [p for p in pods if p is not None and (p.exit_code == 0) == succeeded]
    return max(ended, key=lambda p: p.finished, default=None)

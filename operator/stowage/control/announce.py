"""Events on transitions, for ``kubectl describe``."""

from __future__ import annotations

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import InferenceDeploymentStatus
from stowage.api.meta import API_VERSION, Condition
from stowage.cluster.ports import EVENTS, Body

CONTROLLER = "stowage.dev/operator"


def transitions(
    before: InferenceDeploymentStatus | None, after: InferenceDeploymentStatus
) -> list[tuple[str, str, str]]:
    """What is worth an event: (type, reason, note) for each change of Placed, Ready, or the placements,
    and each failure."""
    found: list[tuple[str, str, str]] = []
    old, new = _by_type(before), _by_type(after)
    moved = before is not None and {p.deployment for p in before.placements} != {
        p.deployment for p in after.placements
    }
    for kind in ("Placed", "Ready"):
        now, was = new.get(kind), old.get(kind)
        if now is None:
            continue
        changed = was is None or (was.status, was.reason) != (now.status, now.reason)
        repeats = kind == "Ready" and now.status == "False" and now.reason == new["Placed"].reason
        if (changed and not repeats) or (kind == "Placed" and moved and not changed):
            routine = now.status == "True" or now.reason in ("Starting", "Moving")
            found.append(("Normal" if routine else "Warning", now.reason, now.message))
    return [*_failures(before, after), *found]


def _failures(
    before: InferenceDeploymentStatus | None, after: InferenceDeploymentStatus
) -> list[tuple[str, str, str]]:
    known = {(b.candidate, b.until) for b in before.backoffs} if before is not None else set()
    return [
        ("Warning", b.reason, f"{b.candidate} failed and is left alone until {b.until}: {b.message}")
        for b in after.backoffs
        if (b.candidate, b.until) not in known
    ]


def _by_type(status: InferenceDeploymentStatus | None) -> dict[str, Condition]:
    return {c.type: c for c in status.conditions} if status is not None else {}


def event(
    workload: InferenceDeployment, kind: str, reason: str, note: str, now: str, number: str, instance: str
) -> Body:
    """An event of events.k8s.io/v1 about the deployment.

    Args:
        number: makes the name unique, as client-go does with nanoseconds.
        instance: the pod that says so.
    """
    return {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {
            "name": f"{workload.name}.{number}",
            "namespace": workload.metadata.namespace,
        },
        "eventTime": now,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
        "action": "Place",
        "type": kind,
        "reason": reason,
        "note": note[:1024],
        "regarding": {
            "apiVersion": API_VERSION,
            "kind": workload.kind,
            "name": workload.name,
            "namespace": workload.metadata.namespace,
            "uid": workload.metadata.uid,
        },
    }

"""Events on transitions, for ``kubectl describe``."""

from __future__ import annotations

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import InferenceDeploymentStatus, VariantStatus
from stowage.api.meta import API_VERSION, Condition
from stowage.api.reasons import Code
from stowage.cluster.ports import EVENTS, Body

CONTROLLER = "stowage.dev/operator"


def transitions(
    before: InferenceDeploymentStatus | None, after: InferenceDeploymentStatus
) -> list[tuple[str, str, str]]:
    """What is worth an event: (type, reason, note) for each change of Placed, Ready, or the placements,
    each failure, and each build that starts or ends."""
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
        repeats = kind == "Ready" and now.status == "False" and _is_said(now, new["Placed"], found)
        if (changed and not repeats) or (kind == "Placed" and moved and not changed):
            routine = now.status == "True" or now.reason in ("Starting", "Moving")
            found.append(("Normal" if routine else "Warning", now.reason, now.message))
    return [*_failures(before, after), *_builds(before, after), *found]


def _is_said(ready: Condition, placed: Condition, found: list[tuple[str, str, str]]) -> bool:
    """Whether what is told of Placed says this, too: that what has just been placed is starting is plain."""
    just_placed = placed.status == "True" and any(reason == placed.reason for _, reason, _ in found)
    return ready.reason == placed.reason or (ready.reason == "Starting" and just_placed)


def _failures(
    before: InferenceDeploymentStatus | None, after: InferenceDeploymentStatus
) -> list[tuple[str, str, str]]:
    known = {(b.candidate, b.until) for b in before.backoffs} if before is not None else set()
    return [
        ("Warning", b.reason, f"{b.candidate} failed and is left alone until {b.until}: {b.message}")
        for b in after.backoffs
        if (b.candidate, b.until) not in known
    ]


def _builds(
    before: InferenceDeploymentStatus | None, after: InferenceDeploymentStatus
) -> list[tuple[str, str, str]]:
    known = {(v.name, v.inputs, v.state, v.message) for v in before.variants} if before is not None else set()
    changed = [v for v in after.variants if (v.name, v.inputs, v.state, v.message) not in known]
    return [_build(v) for v in changed if v.state in ("Building", "Built", "Failed")]


def _build(variant: VariantStatus) -> tuple[str, str, str]:
    if variant.state == "Failed":
        note = f"variant {variant.name} could not be built: {variant.message}"
        return "Warning", Code.BUILD_FAILED.value, note
    if variant.state == "Building":
        return "Normal", Code.VARIANT_BUILDING.value, f"variant {variant.name}: {variant.message}"
    quality = f"quality {variant.quality} ({variant.metric})" if variant.quality else "quality unknown"
    note = f"variant {variant.name} was built: {variant.size} bytes, {quality}"
    return "Normal", Code.VARIANT_BUILT.value, note


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

"""kstatus, as far as it concerns an object of ours: what ``kubectl wait``, Flux and others take it for.

A port of checkGenericProperties and checkReadyCondition of sigs.k8s.io/cli-utils, pkg/kstatus/status
(generic.go@32195117, core.go@689e16e7): a deletion, the generation, then the first of Reconciling and
Stalled that is True in the order of the list, then Ready; without any of these the object is current.
"""

from __future__ import annotations

from typing import Any


def kstatus(body: dict[str, Any]) -> str:
    """Terminating, InProgress, Failed or Current."""
    metadata, status = body.get("metadata", {}), body.get("status", {})
    if metadata.get("deletionTimestamp"):
        return "Terminating"
    if "observedGeneration" in status and status["observedGeneration"] != metadata.get("generation"):
        return "InProgress"
    for condition in status.get("conditions", []):
        if condition["type"] == "Reconciling" and condition["status"] == "True":
            return "InProgress"
        if condition["type"] == "Stalled" and condition["status"] == "True":
            return "Failed"
    for condition in status.get("conditions", []):
        if condition["type"] == "Ready":
            return "Current" if condition["status"] == "True" else "InProgress"
    return "Current"

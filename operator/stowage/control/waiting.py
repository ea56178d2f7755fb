"""Which InferenceDeployments wait for room."""

from __future__ import annotations

from stowage.api.inference_deployment import InferenceDeployment
from stowage.control.parsed import Parsed


def waits(parsed: Parsed[InferenceDeployment]) -> bool:
    """Whether room would help: it is not or only partly placed, or in a move. What only a change of
    objects can mend doesn't wait for room."""
    if parsed.value is None or parsed.deleting or parsed.value.spec.paused:
        return False
    status = parsed.value.status
    if status is None:
        return True
    said = {c.type: c for c in status.conditions}
    stalled = said.get("Stalled")
    if stalled is not None and stalled.status == "True":
        return False
    placed = said.get("Placed")
    return placed is None or placed.status != "True" or any(p.draining for p in status.placements)

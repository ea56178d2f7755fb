"""Reads InferenceDeployments as the API server returns them: are they settled, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

EXPECT_ANNOTATION = "stowage.dev/demo-expect"
"""On a sample that is there to show why something can't be placed: ``Unplaced``."""

CHOSEN = "Chosen"


@dataclass(frozen=True)
class Condition:
    """A condition of the status; without one, its status is Unknown."""

    status: str = "Unknown"
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class Workload:
    """One InferenceDeployment."""

    manifest: dict[str, Any]

    @property
    def name(self) -> str:
        """Namespace and name."""
        metadata = self.manifest["metadata"]
        return f"{metadata.get('namespace', 'default')}/{metadata['name']}"

    @property
    def placements(self) -> list[dict[str, Any]]:
        """Where it serves."""
        return self._list("placements")

    @property
    def candidates(self) -> list[dict[str, Any]]:
        """What was considered, best first."""
        return self._list("candidates")

    @property
    def expected_unplaced(self) -> bool:
        """Whether this sample is meant to find no place."""
        annotations = self.manifest["metadata"].get("annotations") or {}
        return bool(annotations.get(EXPECT_ANNOTATION) == "Unplaced")

    def condition(self, kind: str) -> Condition:
        """Return a condition by its type."""
        for each in self._list("conditions"):
            if each.get("type") == kind:
                return Condition(each["status"], each.get("reason", ""), each.get("message", ""))
        return Condition()

    @property
    def settled(self) -> bool:
        """Whether the operator has done with this generation of it what was expected."""
        generation = self.manifest["metadata"].get("generation", 0)
        if self._status.get("observedGeneration", generation) < generation:
            return False
        placed = self.condition("Placed")
        if self.expected_unplaced:
            return placed.status == "False" and placed.reason not in ("", "Unknown")
        return self.condition("Ready").status == "True"

    @property
    def waiting_for(self) -> str:
        """What it lacks, in a few words."""
        kind = "Placed" if self.expected_unplaced else "Ready"
        condition = self.condition(kind)
        wanted = "False" if self.expected_unplaced else "True"
        reason = condition.reason or "no reason yet"
        return f"{self.name} ({kind}={condition.status}, wanted {wanted}: {reason})"

    @property
    def next_best(self) -> str:
        """Why the best of the candidates that were not chosen was not."""
        for each in self.candidates:
            if each.get("verdict") != CHOSEN:
                reasons = each.get("reasons") or [{}]
                why = reasons[0].get("message") or reasons[0].get("code") or each.get("verdict", "")
                return f"{each.get('variant', '?')} on {each.get('pool', '?')}: {why}"
        return ""

    @property
    def _status(self) -> dict[str, Any]:
        return self.manifest.get("status") or {}

    def _list(self, field: str) -> list[dict[str, Any]]:
        return self._status.get(field) or []

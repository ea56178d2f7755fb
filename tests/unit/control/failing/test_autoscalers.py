"""What autoscalers' events about a pod say."""

from __future__ import annotations

from typing import Any

import pytest

from stowage.control.failing.autoscalers import Said, said


def event(reason: str, note: str = "", **more: Any) -> dict[str, Any]:
    return {"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}, "reason": reason, "note": note, **more}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            event(
                "TriggeredScaleUp",
                "pod triggered scale-up: [{pool 0->1 (max: 4)}]",
                deprecatedLastTimestamp="2026-01-01T00:00:07Z",
            ),
            Said("2026-01-01T00:00:07", brings=True),
        ),
        (
            event(
                "Nominated",
                "Pod should schedule on: nodeclaim/gpu-l4-x7k2q",
                eventTime="2026-01-01T00:00:03.123456Z",
            ),
            Said("2026-01-01T00:00:03", brings=True, claim="gpu-l4-x7k2q"),
        ),
        (
            event("Nominated", "Pod should schedule on: node/n-1", reportingController="karpenter"),
            Said("2026-01-01T00:00:00", brings=True),
        ),
        (
            event(
                "NotTriggerScaleUp",
                "pod didn't trigger scale-up: 1 in backoff after failed scale-up",
                series={"lastObservedTime": "2026-01-01T00:05:00.000000Z", "count": 3},
                eventTime="2026-01-01T00:00:03.123456Z",
            ),
            Said("2026-01-01T00:05:00", brings=False),
        ),
        (
            event("FailedScheduling", "no instance type", deprecatedSource={"component": "karpenter"}),
            Said("2026-01-01T00:00:00", brings=False),
        ),
        (event("FailedScheduling", "0/3 nodes", reportingController="default-scheduler"), None),
        (event("Pulling", "image nodeclaim/x"), None),
    ],
)
def test_said(given: dict[str, Any], expected: Said | None) -> None:
    assert said(given) == expected

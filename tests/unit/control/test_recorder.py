"""What a decision leaves in the log and in the metrics."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pytest

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import (
    BackoffStatus,
    CandidateStatus,
    InferenceDeploymentStatus,
    PlacementStatus,
)
from stowage.api.meta import Condition
from stowage.control.recorder import Recorder, move_cause
from stowage.observe.metrics import REGISTRY

NOW = datetime(2026, 1, 1, 12, 0, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def condition(kind: str, truth: Any, reason: str, generation: int) -> Condition:
    return Condition(
        type=kind,
        status=truth,
        reason=reason,
        message=f"about {reason}",
        last_transition_time="",
        observed_generation=generation,
    )


def status(
    placed: tuple[str, str], ready: tuple[str, str], generation: int = 1, *pools: str
) -> InferenceDeploymentStatus:
    return InferenceDeploymentStatus(
        conditions=[condition("Ready", *ready, generation), condition("Placed", *placed, generation)],
        placements=[
            PlacementStatus(
                deployment=f"d-{pool}", pool=pool, accelerator_class="c", accelerator_type="GPU",
                variant="fp8", precision="fp8", runtime="vllm", devices_per_replica=1, replicas=2,
            )
            for pool in pools
        ],
    )  # fmt: skip


def workload(generation: int = 1, before: InferenceDeploymentStatus | None = None) -> InferenceDeployment:
    manifest = {
        "metadata": {
            "name": "chat",
            "namespace": "shop",
            "uid": "u",
            "generation": generation,
            "creationTimestamp": "2026-01-01T12:00:00Z",
        },
        "spec": {
            "model": {"name": "m", "task": "embedding"},
            "variants": [{"name": "a", "precision": "fp8", "format": "f", "uri": "hf://a/b", "size": "1Gi"}],
        },
    }
    found = InferenceDeployment.model_validate(manifest)
    return found.model_copy(update={"status": before})


PLACED, SERVING, STARTING = ("True", "Placed"), ("True", "Serving"), ("False", "Starting")


@pytest.mark.parametrize(
    ("after", "outcome", "level"),
    [
        (status(PLACED, SERVING, 1, "p"), "placed", "INFO"),
        (status(("False", "PartiallyPlaced"), ("False", "PartiallyPlaced"), 1, "p"), "partly", "INFO"),
        (status(("False", "NoSpareDevice"), ("False", "NoSpareDevice"), 1, "p"), "kept", "INFO"),
        (status(("False", "NoCapacity"), ("False", "NoCapacity")), "unplaced", "INFO"),
        (status(("False", "NameConflict"), ("False", "NameConflict")), "unplaced", "WARNING"),
        (status(("True", "Paused"), ("True", "Paused"), 1, "p"), "paused", "INFO"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_outcomes(
    after: InferenceDeploymentStatus, outcome: str, level: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    reason = after.conditions[1].reason
    labels = {"outcome": outcome, "reason": reason}
    before = REGISTRY.get_sample_value("stowage_decisions_total", labels) or 0.0
    Recorder().decided(workload(), after, NOW, changed=True)
    assert REGISTRY.get_sample_value("stowage_decisions_total", labels) == before + 1
    (record,) = caplog.records
    assert record.levelname == level
    assert (record.outcome, record.reason) == (outcome, after.conditions[0].reason)  # type: ignore[attr-defined]


def test_a_line_has_the_key_fields_and_is_debugging_where_nothing_changed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    clock = Clock()
    recorder = Recorder(clock)
    for changed in (True, False):
        with recorder.deciding(("shop", "chat")):
            clock.now += 0.25
        recorder.decided(workload(), status(PLACED, STARTING, 1, "l4", "t4"), NOW, changed=changed)
    found = [vars(record) for record in caplog.records]
    assert [each["levelname"] for each in found] == ["INFO", "DEBUG"]
    expected = {
        "event": "decision",
        "namespace": "shop",
        "object": "chat",
        "generation": 1,
        "outcome": "placed",
        "reason": "Starting",
        "placements": "fp8/vllm/l4x2 fp8/vllm/t4x2",
        "seconds": 0.25,
    }
    assert [{key: each[key] for key in expected} for each in found] == [expected, expected]


@pytest.mark.parametrize(
    ("generation", "before", "after", "seconds"),
    [
        pytest.param(1, None, SERVING, 30.0, id="created: from the object's own time"),
        pytest.param(1, None, STARTING, None, id="not yet"),
        pytest.param(2, SERVING, SERVING, 7.0, id="changed: from when it was first seen"),
        pytest.param(1, SERVING, SERVING, None, id="nothing changed"),
        pytest.param(1, STARTING, ("True", "Paused"), None, id="paused"),
    ],
)
def test_time_to_ready_is_measured_once_a_generation(
    generation: int, before: tuple[str, str] | None, after: tuple[str, str], seconds: float | None
) -> None:
    def total() -> tuple[float, float]:
        name = "stowage_apply_to_ready_seconds"
        return REGISTRY.get_sample_value(f"{name}_count") or 0, REGISTRY.get_sample_value(f"{name}_sum") or 0

    clock = Clock()
    recorder = Recorder(clock)
    looked_at = workload(generation, status(PLACED, before, 1) if before else None)
    recorder.look(looked_at)
    clock.now += 7.0
    recorder.look(looked_at)
    count, sum_ = total()
    recorder.decided(looked_at, status(PLACED, after, generation, "p"), NOW, changed=True)
    assert total() == (count + (seconds is not None), pytest.approx(sum_ + (seconds or 0.0)))


def placed_on(
    *pools: str, draining: str = "", feasible: str = "", failed: int = 0
) -> InferenceDeploymentStatus:
    """A status with these placements, one of them draining."""
    found = status(PLACED, SERVING, 1, *pools)
    candidates = [
        CandidateStatus(
            pool=feasible, accelerator_class="c", variant="fp8", runtime="vllm", verdict="Feasible"
        )
    ]
    backoffs = [BackoffStatus(candidate="fp8/vllm/a/1", reason="NodeLost", until="t", failures=failed)]
    return found.model_copy(
        update={
            "observed_generation": 1,
            "placements": [p.model_copy(update={"draining": p.pool == draining}) for p in found.placements],
            "candidates": candidates if feasible else [],
            "backoffs": backoffs if failed else [],
        }
    )


@pytest.mark.parametrize(
    ("generation", "before", "after", "cause"),
    [
        pytest.param(1, None, placed_on("a"), None, id="placed at first"),
        pytest.param(1, placed_on("a"), placed_on("a"), None, id="stays"),
        pytest.param(1, placed_on("a"), placed_on("a", "b"), None, id="spills over"),
        pytest.param(1, placed_on("a", "b"), placed_on("a"), None, id="scales down"),
        pytest.param(1, placed_on(), placed_on("a"), None, id="room came"),
        pytest.param(1, placed_on("a"), placed_on("b", "a", draining="a", failed=1), "failed", id="failed"),
        pytest.param(
            1,
            placed_on("a", failed=1),
            placed_on("b", "a", draining="a", failed=2),
            "failed",
            id="failed again",
        ),
        pytest.param(
            1,
            placed_on("a", failed=1),
            placed_on("b", "a", draining="a", failed=1, feasible="a"),
            "move_back",
            id="moves back",
        ),
        pytest.param(1, placed_on("a"), placed_on("b", "a", draining="a"), "unfit", id="unfit"),
        pytest.param(1, placed_on("a"), placed_on("b"), "unfit", id="replaced"),
        pytest.param(2, placed_on("a"), placed_on("b", "a", draining="a"), "spec", id="edited"),
        pytest.param(
            1,
            placed_on("b", "a", draining="a", failed=1),
            placed_on("b", "a", draining="a", failed=1),
            None,
            id="under way: counted once",
        ),
        pytest.param(1, placed_on("b", "a", draining="a"), placed_on("b"), None, id="done"),
    ],
)
def test_why_a_move_began(
    generation: int,
    before: InferenceDeploymentStatus | None,
    after: InferenceDeploymentStatus,
    cause: str | None,
) -> None:
    assert move_cause(workload(generation, before), after) == cause
    labels = {"cause": cause or "failed"}
    count = REGISTRY.get_sample_value("stowage_moves_total", labels) or 0
    Recorder().decided(workload(generation, before), after, NOW, changed=True)
    assert REGISTRY.get_sample_value("stowage_moves_total", labels) == count + (cause is not None)

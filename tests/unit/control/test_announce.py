"""Which changes of a status are worth an event."""

from __future__ import annotations

from typing import Literal

import pytest

from stowage.api.inference_deployment_status import (
    InferenceDeploymentStatus,
    PlacementStatus,
    VariantStatus,
)
from stowage.api.meta import Condition
from stowage.control.announce import transitions

State = tuple[Literal["True", "False"], str]


def status(placed: State, ready: State, *placements: str) -> InferenceDeploymentStatus:
    def condition(kind: str, state: State) -> Condition:
        return Condition(
            type=kind, status=state[0], reason=state[1], message=f"about {state[1]}", last_transition_time=""
        )

    return InferenceDeploymentStatus(
        conditions=[condition("Ready", ready), condition("Placed", placed)],
        placements=[
            PlacementStatus(
                deployment=name, pool="p", accelerator_class="c", accelerator_type="GPU", variant="v",
                precision="fp8", runtime="r", devices_per_replica=1, replicas=1,
            )
            for name in placements
        ],
    )  # fmt: skip


PLACED: State = ("True", "Placed")
FULL: State = ("False", "NoCapacity")
SERVING: State = ("True", "Serving")
STARTING: State = ("False", "Starting")
MOVING: State = ("False", "Moving")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(
            None,
            status(PLACED, STARTING, "a"),
            [("Normal", "Placed")],
            id="placed at first: that it starts is plain",
        ),
        pytest.param(None, status(FULL, FULL), [("Warning", "NoCapacity")], id="unplaced: said once"),
        pytest.param(status(PLACED, STARTING, "a"), status(PLACED, STARTING, "a"), [], id="the same"),
        pytest.param(
            status(PLACED, STARTING, "a"), status(PLACED, SERVING, "a"), [("Normal", "Serving")], id="serves"
        ),
        pytest.param(
            status(FULL, FULL),
            status(PLACED, STARTING, "a"),
            [("Normal", "Placed")],
            id="room came",
        ),
        pytest.param(
            status(PLACED, SERVING, "a"),
            status(PLACED, STARTING, "a"),
            [("Normal", "Starting")],
            id="starts anew where it was",
        ),
        pytest.param(
            status(PLACED, SERVING, "a"),
            status(PLACED, MOVING, "a", "b"),
            [("Normal", "Placed"), ("Normal", "Moving")],
            id="moves",
        ),
        pytest.param(
            status(PLACED, SERVING, "a"),
            status(PLACED, ("False", "NameConflict"), "a"),
            [("Warning", "NameConflict")],
            id="trouble",
        ),
        pytest.param(
            status(PLACED, SERVING, "a"),
            status(("False", "NoSpareDevice"), ("False", "NoSpareDevice"), "a"),
            [("Warning", "NoSpareDevice")],
            id="a move that finds no device",
        ),
    ],
)
def test_transitions(
    before: InferenceDeploymentStatus | None,
    after: InferenceDeploymentStatus,
    expected: list[tuple[str, str]],
) -> None:
    found = transitions(before, after)
    assert [(kind, reason) for kind, reason, _ in found] == expected
    assert [note for *_, note in found] == [f"about {reason}" for _, reason in expected]


def variant(state: str, **more: str) -> VariantStatus:
    return VariantStatus.model_validate({"name": "int8", "state": state, "inputs": "abc", **more})


NOT_BUILT = variant("NotBuilt", message="no candidate that could serve needs it")
BUILDING = variant("Building", message="Job chat-abc builds it")
BUILT = variant("Built", size="100", quality="0.99", metric="top-1 agreement")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, NOT_BUILT, []),
        (NOT_BUILT, BUILDING, [("Normal", "VariantBuilding", "variant int8: Job chat-abc builds it")]),
        (BUILDING, BUILDING, []),
        (
            BUILDING,
            BUILT,
            [("Normal", "VariantBuilt", "variant int8 was built: 100 bytes, quality 0.99 (top-1 agreement)")],
        ),
        (BUILT, BUILT, []),
        (
            BUILDING,
            variant("Built", size="100"),
            [("Normal", "VariantBuilt", "variant int8 was built: 100 bytes, quality unknown")],
        ),
        (
            BUILDING,
            variant("Failed", message="no room"),
            [("Warning", "BuildFailed", "variant int8 could not be built: no room")],
        ),
        (
            BUILT,
            variant("Building", inputs="other", message="Job chat-other builds it"),
            [("Normal", "VariantBuilding", "variant int8: Job chat-other builds it")],
        ),
    ],
)
def test_builds_that_start_and_end(
    before: VariantStatus | None, after: VariantStatus, expected: list[tuple[str, str, str]]
) -> None:
    was = InferenceDeploymentStatus(variants=[before]) if before else None
    assert transitions(was, InferenceDeploymentStatus(variants=[after])) == expected

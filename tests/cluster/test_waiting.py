"""Who waits for room gets it in the order of priority, then of time; nobody is evicted."""

from __future__ import annotations

import pytest
from tests.cluster.foreign import foreign_pod
from tests.cluster.harness import Object, Stage

pytestmark = pytest.mark.cluster

WAIT = 60.0


def wait_for_reasons(stage: Stage, **expected: str) -> None:
    for name, reason in expected.items():
        stage.wait_for("Ready", reason, name, WAIT)


def test_room_goes_to_the_first_in_line(stage: Stage) -> None:
    pool = stage.pool("l4-spot", 1)
    node = f"{pool}-0"
    names = [
        each["metadata"]["name"]
        for each in stage.items("nodes", f"--selector=cloud.google.com/gke-nodepool={pool}")
    ]
    (node,) = names
    foreign_pod(stage, "other-1", node, gpu="1")
    foreign_pod(stage, "other-2", node, gpu="1")

    def wanting(name: str, priority: str | None, **spec: object) -> Object:
        given = {"priorityClassName": priority} if priority else {}
        return stage.workload(name, **given, **spec)

    stage.apply(stage.policy(priorityClasses=["interactive", "batch"]))
    for name, priority in (
        ("none", None),
        ("batch-1", "batch"),
        ("batch-2", "batch"),
        ("urgent", "interactive"),
    ):
        stage.apply(wanting(name, priority))
        stage.wait_for("Ready", "NoCapacity", name, WAIT)
    stage.apply(wanting("vip", "very-important"))
    found = stage.wait_for("Ready", "PriorityNotAllowed", "vip", WAIT)
    assert "it lists interactive, batch" in found["message"]

    stage.kubectl("delete", "pod", "other-1", "--wait=false")
    wait_for_reasons(stage, urgent="Serving")
    urgent = stage.pod_names("urgent")
    wait_for_reasons(stage, **{"batch-1": "NoCapacity", "batch-2": "NoCapacity", "none": "NoCapacity"})

    stage.operator.restart()  # who waits since when is in the status
    stage.kubectl("delete", "pod", "other-2", "--wait=false")
    wait_for_reasons(stage, **{"batch-1": "Serving", "batch-2": "NoCapacity", "none": "NoCapacity"})

    # One that serves and wants more stands in line as well, by its class.
    stage.kubectl("scale", "infd", "urgent", "--replicas=2")
    stage.wait_for("Placed", "PartiallyPlaced", "urgent", WAIT)
    stage.kubectl("delete", "infd", "batch-1")
    stage.wait_ready("urgent", seconds=WAIT)
    assert set(urgent) < set(stage.pod_names("urgent")), "nobody is evicted"
    wait_for_reasons(stage, **{"batch-2": "NoCapacity", "none": "NoCapacity"})
    stage.kubectl("delete", "infd", "urgent")
    wait_for_reasons(stage, **{"batch-2": "Serving", "none": "Serving"})

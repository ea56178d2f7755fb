"""Events on the real API server, with the operator's own rights."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.cluster.harness import Stage, eventually
from tests.unit.control.test_recorder import workload

from stowage.cluster.client import KubernetesCluster
from stowage.control.events import EventRecorder

pytestmark = pytest.mark.cluster


def test_a_series_is_counted_up_in_the_event_that_exists(stage: Stage, operator_kubeconfig: Path) -> None:
    about = workload()
    about = about.model_copy(
        update={"metadata": about.metadata.model_copy(update={"namespace": stage.namespace})}
    )

    async def post_twice(between: Callable[[], object]) -> None:
        async with KubernetesCluster.connect(kubeconfig=operator_kubeconfig) as cluster:
            recorder = EventRecorder(cluster, "pod-1")
            task = asyncio.create_task(recorder.run())
            for then in (between, lambda: None):
                recorder.record(about, "Warning", "NoCapacity", "full", datetime.now(UTC))
                await recorder.drain()
                then()
            task.cancel()

    def expire() -> None:
        stage.kubectl("delete", "events.events.k8s.io", "--all")

    for between in (lambda: None, expire):
        expire()
        asyncio.run(post_twice(between))
        (event,) = stage.items("events.events.k8s.io")
        assert event["series"]["count"] == 2
        assert (event["note"], event["reportingInstance"]) == ("full", "pod-1")


def test_describe_shows_the_events_of_a_deployment(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    text = eventually(
        lambda: stage.kubectl("describe", "infd", "chat"),
        lambda found: "Serving" in found.rpartition("Events:")[2],
    )
    events = text.rpartition("Events:")[2]
    assert "Placed" in events
    assert "1 of 1 replicas serve" in events

"""The queue's metrics, as client-go counts them."""

from __future__ import annotations

import asyncio

from stowage.control.queue import WorkQueue
from stowage.observe.metrics import REGISTRY
from stowage.observe.workqueue import WorkQueueMetrics

NAMES = (
    "depth",
    "adds_total",
    "queue_duration_seconds_sum",
    "work_duration_seconds_sum",
    "unfinished_work_seconds",
    "longest_running_processor_seconds",
    "retries_total",
)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def values() -> dict[str, float]:
    labels = {"name": "test"}
    return {name: REGISTRY.get_sample_value(f"workqueue_{name}", labels) or 0.0 for name in NAMES}


def test_a_queue_tells_what_client_go_tells() -> None:
    async def scenario() -> None:
        clock = Clock()
        queue: WorkQueue[str] = WorkQueue(clock=clock, metrics=WorkQueueMetrics("test"))
        for key in ("a", "b", "a"):
            queue.add(key)
        assert (values()["depth"], values()["adds_total"]) == (2, 2)
        clock.now = 3.0
        key = await queue.get()
        await queue.get()
        clock.now = 8.0
        queue.running()
        assert values() == {
            "depth": 0,
            "adds_total": 2,
            "queue_duration_seconds_sum": 6,
            "work_duration_seconds_sum": 0,
            "unfinished_work_seconds": 10,
            "longest_running_processor_seconds": 5,
            "retries_total": 0,
        }
        queue.add(key)  # while it runs: again afterwards
        queue.add(key)
        assert (values()["depth"], values()["adds_total"]) == (0, 3)
        queue.done(key)
        assert (values()["depth"], values()["work_duration_seconds_sum"]) == (1, 5)
        queue.done("b")
        queue.retry("b")
        queue.running()
        assert (values()["retries_total"], values()["unfinished_work_seconds"]) == (1, 0)
        queue.shutdown()
        assert values()["depth"] == 0

    asyncio.run(scenario())

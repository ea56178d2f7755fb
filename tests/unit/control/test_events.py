"""Events: repeated ones become a series, and one object can't flood the API server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.unit.control.test_recorder import workload

from stowage.api.inference_deployment import InferenceDeployment
from stowage.cluster.errors import Conflict, Retry
from stowage.cluster.ports import EVENTS, Body, ResourceType
from stowage.control.events import BURST, REFILL_SECONDS, SERIES_SECONDS, EventRecorder

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Server:
    """Notes writes; an event that was never created conflicts, as a uid that isn't the live one does."""

    def __init__(self) -> None:
        self.written: list[tuple[str, Body]] = []
        self.uids: set[str] = set()
        self.down = False

    async def create(self, resource: ResourceType, body: Body) -> Body:
        assert resource == EVENTS
        if self.down:
            raise Retry("down", status=503)
        self.written.append(("create", body))
        uid = f"uid-{len(self.written)}"
        self.uids.add(uid)
        return {**body, "metadata": {**body["metadata"], "uid": uid}}

    async def apply(self, resource: ResourceType, body: Body) -> Body:
        assert resource == EVENTS
        if body["metadata"]["uid"] not in self.uids:
            raise Conflict("another uid", status=409)
        self.written.append(("apply", body))
        return body


class Bench:
    def __init__(self) -> None:
        self.clock, self.server = Clock(), Server()
        cluster: Any = self.server
        self.recorder = EventRecorder(cluster, "pod-1", self.clock)

    def record(self, note: str = "full", about: InferenceDeployment | None = None) -> None:
        now = NOW + timedelta(seconds=self.clock.now)
        self.recorder.record(about or workload(), "Warning", "NoCapacity", note, now)

    async def post(self) -> list[tuple[str, Body]]:
        """Posts all that waits; returns what was written."""
        self.server.written.clear()
        task = asyncio.create_task(self.recorder.run())
        await self.recorder.drain()
        task.cancel()
        return list(self.server.written)


def run(scenario: Any) -> None:
    async def main() -> None:
        await scenario(Bench())

    asyncio.run(main())


def test_an_event_names_the_pod_that_says_so() -> None:
    async def scenario(bench: Bench) -> None:
        bench.record()
        ((verb, body),) = await bench.post()
        assert verb == "create"
        assert body["metadata"]["name"].startswith("chat.")
        assert (body["reportingController"], body["reportingInstance"]) == ("stowage.dev/operator", "pod-1")
        assert (body["type"], body["reason"], body["note"]) == ("Warning", "NoCapacity", "full")
        assert body["regarding"]["uid"] == "u"
        assert "series" not in body

    run(scenario)


def test_a_repeated_event_is_counted_up_at_once_and_then_once_a_minute() -> None:
    async def scenario(bench: Bench) -> None:
        bench.record()
        ((_, first),) = await bench.post()
        bench.clock.now = 5.0
        bench.record()
        ((verb, body),) = await bench.post()
        assert verb == "apply"
        assert body == {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": first["metadata"]["name"], "namespace": "shop", "uid": "uid-1"},
            "series": {"count": 2, "lastObservedTime": "2026-01-01T00:00:05.000000Z"},
        }
        for _ in range(10):
            bench.record()
        assert await bench.post() == []
        bench.clock.now += SERIES_SECONDS
        bench.record()
        ((_, body),) = await bench.post()
        assert body["series"]["count"] == 13

    run(scenario)


def test_what_is_repeated_before_it_was_posted_is_one_write() -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(3):
            bench.record()
        ((verb, body),) = await bench.post()
        assert (verb, body["series"]["count"]) == ("create", 3)

    run(scenario)


def test_other_words_are_another_event() -> None:
    async def scenario(bench: Bench) -> None:
        bench.record("needs 2")
        bench.record("needs 3")
        found = await bench.post()
        assert [body["note"] for _, body in found] == ["needs 2", "needs 3"]
        assert len({body["metadata"]["name"] for _, body in found}) == 2

    run(scenario)


def test_an_event_that_is_gone_is_made_anew_with_its_count() -> None:
    async def scenario(bench: Bench) -> None:
        bench.record()
        await bench.post()
        bench.server.uids.clear()
        bench.record()
        ((verb, body),) = await bench.post()
        assert (verb, body["series"]["count"]) == ("create", 2)

    run(scenario)


def test_after_an_hour_it_is_another_event() -> None:
    async def scenario(bench: Bench) -> None:
        bench.record()
        await bench.post()
        bench.clock.now = 3600.0
        bench.record()
        ((verb, body),) = await bench.post()
        assert (verb, "series" in body) == ("create", False)

    run(scenario)


def test_one_object_cant_flood_and_doesnt_hinder_another() -> None:
    async def scenario(bench: Bench) -> None:
        for number in range(BURST + 10):
            bench.record(f"note {number}")
        assert len(await bench.post()) == BURST
        other = workload()
        other = other.model_copy(update={"metadata": other.metadata.model_copy(update={"uid": "other"})})
        bench.record(about=other)
        assert len(await bench.post()) == 1
        bench.clock.now = 2 * REFILL_SECONDS
        for number in range(10):
            bench.record(f"later {number}")
        assert len(await bench.post()) == 2

    run(scenario)


def test_an_outage_costs_events_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(bench: Bench) -> None:
        bench.server.down = True
        bench.record("lost")
        assert await bench.post() == []
        bench.server.down = False
        bench.record("posted")
        assert [body["note"] for _, body in await bench.post()] == ["posted"]

    run(scenario)
    assert "event not posted: down" in caplog.text

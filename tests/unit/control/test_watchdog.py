"""When probes fail, and what they say."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from stowage.catalog import load_catalog
from stowage.control.queue import WorkQueue
from stowage.control.watchdog import Watchdog
from stowage.control.world import World
from stowage.observe.health import Health


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Bench:
    def __init__(self) -> None:
        self.clock = Clock()
        self.health = Health("", 0, lambda: 0.0)
        self.health.ready = True
        self.queue: WorkQueue[tuple[str, str, str]] = WorkQueue(clock=self.clock)
        world = World(load_catalog(), lambda *_: None)
        self.watchdog = Watchdog(self.health, world, self.queue, 300.0, self.clock)

    async def beat(self) -> None:
        task = asyncio.create_task(self.watchdog.run())
        await asyncio.sleep(0)
        task.cancel()

    def failed(self) -> dict[str, tuple[str, ...]]:
        """By probe: the checks that failed, with what they say."""
        return {
            path: tuple(line for line in self.health.answer(path)[1].splitlines() if line.startswith("[-]"))
            for path in ("/healthz", "/readyz")
        }


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_worker_that_doesnt_finish_is_named(bench: Bench) -> None:
    async def scenario() -> None:
        bench.queue.add(("inferencedeployments", "shop", "chat"))
        key = await bench.queue.get()
        bench.clock.now = 600.0
        await bench.beat()
        assert bench.failed() == {"/healthz": (), "/readyz": ()}
        bench.clock.now = 660.0
        await bench.beat()
        line = "[-]workers failed: inferencedeployments shop chat has been worked on for 660 s"
        assert bench.failed() == {"/healthz": (line,), "/readyz": (line,)}
        bench.queue.done(key)
        await bench.beat()
        assert bench.failed() == {"/healthz": (), "/readyz": ()}

    asyncio.run(scenario())


def test_a_list_that_fails_for_long_is_no_reason_for_a_restart(bench: Bench) -> None:
    bench.clock.now = 901.0
    line = "[-]resync failed: the last complete list was 901 s ago"
    assert bench.failed() == {"/healthz": (), "/readyz": (line,)}
    bench.watchdog.resynced()
    assert bench.failed() == {"/healthz": (), "/readyz": ()}


def test_a_silent_watch_is_named(bench: Bench) -> None:
    reflector: Any = SimpleNamespace(contact=0.0)
    bench.watchdog.watch("pods", reflector)
    bench.clock.now = 181.0
    line = "[-]watch-pods failed: the API server has said nothing for 181 s"
    assert bench.failed() == {"/healthz": (), "/readyz": (line,)}
    reflector.contact = 100.0
    assert bench.failed() == {"/healthz": (), "/readyz": ()}


def test_who_lost_the_lease_and_stays_must_be_restarted(bench: Bench) -> None:
    elector: Any = SimpleNamespace(overdue=0.0)
    bench.watchdog.elect(elector)
    assert bench.failed() == {"/healthz": (), "/readyz": ()}
    elector.overdue = 31.0
    line = "[-]leader-election failed: lost the Lease 31 s ago and is still here"
    assert bench.failed() == {"/healthz": (line,), "/readyz": (line,)}

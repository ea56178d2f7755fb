"""What is held while the API server is away, and in which order things begin when it is back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from stowage.cluster import circuit as circuits
from stowage.cluster.circuit import Circuit
from stowage.cluster.errors import Retry
from stowage.control import outage
from stowage.control.line import WorkKey
from stowage.control.outage import sit_out
from stowage.control.queue import WorkQueue
from stowage.observe import metrics

AWAY = Retry("Connection refused")
KEY: WorkKey = ("inferencedeployments", "shop", "chat")
PATIENCE = 30.0


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuits, "PROBE_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(outage, "AFRESH_SECONDS", 0.2)


class Bench:
    """An API server that the test takes away, and what was done, in order."""

    def __init__(self) -> None:
        self.away = False
        self.lists = asyncio.Event()
        """Whether lists succeed."""
        self.lists.set()
        self.done: list[str] = []
        self.circuit = Circuit(self._probe, random=lambda: 0.0)
        self.queue: WorkQueue[WorkKey] = WorkQueue()

    async def _probe(self) -> None:
        if self.away:
            raise AWAY

    async def look_afresh(self) -> None:
        self.done.append("lists")
        await self.lists.wait()
        self.done.append("listed")

    def begin(self) -> None:
        self.done.append("begin")

    async def work(self) -> None:
        while True:
            key = await self.queue.get()
            self.done.append(key[2])
            self.queue.done(key)

    async def goes_away(self) -> None:
        self.away = True
        self.circuit.doubt(AWAY)
        await self.circuit.opened()
        await self.until(lambda: metrics.REGISTRY.get_sample_value("stowage_api_server_away") == 1)

    async def until(self, so: Callable[[], bool]) -> None:
        while not so():
            await asyncio.sleep(0.01)


def play(scenario: Callable[[Bench], Awaitable[None]]) -> list[str]:
    async def played() -> list[str]:
        bench = Bench()
        tasks = [
            asyncio.create_task(bench.circuit.run()),
            asyncio.create_task(sit_out(bench.circuit, bench.queue, bench.look_afresh, bench.begin)),
            asyncio.create_task(bench.work()),
        ]
        async with asyncio.timeout(PATIENCE):
            await scenario(bench)
        for each in tasks:
            each.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await each
        return bench.done

    return asyncio.run(played())


def test_nothing_runs_during_an_outage_and_everything_is_listed_before_the_first_run() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.goes_away()
        bench.queue.add(KEY)
        await asyncio.sleep(0.05)
        assert bench.done == []
        bench.away = False
        await bench.until(lambda: "chat" in bench.done)
        assert metrics.REGISTRY.get_sample_value("stowage_api_server_away") == 0

    assert play(scenario) == ["lists", "listed", "begin", "chat"]


def test_what_failed_runs_at_once_when_it_is_back() -> None:
    async def scenario(bench: Bench) -> None:
        for _ in range(20):
            bench.queue.retry(KEY, at_least=3600.0)
        await bench.goes_away()
        bench.away = False
        await bench.until(lambda: "chat" in bench.done)

    assert play(scenario) == ["lists", "listed", "begin", "chat"]


def test_a_list_that_cant_be_had_holds_up_nothing_for_long() -> None:
    async def scenario(bench: Bench) -> None:
        bench.lists.clear()
        await bench.goes_away()
        bench.queue.add(KEY)
        bench.away = False
        await bench.until(lambda: "chat" in bench.done)

    assert play(scenario) == ["lists", "begin", "chat"]


def test_an_outage_that_goes_on_is_sat_out_to_its_end() -> None:
    """It comes back for a moment only: no run begins before lists were had."""

    async def scenario(bench: Bench) -> None:
        bench.lists.clear()
        await bench.goes_away()
        bench.queue.add(KEY)
        bench.away = False
        await bench.until(lambda: "lists" in bench.done)
        bench.away = True
        bench.circuit.doubt(AWAY)
        await asyncio.sleep(0.5)
        assert bench.done == ["lists"]
        bench.lists.set()
        bench.away = False
        await bench.until(lambda: "chat" in bench.done)

    assert play(scenario) == ["lists", "lists", "listed", "begin", "chat"]

"""The circuit on a probe that the test answers: when it opens, who waits, and that all go on at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from stowage.cluster import circuit as module
from stowage.cluster.circuit import Circuit, may_be_everybodys
from stowage.cluster.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    NotLeading,
    Retry,
    Terminal,
    Unauthorized,
)

NOTHING_CAME = Retry("apply pods: Connection refused")
LONG = 3600.0
PATIENCE = 30.0
"""Seconds that something which is to happen may take."""


class Bench:
    """A circuit, and what its probes find: nothing wrong, unless told otherwise."""

    def __init__(self) -> None:
        self.found: Exception | None = None
        self.probes = 0
        self.circuit = Circuit(self._probe, random=lambda: 0.0)

    async def _probe(self) -> None:
        self.probes += 1
        if self.found is not None:
            raise self.found

    async def goes_away(self) -> None:
        self.found = NOTHING_CAME
        self.circuit.doubt(NOTHING_CAME)
        await self.circuit.opened()


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(module, "PROBE_TIMEOUT", 0.05)


def play(scenario: Callable[[Bench], Awaitable[None]]) -> None:
    async def played() -> None:
        bench = Bench()
        running = asyncio.create_task(bench.circuit.run())
        try:
            async with asyncio.timeout(PATIENCE):
                await scenario(bench)
        finally:
            running.cancel()

    asyncio.run(played())


@pytest.mark.parametrize(
    ("error", "everybodys"),
    [
        (NOTHING_CAME, True),
        (Retry("bad gateway", status=502), True),
        (Retry("webhook failed", status=500), True),
        (Retry("slow down", status=429), False),
        (Conflict("changed", status=409), False),
        (Unauthorized("expired", status=401), False),
        (Unauthorized("can't renew the credentials"), False),
        (NotLeading("lost"), False),
        (Forbidden("quota", status=403), False),
        (Terminal("invalid", status=422), False),
        (Gone("gone", status=404), False),
    ],
)
def test_what_may_be_everybodys_trouble(error: ClusterError, everybodys: bool) -> None:
    assert may_be_everybodys(error) is everybodys


@pytest.mark.parametrize("answer", [None, Gone("no such kind", status=404)])
def test_an_objects_own_trouble_opens_nothing(answer: Exception | None) -> None:
    async def scenario(bench: Bench) -> None:
        bench.found = answer
        bench.circuit.doubt(Retry("webhook failed", status=500))
        while not bench.probes:
            await asyncio.sleep(0.01)
        await bench.circuit.pause(0.05)
        assert not bench.circuit.is_open
        assert bench.probes == 1

    play(scenario)


def test_nobody_is_asked_for_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        bench.circuit.doubt(Forbidden("quota", status=403))
        await bench.circuit.pause(0.05)
        assert bench.probes == 0

    play(scenario)


@pytest.mark.parametrize("found", [NOTHING_CAME, Forbidden("roles not read yet", status=403), Retry("500")])
def test_it_is_open_until_the_probe_succeeds(found: ClusterError) -> None:
    async def scenario(bench: Bench) -> None:
        await bench.goes_away()
        bench.found = found
        before = bench.probes
        while bench.probes < before + 3:
            await asyncio.sleep(0.01)
        assert bench.circuit.is_open
        bench.found = None
        await bench.circuit.closed()
        assert not bench.circuit.is_open

    play(scenario)


def test_a_probe_that_gets_no_answer_counts_as_failed() -> None:
    async def silent() -> None:
        await asyncio.sleep(LONG)

    async def played() -> None:
        circuit = Circuit(silent)
        running = asyncio.create_task(circuit.run())
        circuit.doubt(NOTHING_CAME)
        async with asyncio.timeout(PATIENCE):
            await circuit.opened()
        running.cancel()

    asyncio.run(played())


def test_all_who_wait_go_on_when_it_is_back_however_long_they_meant_to_wait() -> None:
    async def scenario(bench: Bench) -> None:
        waits = [asyncio.create_task(bench.circuit.pause(LONG)) for _ in range(20)]
        await bench.goes_away()
        waits += [asyncio.create_task(bench.circuit.pause(seconds)) for seconds in (LONG, 0.0)]
        await asyncio.sleep(0.05)
        assert not any(each.done() for each in waits)
        bench.found = None
        await asyncio.gather(*waits)

    play(scenario)


def test_each_outage_is_a_new_one(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def scenario(bench: Bench) -> None:
        for _ in range(3):
            await bench.goes_away()
            wait = asyncio.create_task(bench.circuit.pause(LONG))
            await asyncio.sleep(0)
            bench.found = None
            await wait

    play(scenario)
    said = [each.getMessage().partition(";")[0].partition(" after")[0] for each in caplog.records]
    assert said == ["the API server is away", "the API server is back"] * 3


def test_without_an_outage_a_pause_is_a_pause() -> None:
    async def scenario(bench: Bench) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await bench.circuit.pause(0.1)
        assert loop.time() - started >= 0.1

    play(scenario)


def test_it_never_opens_where_nobody_runs_it() -> None:
    async def played() -> None:
        bench = Bench()
        bench.found = NOTHING_CAME
        bench.circuit.doubt(NOTHING_CAME)
        await bench.circuit.pause(0.05)
        assert not bench.circuit.is_open

    asyncio.run(played())

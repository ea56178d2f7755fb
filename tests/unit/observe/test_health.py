"""Probes: what they answer, and that they answer while the event loop is blocked."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from devcluster.ports import LOOPBACK, free_ports
from stowage.observe.health import Health


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> Health:
    return Health(LOOPBACK, 0, clock)


def test_alive_but_not_ready_until_everything_was_listed(health: Health) -> None:
    assert health.answer("/healthz") == (200, "ok\n")
    assert health.answer("/readyz") == (
        503,
        "[+]event-loop ok\n[-]caches failed: listing the cluster's objects\nreadyz check failed\n",
    )
    health.ready = True
    assert health.answer("/readyz") == (200, "ok\n")
    assert health.answer("/readyz?verbose") == (200, "[+]event-loop ok\n[+]caches ok\nreadyz check passed\n")


def test_a_loop_that_doesnt_turn_fails_both(health: Health, clock: Clock) -> None:
    health.ready = True
    health.beat()
    clock.now += 31.0
    for path in ("/healthz", "/readyz"):
        status, text = health.answer(path)
        assert status == 503
        assert "[-]event-loop failed: it hasn't turned for 31 s\n" in text
    health.beat()
    assert health.answer("/healthz")[0] == 200


@pytest.mark.parametrize(("live", "expected"), [(True, (503, 503)), (False, (200, 503))])
def test_a_check_fails_what_it_is_for(health: Health, live: bool, expected: tuple[int, int]) -> None:
    health.ready = True
    health.add("pump", lambda: "it is dry", live=live)
    assert (health.answer("/healthz")[0], health.answer("/readyz")[0]) == expected
    assert "[-]pump failed: it is dry\n" in health.answer("/readyz")[1]


def test_other_paths_say_what_there_is(health: Health) -> None:
    assert health.answer("/") == (404, "try /healthz, /readyz or /metrics\n")


def ask(port: int, path: str, method: str = "GET") -> tuple[int, str, str]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(f"http://{LOOPBACK}:{port}{path}", method=method)
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def serving(scenario: Callable[[int, Health], None]) -> None:
    async def main() -> None:
        (port,) = free_ports(1)
        async with Health(LOOPBACK, port) as health:
            # Called in the event loop itself, which is blocked all the while.
            scenario(port, health)

    asyncio.run(main())


def test_it_answers_over_http_while_the_loop_is_blocked() -> None:
    def scenario(port: int, health: Health) -> None:
        assert ask(port, "/healthz") == (200, "text/plain; charset=utf-8", "ok\n")
        assert ask(port, "/readyz")[0] == 503
        assert ask(port, "/readyz", "HEAD") == (503, "text/plain; charset=utf-8", "")
        status, kind, text = ask(port, "/metrics")
        assert (status, kind) == (200, "text/plain; version=0.0.4; charset=utf-8")
        assert "stowage_build_info{" in text

    serving(scenario)


def test_a_port_in_use_is_said() -> None:
    def scenario(port: int, health: Health) -> None:
        with pytest.raises(
            OSError, match=rf"can't serve probes on {LOOPBACK}:{port}: address already in use"
        ):
            Health(LOOPBACK, port).__aenter__().send(None)  # it awaits nothing

    serving(scenario)


def test_port_0_serves_nothing() -> None:
    async def main() -> None:
        async with Health(LOOPBACK, 0) as health:
            assert health.answer("/healthz")[0] == 200

    asyncio.run(main())

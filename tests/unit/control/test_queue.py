"""The work queue by itself, on a clock that only the test moves, and the workers' error contract."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from stowage.cluster.errors import ClusterError, Conflict, Forbidden, Gone, NotConfigured, Retry, Terminal
from stowage.control.queue import (
    BASE_SECONDS,
    FAIR_SHARE,
    TERMINAL_FIRST_SECONDS,
    TERMINAL_SECONDS,
    QueueClosed,
    WorkQueue,
)
from stowage.control.workers import run_workers


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Bench:
    """A queue whose jitter is always the longest wait, and its clock."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.queue: WorkQueue[str] = WorkQueue(clock=self.clock, random=lambda: 1.0)

    def advance(self, seconds: float) -> None:
        self.clock.now += seconds
        self.queue.poll()

    async def take(self) -> str:
        """The next key; waits no longer than an idle loop takes."""
        return await asyncio.wait_for(self.queue.get(), 1)

    def waiting(self) -> int:
        return len(self.queue)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_held_queue_gives_out_nothing(bench: Bench) -> None:
    async def scenario() -> str:
        bench.queue.hold()
        bench.queue.add("a")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(bench.queue.get(), 0.05)
        bench.queue.resume()
        return await bench.take()

    assert asyncio.run(scenario()) == "a"


def test_a_held_queue_can_be_shut_down(bench: Bench) -> None:
    async def scenario() -> None:
        bench.queue.hold()
        bench.queue.add("a")
        waiting = asyncio.create_task(bench.queue.get())
        await asyncio.sleep(0)
        bench.queue.shutdown()
        with pytest.raises(QueueClosed):
            await waiting

    asyncio.run(scenario())


def test_resumed_what_failed_runs_at_once_and_its_failures_are_forgotten(bench: Bench) -> None:
    async def scenario() -> tuple[set[str], list[float]]:
        for _ in range(9):
            bench.queue.retry("transport")
            bench.queue.retry_terminal("refused")
        bench.queue.add_after("later", 30.0)
        bench.queue.hold()
        bench.queue.resume()
        taken = {await bench.take() for _ in range(bench.waiting())}
        for each in taken:
            bench.queue.done(each)
        return taken, [bench.queue.retry("transport"), bench.queue.retry_terminal("refused")]

    assert asyncio.run(scenario()) == ({"transport", "refused"}, [BASE_SECONDS, TERMINAL_FIRST_SECONDS])


def test_a_key_waits_once_and_keys_keep_their_order(bench: Bench) -> None:
    async def scenario() -> list[str]:
        for key in ("a", "b", "a", "c", "b"):
            bench.queue.add(key)
        return [await bench.take() for _ in range(len(bench.queue))]

    assert asyncio.run(scenario()) == ["a", "b", "c"]


def test_what_can_wait_comes_later_but_for_its_share(bench: Bench) -> None:
    async def scenario() -> list[str]:
        sweep = [f"all-{number}" for number in range(4)]
        for key in sweep:
            bench.queue.add(key, can_wait=True)
        for number in range(2 * FAIR_SHARE):
            bench.queue.add(f"new-{number}")
        assert bench.waiting() == len(sweep) + 2 * FAIR_SHARE
        return [await bench.take() for _ in range(bench.waiting())]

    order = asyncio.run(scenario())
    assert order[FAIR_SHARE - 1 :: FAIR_SHARE][:2] == ["all-0", "all-1"]
    assert order[-2:] == ["all-2", "all-3"]
    assert [key for key in order if key.startswith("new")] == [f"new-{n}" for n in range(2 * FAIR_SHARE)]


def test_what_could_wait_is_hurried_by_a_change(bench: Bench) -> None:
    async def scenario() -> list[str]:
        for key in ("a", "b"):
            bench.queue.add(key, can_wait=True)
        bench.queue.add("c")
        bench.queue.add("b")
        bench.queue.add("c", can_wait=True)
        return [await bench.take() for _ in range(bench.waiting())]

    assert asyncio.run(scenario()) == ["c", "b", "a"]


@pytest.mark.parametrize(("first", "second"), [(True, False), (False, True), (True, True)])
def test_what_runs_waits_as_the_most_hurried_of_its_changes(bench: Bench, first: bool, second: bool) -> None:
    async def scenario() -> list[str]:
        bench.queue.add("a")
        await bench.take()
        bench.queue.add("a", can_wait=first)
        bench.queue.add("a", can_wait=second)
        bench.queue.add("sweep", can_wait=True)
        bench.queue.done("a")
        return [await bench.take() for _ in range(bench.waiting())]

    assert asyncio.run(scenario()) == (["sweep", "a"] if first and second else ["a", "sweep"])


def test_a_key_added_while_it_runs_runs_again_afterwards(bench: Bench) -> None:
    async def scenario() -> None:
        bench.queue.add("a")
        await bench.take()
        bench.queue.add("a")
        bench.queue.add("a")
        assert bench.waiting() == 0
        bench.queue.done("a")
        assert bench.waiting() == 1
        await bench.take()
        bench.queue.done("a")
        assert bench.waiting() == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("wishes", [(5.0, 9.0), (9.0, 5.0), (5.0, 5.0)])
def test_the_earliest_of_several_delays_wins_and_runs_once(bench: Bench, wishes: tuple[float, ...]) -> None:
    for seconds in wishes:
        bench.queue.add_after("a", seconds)
    bench.advance(4.9)
    assert bench.waiting() == 0
    bench.advance(0.1)
    assert bench.waiting() == 1
    bench.advance(10)
    assert bench.waiting() == 1


def test_a_delay_that_was_replaced_never_runs(bench: Bench) -> None:
    async def scenario() -> None:
        bench.queue.add_after("b", 1)
        bench.queue.add_after("a", 5)
        bench.queue.add("a")
        assert await bench.take() == "a"
        bench.queue.done("a")
        bench.advance(10)
        assert await bench.take() == "b"
        assert bench.waiting() == 0

    asyncio.run(scenario())


def test_adding_a_delayed_key_replaces_its_delay(bench: Bench) -> None:
    async def scenario() -> None:
        bench.queue.add_after("a", 5)
        bench.queue.add("a")
        await bench.take()
        bench.queue.done("a")
        bench.advance(10)
        assert bench.waiting() == 0

    asyncio.run(scenario())


def test_a_delay_that_ends_while_the_key_runs_runs_it_again(bench: Bench) -> None:
    async def scenario() -> None:
        bench.queue.add("a")
        await bench.take()
        bench.queue.add_after("a", 5)
        bench.advance(6)
        assert bench.waiting() == 0
        bench.queue.done("a")
        assert bench.waiting() == 1

    asyncio.run(scenario())


def test_no_delay_is_now(bench: Bench) -> None:
    bench.queue.add_after("a", 0)
    assert bench.waiting() == 1


def test_backoff_doubles_up_to_its_cap_and_is_forgotten(bench: Bench) -> None:
    waits = [bench.queue.retry("a") for _ in range(11)]
    assert waits == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 60.0, 60.0]
    assert bench.queue.retry("b") == 0.2
    bench.queue.forget("a")
    assert bench.queue.retry("a") == 0.2
    assert bench.queue.retry("c", at_least=7) == 7


def test_jitter_spreads_over_the_whole_wait() -> None:
    numbers = iter([0.0, 0.5, 0.999])
    queue: WorkQueue[str] = WorkQueue(random=lambda: next(numbers))
    assert [queue.retry("a") for _ in range(3)] == pytest.approx([0.0, 0.2, 0.7992])


def test_a_thousand_failures_do_not_overflow(bench: Bench) -> None:
    assert [bench.queue.retry("a") for _ in range(2000)][-1] == 60.0


def test_idle_means_nothing_waits_runs_or_is_due_soon(bench: Bench) -> None:
    async def scenario() -> list[bool]:
        seen = [bench.queue.idle]
        bench.queue.add("a")
        seen.append(bench.queue.idle)
        await bench.take()
        seen.append(bench.queue.idle)
        bench.queue.done("a")
        bench.queue.add_after("a", 5)
        seen.append(bench.queue.idle)
        bench.advance(4.5)
        seen.append(bench.queue.idle)
        return seen

    assert asyncio.run(scenario()) == [True, False, False, True, False]


def test_get_waits_for_real_time_and_for_shorter_delays() -> None:
    async def scenario() -> list[str]:
        queue: WorkQueue[str] = WorkQueue()
        queue.add_after("late", 0.06)
        getting = asyncio.create_task(queue.get())
        await asyncio.sleep(0.01)
        queue.add_after("early", 0.01)
        return [await asyncio.wait_for(each, 1) for each in (getting, queue.get())]

    assert asyncio.run(scenario()) == ["early", "late"]


def test_shutdown_ends_get_and_drops_what_waits(bench: Bench) -> None:
    async def scenario() -> None:
        getting = asyncio.create_task(bench.queue.get())
        await asyncio.sleep(0)
        bench.queue.shutdown()
        with pytest.raises(QueueClosed):
            await getting
        bench.queue.add("a")
        bench.queue.add_after("b", 0.1)
        bench.queue.retry("c")
        with pytest.raises(QueueClosed):
            await bench.queue.get()
        assert bench.waiting() == 0
        assert bench.queue.idle

    asyncio.run(scenario())


async def settled(bench: Bench, handler: Callable[[str], Awaitable[None]], *keys: str) -> None:
    """Run workers on the keys until nothing is left to do now, then shut them down."""
    workers = asyncio.create_task(run_workers(bench.queue, handler, 4))
    for key in keys:
        bench.queue.add(key)
    await asyncio.sleep(0.02)
    bench.queue.shutdown()
    await asyncio.wait_for(workers, 1)


CONTRACT: list[tuple[BaseException, float | None]] = [
    (Retry("busy"), 0.2),
    (Retry("busy", retry_after=17), 17),
    (Conflict("changed"), 0.2),
    (Terminal("wrong"), TERMINAL_FIRST_SECONDS),
    (Forbidden("no"), TERMINAL_FIRST_SECONDS),
    (Gone("gone"), None),
    (ClusterError("odd"), 0.2),
    (NotConfigured("nothing"), 0.2),
    (ZeroDivisionError("bug"), 0.2),
    (asyncio.CancelledError("leaked"), 0.2),
]


@pytest.mark.parametrize(("error", "wait"), CONTRACT, ids=repr)
def test_what_the_handler_raises_says_when_the_key_runs_again(
    bench: Bench, error: BaseException, wait: float | None
) -> None:
    async def handler(key: str) -> None:
        if key == "bad":
            raise error
        ran.append(key)

    async def scenario() -> None:
        workers = asyncio.create_task(run_workers(bench.queue, handler, 1))
        bench.queue.add("bad")
        bench.queue.add("good")
        await asyncio.sleep(0.01)
        assert ran == ["good"]  # the only worker lives
        bench.advance((wait or TERMINAL_SECONDS) - 0.01)
        assert bench.queue.idle is (wait is None)
        assert bench.waiting() == 0
        bench.queue.shutdown()
        await workers

    ran: list[str] = []
    asyncio.run(scenario())


def test_a_terminal_error_is_tried_ever_later(bench: Bench) -> None:
    waits = [bench.queue.retry_terminal("key") for _ in range(6)]
    assert waits == [5, 15, 45, 135, TERMINAL_SECONDS, TERMINAL_SECONDS]
    bench.queue.forget("key")
    assert bench.queue.retry_terminal("key") == 5


def test_success_and_gone_reset_the_backoff(bench: Bench) -> None:
    async def handler(key: str) -> None:
        if key == "gone":
            raise Gone("gone")

    for key in ("fine", "gone"):
        bench.queue.retry(key)
        bench.queue.retry(key)

    async def scenario() -> list[float]:
        workers = asyncio.create_task(run_workers(bench.queue, handler, 1))
        bench.queue.add("fine")
        bench.queue.add("gone")
        await asyncio.sleep(0.01)
        waits = [bench.queue.retry("fine"), bench.queue.retry("gone")]
        bench.queue.shutdown()
        await workers
        return waits

    assert asyncio.run(scenario()) == [0.2, 0.2]


def test_a_bug_is_logged_with_its_traceback(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(key: str) -> None:
        raise ZeroDivisionError(key)

    asyncio.run(settled(bench, handler, "a"))
    assert "Traceback" in caplog.text
    assert "a: unexpected error; again in 0.2 s" in caplog.text


def test_conflicts_and_vanished_objects_are_no_news(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    async def handler(key: str) -> None:
        raise Conflict("changed") if key == "a" else Gone("gone")

    asyncio.run(settled(bench, handler, "a", "b"))
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


def test_many_workers_never_run_one_key_twice_at_a_time() -> None:
    running: set[str] = set()
    runs: dict[str, int] = {}
    peak = 0

    async def handler(key: str) -> None:
        nonlocal peak
        assert key not in running
        running.add(key)
        peak = max(peak, len(running))
        await asyncio.sleep(0.001)
        running.discard(key)
        runs[key] = runs.get(key, 0) + 1

    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(idle_within=0)
        workers = asyncio.create_task(run_workers(queue, handler, 8))
        for round_ in range(200):
            queue.add(f"key-{round_ % 5}")
            queue.add_after(f"key-{round_ % 7}", 0.001)
            await asyncio.sleep(0.0005)
        while not queue.idle:
            await asyncio.sleep(0.005)
        queue.shutdown()
        await asyncio.wait_for(workers, 1)

    asyncio.run(scenario())
    assert set(runs) == {f"key-{number}" for number in range(7)}
    assert 2 <= peak <= 7


def test_cancelling_ends_the_workers_and_what_they_run(bench: Bench) -> None:
    ended = asyncio.Event()

    async def handler(_: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def scenario() -> None:
        workers = asyncio.create_task(run_workers(bench.queue, handler, 2))
        bench.queue.add("a")
        await asyncio.sleep(0.01)
        workers.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(workers, 1)
        assert ended.is_set()

    asyncio.run(scenario())

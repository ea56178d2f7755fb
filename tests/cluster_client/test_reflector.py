"""The reflector on a scripted cluster: what it tells, and how it goes on after each kind of trouble."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

import pytest

from stowage.cluster.errors import Forbidden, Gone, Retry
from stowage.cluster.listwatch import ListWatch
from stowage.cluster.ports import PODS, Body, Listing, WatchEvent
from stowage.cluster.reflector import Key, Reflector

Change = tuple[str, str | None, str | None]


def pod(name: str, node: str, version: int = 1) -> Body:
    return {
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": str(version)},
        "spec": {"nodeName": node},
    }


def bookmark(version: int) -> WatchEvent:
    return WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


class Script:
    """A cluster that answers from a script, one list and one stream after the other, then is silent.

    A stream is events, seconds of silence, and maybe an error at its end; one without ends in good order.
    """

    def __init__(self, lists: list[Any], streams: list[Any]) -> None:
        self._lists = iter(lists)
        self._streams = iter(streams)
        self.calls: list[str] = []
        self.finished = asyncio.Event()
        self.before_write: Callable[[], None] = lambda: None

    async def list(self, resource: Any, *, decode: Callable[[Body], Any], **_: Any) -> Listing[Any]:
        self.calls.append("list")
        answer = next(self._lists)
        if isinstance(answer, Exception):
            raise answer
        return Listing([decode(each) for each in answer], "100")

    async def watch(
        self, resource: Any, *, resource_version: str, **_: Any
    ) -> AsyncGenerator[WatchEvent, None]:
        self.calls.append(f"watch {resource_version}")
        for each in next(self._streams, (None,)):
            if each is None:
                self.finished.set()
                await asyncio.sleep(60)
            elif isinstance(each, Exception):
                raise each
            elif isinstance(each, float):
                await asyncio.sleep(each)
            else:
                yield each


class Recorder:
    """What a reflector tells, and what its projection does: the node's name, None for node ``none``."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.errors: list[str] = []

    def project(self, body: Body) -> str | None:
        node: str = body["spec"]["nodeName"]
        return None if node == "none" else node

    def changed(self, key: Key, old: str | None, new: str | None) -> None:
        self.changes.append((key[1], old, new))

    def failed(self, error: Exception) -> None:
        self.errors.append(f"{type(error).__name__}: {error}")


@contextlib.asynccontextmanager
async def running(watch: ListWatch[Any]) -> AsyncIterator[None]:
    """Run it beside the block; it must still run at its end."""
    task = asyncio.create_task(watch.run())
    try:
        yield
        assert not task.done()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def play(lists: list[Any], streams: list[Any]) -> tuple[Script, Recorder, Reflector[str]]:
    """Play the script to its end."""

    async def scenario() -> tuple[Script, Recorder, Reflector[str]]:
        script, recorder = Script(lists, streams), Recorder()
        reflector: Reflector[str] = Reflector(
            script,  # type: ignore[arg-type] # it can't write
            PODS,
            project=recorder.project,
            on_change=recorder.changed,
            on_error=recorder.failed,
            backoff=(0.001, 0.002),
        )
        async with running(reflector):
            await asyncio.wait_for(script.finished.wait(), 30)
            assert reflector.synced.is_set()
        return script, recorder, reflector

    return asyncio.run(scenario())


def added(*bodies: Body) -> list[WatchEvent]:
    return [WatchEvent("ADDED", each) for each in bodies]


def modified(*bodies: Body) -> list[WatchEvent]:
    return [WatchEvent("MODIFIED", each) for each in bodies]


def deleted(*bodies: Body) -> list[WatchEvent]:
    return [WatchEvent("DELETED", each) for each in bodies]


def test_only_changes_of_projections_are_told() -> None:
    stream = [
        *modified(pod("a", "n1", 101), pod("a", "n2", 102), pod("a", "none", 103), pod("a", "none", 104)),
        *added(pod("c", "n3", 105), pod("d", "none", 106)),
        *deleted(pod("c", "n3", 107), pod("d", "none", 108)),
        bookmark(109),
        None,
    ]
    script, recorder, reflector = play([[pod("a", "n1"), pod("b", "n1"), pod("x", "none")]], [stream])
    assert recorder.changes == [
        ("a", None, "n1"), ("b", None, "n1"),
        ("a", "n1", "n2"), ("a", "n2", None),
        ("c", None, "n3"), ("c", "n3", None),
    ]  # fmt: skip
    assert dict(reflector.items) == {("shop", "b"): "n1"}
    assert (recorder.errors, reflector.repairs, script.calls) == ([], 0, ["list", "watch 100"])


def test_a_watch_that_ended_in_good_order_goes_on_where_it_ended() -> None:
    script, recorder, reflector = play([[]], [[*added(pod("a", "n1", 105))], [bookmark(107)], [None]])
    assert script.calls == ["list", "watch 100", "watch 105", "watch 107"]
    assert (recorder.errors, reflector.repairs) == ([], 0)


@pytest.mark.parametrize("error", [Gone("410 too old"), Retry("broken"), Forbidden("no"), OSError("odd")])
def test_after_an_error_it_lists_again_and_repairs(error: Exception) -> None:
    script, recorder, reflector = play(
        [[pod("a", "n1"), pod("b", "n1"), pod("c", "n1")], [pod("b", "n1"), pod("c", "n2"), pod("d", "n1")]],
        [[bookmark(101), error], [None]],
    )
    assert script.calls == ["list", "watch 100", "list", "watch 100"]
    assert dict(reflector.items) == {("shop", "b"): "n1", ("shop", "c"): "n2", ("shop", "d"): "n1"}
    assert recorder.changes[3:] == [("a", "n1", None), ("c", "n1", "n2"), ("d", None, "n1")]
    assert reflector.repairs == 3
    assert recorder.errors == [f"{type(error).__name__}: {error}"]


def test_a_list_that_fails_changes_nothing() -> None:
    _, recorder, reflector = play(
        [Retry("down"), [pod("a", "n1")], Retry("down"), Gone("expired"), [pod("a", "n1")]],
        [[Retry("cut")], [None]],
    )
    assert recorder.changes == [("a", None, "n1")]
    assert recorder.errors == ["Retry: down", "Retry: cut", "Retry: down", "Gone: expired"]
    assert reflector.repairs == 0


def test_a_watch_that_ends_at_once_without_a_word_is_an_error() -> None:
    script, recorder, _ = play([[], []], [[], [None]])
    assert script.calls == ["list", "watch 100", "list", "watch 100"]
    assert recorder.errors == ["Retry: watch pods: it ended at once"]


def test_an_object_that_cannot_be_projected_keeps_its_last_projection() -> None:
    broken = {"metadata": pod("a", "", 102)["metadata"]}
    _, recorder, reflector = play(
        [[pod("a", "n1"), {"metadata": {"name": "odd"}}]], [[*modified(broken), None]]
    )
    assert dict(reflector.items) == {("shop", "a"): "n1"}
    assert recorder.errors == ["KeyError: 'spec'", "KeyError: 'spec'"]


def test_callbacks_that_fail_do_not_end_it() -> None:
    async def scenario() -> list[str]:
        script = Script([[pod("a", "n1"), pod("b", "n1")]], [[None]])
        errors: list[str] = []

        def changed(key: Key, old: object, new: object) -> None:
            raise RuntimeError(key[1])

        def failed(error: Exception) -> None:
            errors.append(str(error))
            raise ValueError("worse")

        reflector: Reflector[str] = Reflector(
            script,  # type: ignore[arg-type]
            PODS,
            project=Recorder().project,
            on_change=changed,
            on_error=failed,
        )
        async with running(reflector):
            await asyncio.wait_for(script.finished.wait(), 30)
        assert len(reflector.items) == 2
        return errors

    assert asyncio.run(scenario()) == ["a", "b"]


class Waits:
    """Instead of waits: how long each would have been."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def pause(self, seconds: float) -> None:
        self.seconds.append(seconds)
        await asyncio.sleep(0)


def waits_of(lists: list[Any], streams: list[Any], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long a reflector waits after the errors of a script, always the longest that it may."""
    monkeypatch.setattr("stowage.cluster.listwatch.random", lambda: 1.0)
    waits = Waits()

    async def scenario() -> None:
        script, recorder = Script(lists, streams), Recorder()
        reflector: Reflector[str] = Reflector(
            script,  # type: ignore[arg-type]
            PODS,
            project=recorder.project,
            on_change=recorder.changed,
            on_error=recorder.failed,
            pause=waits.pause,
        )
        async with running(reflector):
            await asyncio.wait_for(script.finished.wait(), 30)

    asyncio.run(scenario())
    return waits.seconds


def test_failures_in_a_row_wait_longer_even_when_lists_succeed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watch that is forbidden must not list 100,000 pods once a second for ever."""
    streams = [[Forbidden("no")]] * 4 + [[bookmark(101), Retry("cut")], [None]]
    assert waits_of([[]] * 6, streams, monkeypatch) == [0.8, 1.6, 3.2, 6.4, 0.8]


def test_a_watch_that_lasted_had_begun_well_even_without_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Namespaces hardly ever change: each outage must not make the wait after the next one longer."""
    monkeypatch.setattr("stowage.cluster.listwatch._LASTED", 0.05)
    lists = [[], Retry("away"), Retry("away"), [], [], []]
    streams = [[Retry("cut")], [0.1, Retry("cut")], [0.1, Retry("cut")], [None]]
    assert waits_of(lists, streams, monkeypatch) == [0.8, 1.6, 3.2, 0.8, 0.8]

"""Who waits, in which order turns are given, and that nobody takes room out of turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from stowage.catalog import load_catalog
from stowage.cluster.errors import Retry
from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key
from stowage.control.line import ROOM, Line, Turn, WorkKey
from stowage.control.queue import WorkQueue
from stowage.control.waiting import waits
from stowage.control.world import World
from stowage.placement.in_vain import InVain

POLICY = {"default": True, "priorityClasses": ["interactive", "batch"]}


def infd(
    name: str, placed: str = "", since: str = "", *, made: str = "0", priority: str = "", **more: Any
) -> Body:
    variant = {"name": "a", "precision": "fp16", "format": "safetensors", "uri": "hf://a/b", "size": "1Gi"}
    spec = {"model": {"name": "m", "task": "text-generation"}, "variants": [variant], **more.pop("spec", {})}
    if priority:
        spec["priorityClassName"] = priority
    metadata = {
        "name": name,
        "namespace": "shop",
        "resourceVersion": "1",
        "uid": name,
        "creationTimestamp": made,
    }
    said = {"Placed": placed, **more.pop("conditions", {})} if placed else {}
    conditions = [
        {"type": kind, "status": status, "reason": "Any", "lastTransitionTime": since}
        for kind, status in said.items()
    ]
    status = {"conditions": conditions, **more} if placed else None
    return {"metadata": metadata, "spec": spec, **({"status": status} if status else {})}


def on_a_loop(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    def run() -> None:
        asyncio.run(test())

    return run


class Bench:
    """A world, a queue, and a look that only writes down what happens."""

    def __init__(self, *bodies: Body) -> None:
        self.world = World(load_catalog(), lambda *_: None)
        self.world.policies.observe(
            "ADDED", {"metadata": {"name": "p", "resourceVersion": "1"}, "spec": POLICY}
        )
        self.world.namespaces["shop"] = {}
        for body in bodies:
            self.world.workloads.observe("ADDED", body)
        self.queue: WorkQueue[WorkKey] = WorkQueue()
        self.line = Line(self.world, self.queue, self.look)
        self.seen: list[str] = []
        self.wants_room = True
        self.fails: set[str] = set()
        self.writes = asyncio.Event()
        self.in_vain: InVain | None = None

    async def look(self, key: Key, turn: Turn) -> bool:
        if self.wants_room and not turn.may_take():
            return False
        self.seen.append(key[1])
        if key[1] in self.fails:
            raise Retry("no answer")
        if self.in_vain is not None:
            turn.in_vain(self.in_vain)
        turn.decided()
        await self.writes.wait()
        return True

    def names(self) -> list[str]:
        return [name for _, name in self.line.order()]


PLACEMENT = {
    "deployment": "d", "pool": "p", "acceleratorClass": "c", "acceleratorType": "GPU", "variant": "v",
    "precision": "fp16", "runtime": "r", "devicesPerReplica": 1, "replicas": 1, "draining": True,
}  # fmt: skip


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (infd("new"), True),
        (infd("unplaced", "False"), True),
        (infd("placed", "True"), False),
        (infd("moving", "True", placements=[PLACEMENT]), True),
        (infd("stalled", "False", conditions={"Stalled": "True"}), False),
        (infd("paused", "False", spec={"paused": True}), False),
    ],
    ids=lambda value: value["metadata"]["name"] if isinstance(value, dict) else "",
)
def test_who_waits(body: Body, expected: bool) -> None:
    bench = Bench(body)
    (parsed,) = bench.world.workloads.items.values()
    assert waits(parsed) is expected


def test_the_order_is_class_then_time_then_name() -> None:
    bench = Bench(
        infd("a-none-old", "False", "2026-01-01"),
        infd("b-batch-new", "False", "2026-01-05", priority="batch"),
        infd("c-batch-old", "False", "2026-01-02", priority="batch"),
        infd("d-interactive", "False", "2026-01-09", priority="interactive"),
        infd("e-unknown-class", "False", "2026-01-01", priority="vip"),
        infd("f-new", made="2026-01-03"),
        infd("g-moving", "True", "2025-01-01", placements=[PLACEMENT]),
        infd("h-placed", "True", "2025-01-01"),
    )
    assert bench.names() == [
        "d-interactive", "c-batch-old", "b-batch-new", "a-none-old", "e-unknown-class", "f-new", "g-moving",
    ]  # fmt: skip


@on_a_loop
async def test_decisions_follow_each_other_while_writes_overlap() -> None:
    bench = Bench(*(infd(name, "False", since) for name, since in [("a", "3"), ("b", "1"), ("c", "2")]))
    bench.fails = {"c"}
    offering = asyncio.create_task(bench.line.offer())
    while len(bench.seen) < 3:
        await asyncio.sleep(0)
    assert bench.seen == ["b", "c", "a"]
    assert not offering.done()
    bench.writes.set()
    await offering
    assert not bench.queue.idle, "what failed is tried again"


@on_a_loop
async def test_who_comes_later_leaves_the_room_to_the_line() -> None:
    bench = Bench(infd("first", "False", "1"), infd("second", "False", "2"), infd("placed", "True", "0"))
    bench.writes.set()
    await bench.line.look(("shop", "second"))
    assert (bench.seen, await bench.queue.get()) == ([], ROOM)
    await bench.line.look(("shop", "first"))
    assert bench.seen == ["first"]
    # One that is placed and wants more joins behind them.
    bench.queue.done(ROOM)
    await bench.line.look(("shop", "placed"))
    assert (bench.seen, await bench.queue.get()) == (["first"], ROOM)
    assert bench.names() == ["first", "second", "placed"]
    await bench.line.offer()
    assert bench.seen == ["first", "first", "second", "placed"]
    assert bench.names() == ["first", "second"]


@on_a_loop
async def test_one_that_needs_no_more_room_is_looked_at_at_once() -> None:
    bench = Bench(infd("first", "False", "1"), infd("placed", "True", "0"))
    bench.writes.set()
    bench.wants_room = False
    await bench.line.look(("shop", "placed"))
    assert (bench.seen, len(bench.queue)) == (["placed"], 0)


@on_a_loop
async def test_what_looked_in_vain_is_passed_over_until_there_may_be_room_or_it_asks() -> None:
    bench = Bench(infd("first", "False", "1"), infd("second", "False", "2"))
    bench.writes.set()
    snapshot = bench.world.snapshot()
    bench.in_vain = InVain(snapshot.pools, {}, (), snapshot.room.regions)
    await bench.line.offer()
    assert bench.seen == ["first", "second"]
    await bench.line.offer()
    assert bench.seen == ["first", "second"]
    # Its spec, its policy or what it waits for changed: whoever is behind others asks for its turn.
    await bench.line.look(("shop", "second"))
    await bench.line.offer()
    assert bench.seen == ["first", "second", "second"]
    bench.line.ask(bench.line.order())
    await bench.line.offer()
    assert bench.seen[3:] == ["first", "second"]
    # Other pools than those that were looked at.
    bench.in_vain.pools = (*snapshot.pools, None)  # type: ignore[assignment]
    await bench.line.offer()
    assert bench.seen[5:] == ["first", "second"]


@on_a_loop
async def test_a_key_never_runs_twice_at_a_time() -> None:
    bench = Bench(infd("a", "False", "1"))
    own = asyncio.create_task(bench.line.look(("shop", "a")))
    offering = asyncio.create_task(bench.line.offer())
    for _ in range(20):
        await asyncio.sleep(0)
    assert bench.seen == ["a"]
    bench.writes.set()
    await asyncio.gather(own, offering)
    assert bench.seen == ["a", "a"]


@on_a_loop
async def test_when_the_worker_is_ended_so_is_what_it_began() -> None:
    bench = Bench(infd("a", "False", "1"))
    offering = asyncio.create_task(bench.line.offer())
    while not bench.seen:
        await asyncio.sleep(0)
    offering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await offering
    assert len(asyncio.all_tasks()) == 1

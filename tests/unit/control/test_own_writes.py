"""What we wrote is nobody's news, whichever comes first, the watch or the answer; what others did is."""

from __future__ import annotations

import contextlib

import pytest

from stowage.catalog import load_catalog
from stowage.cluster.errors import Retry
from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key
from stowage.control.world import World

KEY = ("shop", "chat")
OURS = [("services", KEY)]


class Bench:
    """A world, and what is told of Services."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Key]] = []
        self.world = World(load_catalog(), lambda plural, key: self.told.append((plural, key)))
        self.world.services.observe("ADDED", service(1))
        self.told.clear()

    def watch(self, version: int, event: str = "MODIFIED", name: str = "chat") -> None:
        self.world.services.observe(event, service(version, name))

    def write(self, *before: int, stored: int, after: tuple[int, ...] = ()) -> None:
        """One write; the watch tells of versions before the answer comes, and after it."""
        with self.world.own_writes.write(self.world.services, KEY) as take:
            for version in before:
                self.watch(version)
            take(service(stored))
        for version in after:
            self.watch(version)


def service(version: int, name: str = "chat") -> Body:
    metadata = {"name": name, "namespace": "shop", "resourceVersion": str(version)}
    return {"metadata": metadata, "spec": {"externalName": str(version)}}


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("before", "stored", "after", "expected"),
    [
        ((), 2, (), []),
        ((), 2, (2,), []),
        ((2,), 2, (), []),
        ((), 2, (2, 3), OURS),
        ((2, 3), 2, (), OURS),  # somebody came right after us
        ((2,), 3, (), OURS),  # or before us
        ((2,), 3, (3,), OURS),
    ],
)
def test_what_is_told(
    bench: Bench, before: tuple[int, ...], stored: int, after: tuple[int, ...], expected: list[object]
) -> None:
    bench.write(*before, stored=stored, after=after)
    assert bench.told == expected


def test_nothing_is_told_while_the_write_is_under_way(bench: Bench) -> None:
    with bench.world.own_writes.write(bench.world.services, KEY):
        bench.watch(2)
        bench.watch(3, name="other")
        assert bench.told == [("services", ("shop", "other"))]
    assert bench.told[1:] == OURS


def test_a_deletion_is_told(bench: Bench) -> None:
    with bench.world.own_writes.write(bench.world.services, KEY) as take:
        take(service(2))
        bench.watch(3, "DELETED")
    assert bench.told == OURS


def test_what_comes_while_a_write_fails_is_told(bench: Bench) -> None:
    with contextlib.suppress(Retry), bench.world.own_writes.write(bench.world.services, KEY):
        bench.watch(2)
        raise Retry("no answer")
    assert bench.told == OURS
    assert bench.world.services.version(KEY) == 2


def test_a_write_that_fails_alone_tells_nothing(bench: Bench) -> None:
    with contextlib.suppress(Retry), bench.world.own_writes.write(bench.world.services, KEY):
        raise Retry("no answer")
    assert bench.told == []
    bench.watch(2)
    assert bench.told == OURS

"""The store: what it believes of events, lists and answers that come in any order."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from stowage.cluster.ports import NODES, SERVICES, Body, Listing
from stowage.cluster.reflector import Key
from stowage.control.store import REMEMBERED, Store

KEY: Key = ("", "a")
Change = tuple[Key, str | None, str | None]


class Bench:
    """A store of one label of Nodes, and what it told."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.forgotten: list[Key] = []
        self.store: Store[str] = Store(NODES, self.project, self.changed, forget=self.forgotten.append)

    @staticmethod
    def project(body: Body) -> str:
        return str(body["metadata"]["labels"]["value"])

    def changed(self, key: Key, old: str | None, new: str | None) -> None:
        self.changes.append((key, old, new))

    def listing(self, bodies: Iterable[Body], version: int) -> Listing[tuple[Key, int, str | None]]:
        return Listing([self.store.decode(body) for body in bodies], str(version))

    @property
    def values(self) -> dict[str, str]:
        return {key[1]: value for key, value in self.store.items.items()}


def node(version: int, value: str, name: str = "a", uid: str = "") -> Body:
    metadata = {"name": name, "uid": uid, "resourceVersion": str(version), "labels": {"value": value}}
    return {"metadata": metadata}


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("ADDED", 1, "x"), ("MODIFIED", 2, "y")], {"a": "y"}),
        ([("MODIFIED", 2, "y"), ("ADDED", 1, "x")], {"a": "y"}),
        ([(None, 5, "listed"), ("MODIFIED", 4, "late")], {"a": "listed"}),
        ([("ADDED", 1, "x"), ("DELETED", 2, "x")], {}),
        ([("ADDED", 1, "x"), ("DELETED", 3, "x"), ("MODIFIED", 2, "late")], {}),
        ([("ADDED", 4, "anew"), ("DELETED", 3, "late")], {"a": "anew"}),
        ([("DELETED", 3, "x"), ("ADDED", 2, "late")], {}),
        ([("DELETED", 3, "x"), ("ADDED", 4, "anew")], {"a": "anew"}),
        ([("ADDED", 9, "x"), ("MODIFIED", 10, "y")], {"a": "y"}),  # as numbers, not as text
    ],
)
def test_the_newest_version_wins_in_whatever_order_they_come(
    bench: Bench, events: list[tuple[str | None, int, str]], expected: dict[str, str]
) -> None:
    for kind, version, value in events:
        bench.store.observe(kind, node(version, value))
    assert bench.values == expected


def test_only_differences_are_told(bench: Bench) -> None:
    for version in (1, 2, 3):
        bench.store.observe("MODIFIED", node(version, "same"))
    bench.store.observe("DELETED", node(4, "same"))
    bench.store.observe("DELETED", node(4, "same"))
    assert bench.changes == [(KEY, None, "same"), (KEY, "same", None)]
    assert set(bench.forgotten) == {KEY}


def test_a_list_removes_phantoms_and_counts_repairs(bench: Bench) -> None:
    bench.store.replace(bench.listing([node(1, "x"), node(2, "y", "b")], 5), first=True)
    assert bench.store.repairs == 0
    bench.store.replace(bench.listing([node(2, "y", "b"), node(7, "z", "c")], 8), first=False)
    assert bench.values == {"b": "y", "c": "z"}
    assert bench.store.repairs == 2
    bench.store.replace(bench.listing([node(2, "y", "b"), node(7, "z", "c")], 9), first=False)
    assert bench.store.repairs == 2


def test_a_list_does_not_undo_what_happened_after_it(bench: Bench) -> None:
    bench.store.observe("ADDED", node(1, "x"))
    bench.store.observe("ADDED", node(2, "gone later", "b"))
    listing = bench.listing([node(1, "x"), node(2, "gone later", "b")], 5)
    bench.store.observe("MODIFIED", node(6, "newer"))
    bench.store.observe("DELETED", node(7, "gone later", "b"))
    bench.store.observe("ADDED", node(8, "new", "c"))
    bench.store.replace(listing, first=False)
    assert bench.values == {"a": "newer", "c": "new"}
    assert bench.store.repairs == 0


def test_tombstones_are_dropped_by_the_next_list(bench: Bench) -> None:
    bench.store.observe("DELETED", node(3, "x"))
    bench.store.replace(bench.listing([], 5), first=False)
    assert bench.store._deleted == {}


def test_what_we_deleted_is_gone_before_a_watch_tells_and_stays_so(bench: Bench) -> None:
    bench.store.observe("ADDED", node(1, "x", uid="first"))
    early = bench.listing([node(1, "x", uid="first")], 5)
    bench.store.gone(KEY, "first")
    assert bench.changes == [(KEY, None, "x"), (KEY, "x", None)]
    assert bench.forgotten == [KEY]
    bench.store.observe("MODIFIED", node(2, "late", uid="first"))
    bench.store.replace(early, first=False)
    bench.store.replace(bench.listing([node(2, "late", uid="first")], 6), first=False)
    assert (bench.values, bench.store.repairs) == ({}, 0)
    bench.store.observe("ADDED", node(8, "anew", uid="second"))
    bench.store.observe("DELETED", node(7, "late", uid="first"))
    assert bench.values == {"a": "anew"}
    assert bench.store._gone == {}


def test_deletions_that_no_watch_ever_tells_are_not_remembered_for_ever(bench: Bench) -> None:
    for number in range(REMEMBERED + 10):
        bench.store.gone(KEY, str(number))
    assert len(bench.store._gone) == REMEMBERED


def test_a_list_of_one_namespace_says_nothing_of_others() -> None:
    def body(namespace: str, version: int) -> Body:
        return {"metadata": {"name": "a", "namespace": namespace, "resourceVersion": str(version)}}

    store: Store[int] = Store(
        SERVICES, lambda each: int(each["metadata"]["resourceVersion"]), lambda *_: None
    )
    for each in (body("one", 1), body("two", 2)):
        store.observe("ADDED", each)
    store.observe("DELETED", body("three", 3))
    store.replace(Listing([], "5"), first=False, namespace="one")
    assert store.items == {("two", "a"): 2}
    assert store.repairs == 1
    store.observe("ADDED", body("three", 2))  # late: the list didn't make it forget that this went
    assert store.items == {("two", "a"): 2}
    store.forget_namespace("two")
    assert store.items == {}


def test_items_of_a_list_get_the_kind_that_lists_leave_out() -> None:
    seen: list[Body] = []
    store: Store[int] = Store(NODES, lambda body: seen.append(body) or 1, lambda *_: None)
    store.decode(node(1, "x"))
    assert (seen[0]["apiVersion"], seen[0]["kind"]) == ("v1", "Node")


def test_an_object_that_can_not_be_read_keeps_its_last_projection_and_harms_no_other(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    broken: Body = {"metadata": {"name": "a", "resourceVersion": "2"}}
    bench.store.observe("ADDED", node(1, "x"))
    bench.store.observe("MODIFIED", broken)
    never: Body = {"metadata": {"name": "never", "resourceVersion": "3"}}
    bench.store.replace(bench.listing([broken, never, node(4, "fine", "b")], 5), first=False)
    assert bench.values == {"a": "x", "b": "fine"}
    assert "nodes never can't be read: KeyError('labels')" in caplog.text
    bench.store.observe("MODIFIED", {**never, "metadata": {**never["metadata"], "resourceVersion": "6"}})
    bench.store.observe("DELETED", {**never, "metadata": {**never["metadata"], "resourceVersion": "7"}})
    assert bench.values == {"a": "x", "b": "fine"}


def test_a_list_reads_only_what_is_new(bench: Bench) -> None:
    read: list[str] = []
    store: Store[str] = Store(NODES, lambda body: read.append(body["metadata"]["name"]) or "x", bench.changed)
    store.observe("ADDED", node(5, "x"))
    store.replace(Listing([store.decode(node(5, "x")), store.decode(node(6, "y", "b"))], "7"), first=False)
    assert read == ["a", "b"]
    assert set(store.items) == {("", "a"), ("", "b")}
    assert store.repairs == 1

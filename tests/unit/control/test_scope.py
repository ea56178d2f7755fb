"""Which namespaces are served."""

from __future__ import annotations

from stowage.catalog import load_catalog
from stowage.cluster.ports import INFERENCE_DEPLOYMENTS, NAMESPACES
from stowage.cluster.reflector import Key
from stowage.control.scope import Scope
from stowage.control.world import World


def test_told_none_all_are_served() -> None:
    scope = Scope.of(())
    assert scope.includes("any")
    assert scope.serves("any")
    assert scope.places() == scope.watched_places() == ("",)
    world = World(load_catalog(), lambda *_: None, scope)
    assert world.stores_in("") == world.stores


def test_told_some_each_is_served_once_it_could_be_read() -> None:
    told: list[tuple[str, Key]] = []
    scope = Scope.of(["b", "a", "b"])
    world = World(load_catalog(), lambda plural, key: told.append((plural, key)), scope)
    assert [scope.includes(name) for name in ("a", "b", "c", "")] == [True, True, False, False]
    assert not scope.serves("a")
    scope.there = {"b": "1", "a": "2"}
    assert scope.places() == ("", "a", "b")
    for readable in (True, True, False, True):
        world.serve("a", readable=readable)
    assert told == [(NAMESPACES.plural, ("", "a"))] * 3
    assert [scope.serves(name) for name in ("a", "b", "c")] == [True, False, False]
    world.leave("a")
    assert not scope.serves("a")


def test_workloads_are_filled_last_and_what_belongs_to_the_cluster_apart() -> None:
    world = World(load_catalog(), lambda *_: None, Scope.of(["a"]))
    namespaced, clusters = world.stores_in("a"), world.stores_in("")
    assert namespaced[-1].resource == INFERENCE_DEPLOYMENTS
    assert all(store.resource.namespaced for store in namespaced)
    assert not any(store.resource.namespaced for store in clusters)
    assert {*namespaced, *clusters} == {*world.stores}

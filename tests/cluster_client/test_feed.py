"""A feed of a store: where it begins, and what it does after trouble."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.cluster_client.test_reflector import Script, deleted, modified, pod, running
from tests.cluster_client.test_reflector_on_server import CONFIG_MAPS, config_map, until

from devcluster.cluster import LocalCluster
from stowage.cluster.client import KubernetesCluster
from stowage.cluster.errors import Gone
from stowage.cluster.ports import PODS, Body, Listing
from stowage.cluster.reflector import Key
from stowage.control.feed import Feed
from stowage.control.store import Store


def nothing(key: Key, old: str | None, new: str | None) -> None:
    """Of no interest here."""


def node_of(body: Body) -> str:
    return str(body["spec"]["nodeName"])


def listed(store: Store[str], *bodies: Body, version: str) -> None:
    store.replace(Listing([store.decode(each) for each in bodies], version), first=True)


def play(store: Store[str], lists: list[Any], streams: list[Any]) -> Script:
    async def scenario() -> Script:
        script, errors = Script(lists, streams), list[Exception]()

        async def at_once(_seconds: float) -> None:
            """Waits for nothing after an error."""

        feed = Feed(script, store, "", errors.append, at_once)  # type: ignore[arg-type] # it can't write
        async with running(feed):
            await asyncio.wait_for(script.finished.wait(), 30)
        return script

    return asyncio.run(scenario())


def test_it_begins_where_the_list_of_its_store_ended() -> None:
    store: Store[str] = Store(PODS, node_of, nothing)
    listed(store, pod("a", "n1", 5), pod("b", "n1", 6), version="40")
    script = play(store, [], [[*deleted(pod("a", "n1", 41)), *modified(pod("b", "n2", 42)), None]])
    assert script.calls == ["watch 40"]
    assert dict(store.items) == {("shop", "b"): "n2"}


def test_it_lists_what_was_never_listed() -> None:
    store: Store[str] = Store(PODS, node_of, nothing)
    script = play(store, [[pod("a", "n1", 5)]], [[None]])
    assert script.calls == ["list", "watch 100"]
    assert dict(store.items) == {("shop", "a"): "n1"}


def test_after_trouble_it_lists_and_a_repair_is_no_fault_of_the_watch() -> None:
    store: Store[str] = Store(PODS, node_of, nothing)
    listed(store, pod("a", "n1", 5), pod("b", "n1", 6), version="40")
    script = play(store, [[pod("b", "n2", 90)]], [[Gone("too old")], [None]])
    assert script.calls == ["watch 40", "list", "watch 100"]
    assert dict(store.items) == {("shop", "b"): "n2"}
    assert store.repairs == 0


@pytest.mark.cluster
def test_nothing_is_lost_between_a_list_and_the_watch(local_cluster: LocalCluster, namespace: str) -> None:
    """On a real API server: what is deleted after the list and before the watch begins."""

    def value(body: Body) -> str:
        return str(body["data"]["value"])

    async def scenario() -> None:
        store: Store[str] = Store(CONFIG_MAPS, value, nothing, f"mirror={namespace}")
        async with KubernetesCluster.connect(kubeconfig=local_cluster.kubeconfig) as cluster:
            made = await cluster.apply(CONFIG_MAPS, config_map(namespace, "phantom", "1"))
            await cluster.apply(CONFIG_MAPS, config_map(namespace, "stays", "1"))
            listing = await cluster.list(
                CONFIG_MAPS, decode=store.decode, namespace=namespace, label_selector=store.selector
            )
            store.replace(listing, first=True, namespace=namespace)
            await cluster.delete(CONFIG_MAPS, "phantom", namespace, uid=made["metadata"]["uid"])
            await cluster.apply(CONFIG_MAPS, config_map(namespace, "stays", "2"))
            errors: list[Exception] = []
            async with running(Feed(cluster, store, namespace, errors.append)):
                await until(lambda: dict(store.items) == {(namespace, "stays"): "2"})
            assert errors == []

    asyncio.run(scenario())

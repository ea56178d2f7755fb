"""The reflector against a real API server, over a wire that breaks."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest

from devcluster.cluster import LocalCluster
from stowage.cluster.client import KubernetesCluster
from stowage.cluster.ports import Body, ResourceType
from stowage.cluster.reflector import Key, Reflector

pytestmark = pytest.mark.cluster

CONFIG_MAPS = ResourceType("", "v1", "configmaps", "ConfigMap")


def config_map(namespace: str, name: str, value: str) -> Body:
    metadata = {"name": name, "namespace": namespace, "labels": {"mirror": namespace}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}}


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("busy", [False, True], ids=["cut", "cut with changes of all kinds"])
def test_it_survives_a_cut_and_notices_what_was_deleted_meanwhile(
    local_cluster: LocalCluster, namespace: str, wired: Any, busy: bool
) -> None:
    changes: list[tuple[str, str | None, str | None]] = []
    errors: list[str] = []

    def changed(key: Key, old: str | None, new: str | None) -> None:
        changes.append((key[1], old, new))

    async def scenario() -> None:
        async with (
            wired() as (wire, kubeconfig),
            KubernetesCluster.connect(kubeconfig=local_cluster.kubeconfig) as direct,
            KubernetesCluster.connect(kubeconfig=kubeconfig, read_delays=()) as through,
        ):
            made = {
                name: await direct.apply(CONFIG_MAPS, config_map(namespace, name, "1"))
                for name in ("a", "b", "c")
            }
            reflector: Reflector[str] = Reflector(
                through,
                CONFIG_MAPS,
                project=lambda body: str(body["data"]["value"]),
                on_change=changed,
                on_error=lambda error: errors.append(type(error).__name__),
                label_selector=f"mirror={namespace}",
                backoff=(0.05, 0.2),
            )
            task = asyncio.create_task(reflector.run())
            await asyncio.wait_for(reflector.synced.wait(), 60)
            await direct.apply(CONFIG_MAPS, config_map(namespace, "b", "2"))
            await until(lambda: ("b", "1", "2") in changes)
            assert reflector.repairs == 0

            await wire.cut()
            changes.clear()
            await direct.delete(CONFIG_MAPS, "a", namespace, uid=made["a"]["metadata"]["uid"])
            if busy:
                await direct.apply(CONFIG_MAPS, config_map(namespace, "c", "9"))
                await direct.apply(CONFIG_MAPS, config_map(namespace, "d", "1"))
            await until(lambda: len(errors) >= 3)  # the break, and tries while it is down
            assert changes == []
            await wire.connect()
            await until(lambda: len(changes) == (3 if busy else 1))
            assert set(changes) == {("a", "1", None)} | (
                {("c", "1", "9"), ("d", None, "1")} if busy else set()
            )
            assert reflector.repairs == len(changes)
            assert set(errors) == {"Retry"}

            await direct.apply(CONFIG_MAPS, config_map(namespace, "b", "3"))
            await until(lambda: ("b", "2", "3") in changes)
            assert reflector.items[(namespace, "b")] == "3"
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(scenario())


def test_a_list_over_many_pages_and_a_watch_agree(local_cluster: LocalCluster, namespace: str) -> None:
    """Objects come and go while it lists and watches; at the end both tell the same."""

    async def scenario() -> None:
        async with KubernetesCluster.connect(kubeconfig=local_cluster.kubeconfig) as cluster:
            reflector: Reflector[str] = Reflector(
                cluster,
                CONFIG_MAPS,
                project=lambda body: str(body["data"]["value"]),
                on_change=lambda *_: None,
                on_error=lambda error: pytest.fail(repr(error)),
                label_selector=f"mirror={namespace}",
            )
            task = asyncio.create_task(reflector.run())
            for number in range(60):
                made = await cluster.apply(CONFIG_MAPS, config_map(namespace, f"c{number}", str(number)))
                if number % 3 == 0:
                    await cluster.delete(CONFIG_MAPS, f"c{number}", namespace, uid=made["metadata"]["uid"])
            expected = {(namespace, f"c{each}"): str(each) for each in range(60) if each % 3}
            await until(lambda: dict(reflector.items) == expected)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(scenario())

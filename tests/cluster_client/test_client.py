"""The client against a real API server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster
from devcluster.ports import free_ports
from stowage.cluster import client as client_module
from stowage.cluster.client import KubernetesCluster
from stowage.cluster.errors import Conflict, Forbidden, Gone, NotLeading, Retry, Terminal
from stowage.cluster.ports import (
    DEPLOYMENTS,
    NAMESPACES,
    NODES,
    PODS,
    Body,
    Cluster,
    ResourceType,
    WatchEvent,
)

pytestmark = pytest.mark.cluster

CONFIG_MAPS = ResourceType("", "v1", "configmaps", "ConfigMap")

CUSTOM_RESOURCE_DEFINITIONS = ResourceType(
    "apiextensions.k8s.io", "v1", "customresourcedefinitions", "CustomResourceDefinition", namespaced=False
)
CRATES = ResourceType("test.dev", "v1", "crates", "Crate")
CRATES_DEFINITION: Body = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "crates.test.dev"},
    "spec": {
        "group": "test.dev",
        "scope": "Namespaced",
        "names": {"plural": "crates", "singular": "crate", "kind": "Crate"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        ],
    },
}


def config_map(namespace: str, name: str, *, data: dict[str, str] | None = None, **metadata: Any) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "data": data or {},
    }


def name_of(body: Body) -> str:
    return str(body["metadata"]["name"])


def test_list_reads_all_pages(run: Any, local_cluster: LocalCluster, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        for number in range(7):
            labels = {"parity": "even" if number % 2 == 0 else "odd"}
            await cluster.create(CONFIG_MAPS, config_map(namespace, f"c{number}", labels=labels))
        log = AuditLog(local_cluster.audit_log)
        log.mark()
        listing = await cluster.list(
            CONFIG_MAPS,
            decode=name_of,
            namespace=namespace,
            limit=3,
            field_selector="metadata.name!=kube-root-ca.crt",
        )
        assert listing.items == [f"c{number}" for number in range(7)]
        assert int(listing.resource_version) > 0
        even = await cluster.list(CONFIG_MAPS, decode=name_of, label_selector="parity in (even)", limit=2)
        assert even.items == ["c0", "c2", "c4", "c6"]
        nothing = await cluster.list(PODS, decode=name_of, namespace=namespace)
        assert nothing.items == []

    run(scenario)


async def take(events: AsyncIterator[WatchEvent], count: int) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    async for event in events:
        if event.type != "BOOKMARK":
            found.append((event.type, name_of(event.body)))
        if len(found) == count:
            break
    return found


def test_watch_goes_on_where_the_list_ended(run: Any, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        start = await cluster.list(CONFIG_MAPS, decode=name_of, namespace=namespace)
        made = await cluster.create(CONFIG_MAPS, config_map(namespace, "a"))
        await cluster.apply(CONFIG_MAPS, config_map(namespace, "a", data={"x": "ü" * 5000}))
        await cluster.delete(CONFIG_MAPS, "a", namespace, uid=made["metadata"]["uid"])
        watch = cluster.watch(
            CONFIG_MAPS,
            resource_version=start.resource_version,
            namespace=namespace,
            field_selector="metadata.name=a",
        )
        async with aclosing(watch) as events:
            found = await asyncio.wait_for(take(events, 3), 10)
        assert found == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]

    run(scenario)


def test_watch_has_bookmarks_and_ends_in_good_order(
    run: Any, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "WATCH_SECONDS", (4, 4))

    async def scenario(cluster: Cluster) -> None:
        start = await cluster.list(CONFIG_MAPS, decode=name_of)
        made = asyncio.create_task(create_later(cluster))
        watch = cluster.watch(CONFIG_MAPS, resource_version=start.resource_version, label_selector="no=such")
        async with aclosing(watch) as events:
            bookmarks = [event async for event in events]
        assert {event.type for event in bookmarks} == {"BOOKMARK"}
        assert int(bookmarks[-1].resource_version) >= int((await made)["metadata"]["resourceVersion"])

    async def create_later(cluster: Cluster) -> Body:
        """There is a bookmark only for what happened since the watch began."""
        await asyncio.sleep(0.5)
        return await cluster.create(CONFIG_MAPS, config_map(namespace, "a"))

    run(scenario)


def test_a_watch_from_the_distant_past_is_gone(run: Any) -> None:
    """The server remembers changes of a resource since it knows the resource, so this one is new. Until it
    watches the resource itself it asks to try again."""

    async def scenario(cluster: Cluster) -> None:
        await cluster.apply(CUSTOM_RESOURCE_DEFINITIONS, CRATES_DEFINITION)
        async with asyncio.timeout(60):
            while (refusal := await watched(cluster)) is None:
                await asyncio.sleep(0.1)
        assert refusal.reason == "Expired"
        assert re.match(r"watch crates\.test\.dev: 410 .*too old", str(refusal), re.DOTALL)

    async def watched(cluster: Cluster) -> Gone | None:
        try:
            async with aclosing(cluster.watch(CRATES, resource_version="1")) as events:
                await asyncio.wait_for(take(events, 1), 10)
        except Gone as error:
            return error if error.status == 410 else None
        except (Retry, TimeoutError):
            return None
        raise AssertionError("an event came")

    run(scenario)


def test_a_silent_watch_ends(local_cluster: LocalCluster) -> None:
    async def scenario() -> None:
        connecting = KubernetesCluster.connect(kubeconfig=local_cluster.kubeconfig, inactivity=0.5)
        async with connecting as cluster:
            start = await cluster.list(PODS, decode=name_of)
            async with aclosing(cluster.watch(PODS, resource_version=start.resource_version)) as events:
                assert await asyncio.wait_for(take(events, 1), 5) == []

    asyncio.run(scenario())


def test_a_watch_without_an_answer_is_broken(kubeconfig_with: Callable[..., Path]) -> None:
    async def scenario() -> None:
        async with (
            deaf_server() as (address, _),
            KubernetesCluster.connect(
                kubeconfig=kubeconfig_with(server=address, user={}), inactivity=0.2
            ) as cluster,
            aclosing(cluster.watch(NODES, resource_version="0")) as events,
        ):
            with pytest.raises(Retry, match=r"watch nodes: nothing came for 0\.2 s"):
                await take(events, 1)

    asyncio.run(scenario())


def test_apply_creates_and_updates_and_removes_what_is_left_out(run: Any, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        assert await cluster.get(CONFIG_MAPS, "a", namespace) is None
        made = await cluster.apply(CONFIG_MAPS, config_map(namespace, "a", data={"x": "1", "y": "1"}))
        await cluster.apply(CONFIG_MAPS, config_map(namespace, "a", data={"x": "2"}))
        found = await cluster.get(CONFIG_MAPS, "a", namespace)
        assert found is not None
        assert (found["data"], found["metadata"]["uid"]) == ({"x": "2"}, made["metadata"]["uid"])
        (fields,) = found["metadata"]["managedFields"]
        assert (fields["manager"], fields["operation"]) == ("stowage", "Apply")

    run(scenario)


def test_apply_to_an_old_resource_version_is_a_conflict(run: Any, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        old = await cluster.apply(CONFIG_MAPS, config_map(namespace, "a", data={"x": "1"}))
        await cluster.apply(CONFIG_MAPS, config_map(namespace, "a", data={"x": "2"}))
        stale = config_map(namespace, "a", resourceVersion=old["metadata"]["resourceVersion"])
        with pytest.raises(Conflict, match=rf"^apply configmaps {namespace}/a: 409 .*modified") as caught:
            await cluster.apply(CONFIG_MAPS, stale)
        assert caught.value.reason == "Conflict"
        with pytest.raises(Conflict):
            await cluster.apply(CONFIG_MAPS, config_map(namespace, "new", uid=old["metadata"]["uid"]))

    run(scenario)


def test_apply_without_force_respects_other_managers(
    run: Any, local_cluster: LocalCluster, namespace: str
) -> None:
    async def scenario(cluster: Cluster) -> None:
        local_cluster.kubectl("-n", namespace, "create", "configmap", "a", "--from-literal=x=theirs")
        with pytest.raises(Conflict, match="kubectl-create"):
            await cluster.apply(CONFIG_MAPS, config_map(namespace, "a", data={"x": "ours"}), force=False)
        forced = await cluster.apply(CONFIG_MAPS, config_map(namespace, "a", data={"x": "ours"}))
        assert forced["data"] == {"x": "ours"}

    run(scenario)


def test_create_twice_is_a_conflict(run: Any, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.create(CONFIG_MAPS, config_map(namespace, "a"))
        with pytest.raises(Conflict) as caught:
            await cluster.create(CONFIG_MAPS, config_map(namespace, "a"))
        assert caught.value.reason == "AlreadyExists"

    run(scenario)


def test_delete_takes_the_right_object_only(run: Any, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        made = await cluster.create(CONFIG_MAPS, config_map(namespace, "a"))
        with pytest.raises(Conflict, match=rf"^delete configmaps {namespace}/a: 409 .*UID"):
            await cluster.delete(CONFIG_MAPS, "a", namespace, uid="another")
        await cluster.delete(CONFIG_MAPS, "a", namespace, uid=made["metadata"]["uid"])
        assert await cluster.get(CONFIG_MAPS, "a", namespace) is None
        await cluster.delete(CONFIG_MAPS, "a", namespace, uid=made["metadata"]["uid"])

    run(scenario)


def test_status_is_applied_apart(run: Any, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        pod = {"metadata": {"name": "p", "namespace": namespace}, "apiVersion": "v1", "kind": "Pod"}
        spec = {"containers": [{"name": "c", "image": "i"}]}
        await cluster.apply(PODS, {**pod, "spec": spec})
        after = await cluster.apply(PODS, {**pod, "status": {"message": "hello"}}, subresource="status")
        assert after["status"]["message"] == "hello"
        fields = [each for each in after["metadata"]["managedFields"] if each["manager"] == "stowage"]
        owned = [(each["operation"], each.get("subresource")) for each in fields]
        assert owned == [("Apply", None), ("Apply", "status")]

    run(scenario)


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_what_the_server_refuses_is_terminal_and_says_why(run: Any, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        nameless: Body = {"metadata": {"name": "d", "namespace": namespace}, "spec": {"replicas": -1}}
        with pytest.raises(
            Terminal, match=rf"^apply deployments.apps {namespace}/d: 422 .*spec.replicas"
        ) as invalid:
            await cluster.apply(DEPLOYMENTS, {"apiVersion": "apps/v1", "kind": "Deployment", **nameless})
        assert type(invalid.value) is Terminal
        with pytest.raises(Terminal, match=": 413 "):
            await cluster.apply(CONFIG_MAPS, config_map(namespace, "big", data={"x": "x" * 4_000_000}))
        with pytest.raises(Terminal, match=": 400 "):
            await cluster.list(PODS, decode=name_of, field_selector="spec.no=1")

    run(scenario)


def test_writing_where_there_is_no_namespace_is_gone(run: Any) -> None:
    async def scenario(cluster: Cluster) -> None:
        with pytest.raises(Gone, match='namespaces "no-such" not found'):
            await cluster.apply(CONFIG_MAPS, config_map("no-such", "a"))
        with pytest.raises(Gone, match=r"^list unknown\.stowage\.dev: 404"):
            await cluster.list(ResourceType("stowage.dev", "v9", "unknown", "Unknown"), decode=name_of)

    run(scenario)


def test_forbidden_names_verb_and_resource(
    kubeconfig_with: Callable[..., Path], service_account: str, namespace: str
) -> None:
    async def scenario() -> None:
        kubeconfig = kubeconfig_with(user={"token": service_account})
        async with KubernetesCluster.connect(kubeconfig=kubeconfig) as cluster:
            with pytest.raises(Forbidden, match=r"^list deployments.apps: 403 .*powerless.* cannot list"):
                await cluster.list(DEPLOYMENTS, decode=name_of)
            with pytest.raises(Forbidden, match=rf"^apply configmaps {namespace}/a: 403 .* cannot patch"):
                await cluster.apply(CONFIG_MAPS, config_map(namespace, "a"))
            with pytest.raises(Forbidden, match=r"^watch nodes: 403 "):
                await take(cluster.watch(NODES, resource_version="1"), 1)

    asyncio.run(scenario())


def test_no_server_at_all_is_retry(kubeconfig_with: Callable[..., Path]) -> None:
    async def scenario() -> None:
        kubeconfig = kubeconfig_with(server=f"https://127.0.0.1:{free_ports(1)[0]}")
        connecting = KubernetesCluster.connect(kubeconfig=kubeconfig, read_delays=(0.01, 0.01))
        async with connecting as cluster:
            for attempt in (
                cluster.get(NODES, "n"),
                cluster.apply(CONFIG_MAPS, config_map("default", "a")),
                take(cluster.watch(NODES, resource_version="1"), 1),
            ):
                with pytest.raises(Retry, match=r"127\.0\.0\.1") as caught:
                    await attempt
                assert type(caught.value) is Retry

    asyncio.run(scenario())


@asynccontextmanager
async def deaf_server() -> AsyncIterator[tuple[str, list[float]]]:
    """Accepts connections and never answers; yields its address and the times of the connections."""
    times: list[float] = []
    writers: list[asyncio.StreamWriter] = []

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        times.append(asyncio.get_running_loop().time())
        writers.append(writer)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", times
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


def test_reads_are_tried_again_and_writes_are_not(kubeconfig_with: Callable[..., Path]) -> None:
    async def scenario() -> None:
        async with (
            deaf_server() as (address, times),
            KubernetesCluster.connect(
                kubeconfig=kubeconfig_with(server=address, user={}),
                read_delays=(0.01, 0.01, 0.01),
                request_timeout=0.3,
            ) as cluster,
        ):
            with pytest.raises(Retry, match=r"^get nodes n: nothing came for 0\.3 s"):
                await cluster.get(NODES, "n")
            assert len(times) == 4
            for write in (
                cluster.apply(CONFIG_MAPS, config_map("default", "a")),
                cluster.create(CONFIG_MAPS, config_map("default", "a")),
                cluster.delete(CONFIG_MAPS, "a", "default", uid="u"),
            ):
                times.clear()
                with pytest.raises(Retry):
                    await write
                assert len(times) == 1

    asyncio.run(scenario())


def test_the_gate_is_asked_before_each_write_and_no_read(run: Any, local_cluster: LocalCluster) -> None:
    class TooLate(Exception):
        pass

    def gate() -> None:
        raise TooLate

    async def scenario(cluster: Cluster) -> None:
        cluster.before_write = gate
        log = AuditLog(local_cluster.audit_log)
        log.mark()
        for write in (
            cluster.apply(CONFIG_MAPS, config_map("default", "gated")),
            cluster.create(CONFIG_MAPS, config_map("default", "gated")),
            cluster.delete(NODES, "gated", uid="u"),
        ):
            with pytest.raises(TooLate):
                await write
        assert await cluster.get(NAMESPACES, "default") is not None
        assert [each for each in log.writes() if each.name == "gated"] == []

    run(scenario)


def test_a_write_that_waited_too_long_for_its_connection_sends_nothing(
    run: Any, local_cluster: LocalCluster
) -> None:
    asked = []

    def gate() -> None:
        asked.append(1)
        if len(asked) % 2 == 0:
            raise NotLeading("the second time: the bytes would go now")

    async def scenario(cluster: Cluster) -> None:
        cluster.before_write = gate
        log = AuditLog(local_cluster.audit_log)
        log.mark()
        for write in (
            cluster.apply(CONFIG_MAPS, config_map("default", "late")),
            cluster.create(CONFIG_MAPS, config_map("default", "late")),
            cluster.delete(NODES, "late", uid="u"),
        ):
            with pytest.raises(NotLeading, match="the second time"):
                await write
        assert len(asked) == 6
        assert await cluster.get(NAMESPACES, "default") is not None
        assert [each for each in log.requests() if each.name == "late" or each.code == 400] == []

    run(scenario)


def test_writes_are_told_with_their_result(run: Any, namespace: str) -> None:
    told: list[tuple[str, str, str]] = []

    async def scenario(cluster: Any) -> None:
        cluster.after_write = lambda *what: told.append(what)
        await cluster.apply(CONFIG_MAPS, config_map(namespace, "a"))
        with pytest.raises(Conflict):
            await cluster.create(CONFIG_MAPS, config_map(namespace, "a"))
        await cluster.delete(CONFIG_MAPS, "nothing", namespace, uid="u")

    run(scenario)
    assert told == [
        ("apply", "configmaps", "ok"),
        ("create", "configmaps", "409"),
        ("delete", "configmaps", "404"),
    ]


def test_the_audit_log_shows_who_we_are(run: Any, local_cluster: LocalCluster, namespace: str) -> None:
    log = AuditLog(local_cluster.audit_log)
    log.mark()

    async def scenario(cluster: Cluster) -> None:
        await cluster.apply(CONFIG_MAPS, config_map(namespace, "a"))

    run(scenario)
    (write,) = [each for each in log.writes() if each.namespace == namespace and each.name == "a"]
    assert (write.user_agent, write.verb) == ("stowage/0.1.0", "patch")

"""Plays the controller manager, the scheduler and the kubelets for the operator's Deployments.

The real ones need some thirty requests for each Deployment until it is available; on two cores they take most
of the machine, and what would be measured is they. Here it is three: a pod that is bound from the start, its
status, the Deployment's status. Run as ``python -m bench.live.kubelets READY_SECONDS GC_SECONDS``; ends on
SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from bench.live.client import Client, Object
from bench.live.machines import Machines
from bench.live.podwork import deployment_status, pod, ready, unschedulable
from stowage.control.projections import pod_requests
from stowage.render.names import SELECTOR

Take = Callable[[str, Object], None]
AGENT = "stowage-bench-kubelets"
WORKERS = 16
RETRY_SECONDS = 1.0
"""Between two looks at pods that found no node."""


@dataclass
class Pod:
    """One that was made."""

    name: str
    node: str
    template: str
    ready: bool = False


@dataclass
class Kept:
    """A Deployment and its pods."""

    body: Object
    pods: dict[str, Pod] = field(default_factory=dict)
    made: int = 0
    gone: bool = False


class Kubelets:
    """Follows Deployments and nodes, and does what each needs, one at a time for each Deployment."""

    def __init__(self, client: Client, ready_seconds: float, gc_seconds: float) -> None:
        self._client = client
        self._ready_seconds, self._gc_seconds = ready_seconds, gc_seconds
        self._machines = Machines()
        self._kept: dict[str, Kept] = {}
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: set[str] = set()
        self._busy: set[str] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._gone: set[str] = set()
        self._lost: dict[str, set[str]] = defaultdict(set)

    async def run(self) -> None:
        """Runs until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._follow("/api/v1/nodes", self._node))
            group.create_task(
                self._follow(f"/apis/apps/v1/deployments?labelSelector={SELECTOR}", self._deployment)
            )
            group.create_task(self._retry())
            for _ in range(WORKERS):
                group.create_task(self._work())

    async def _follow(self, path: str, take: Take) -> None:
        while True:
            try:
                listed = await self._client.send("GET", path)
                for item in listed["items"]:
                    take("ADDED", item)
                async for event in self._client.watch(path, listed["metadata"]["resourceVersion"]):
                    if event["type"] == "ERROR":
                        break
                    if event["type"] != "BOOKMARK":
                        take(event["type"], event["object"])
            except (aiohttp.ClientError, TimeoutError) as error:
                _tell(error)
                await asyncio.sleep(RETRY_SECONDS)

    def _node(self, event: str, body: Object) -> None:
        name = body["metadata"]["name"]
        if event != "DELETED":
            self._machines.put(body)
            return
        self._machines.remove(name)
        if not self._gone:
            asyncio.get_running_loop().call_later(self._gc_seconds, self._collect)
        self._gone.add(name)

    def _collect(self) -> None:
        """Nodes have been gone for long enough: their pods are deleted, as by the pod garbage collector."""
        for key, kept in self._kept.items():
            if lost := {p.node for p in kept.pods.values()} & self._gone:
                self._lost[key] |= lost
                self._look(key)
        self._gone.clear()

    def _deployment(self, event: str, body: Object) -> None:
        key = f"{body['metadata']['namespace']}/{body['metadata']['name']}"
        kept = self._kept.setdefault(key, Kept(body))
        same = body["metadata"]["generation"] == kept.body["metadata"]["generation"]
        kept.body, kept.gone = body, event == "DELETED"
        if event != "MODIFIED" or not same:
            self._look(key)

    def _look(self, key: str) -> None:
        if key not in self._waiting:
            self._waiting.add(key)
            self._queue.put_nowait(key)

    async def _retry(self) -> None:
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            for key, kept in self._kept.items():
                if any(not p.node for p in kept.pods.values()):
                    self._look(key)

    async def _work(self) -> None:
        while True:
            key = await self._queue.get()
            self._waiting.discard(key)
            if key in self._busy:
                asyncio.get_running_loop().call_later(0.05, self._look, key)
                continue
            self._busy.add(key)
            try:
                await self._settle(key)
            except (aiohttp.ClientError, TimeoutError) as error:
                _tell(error)
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._look, key)
            finally:
                self._busy.discard(key)

    async def _settle(self, key: str) -> None:
        """Makes the pods of a Deployment what they should be, and says so in its status."""
        kept = self._kept.get(key)
        if kept is None:
            return
        template = str(hash(str(kept.body["spec"]["template"])))
        wanted = 0 if kept.gone else int(kept.body["spec"].get("replicas", 1))
        lost = self._lost.pop(key, set())
        old = [p for p in kept.pods.values() if p.template != template or p.node in lost]
        fresh = [p for p in kept.pods.values() if p not in old]
        for each in [*old, *fresh[wanted:]]:
            await self._delete(kept, each)
        for each in [p for p in fresh[:wanted] if not p.node]:
            await self._bind(kept, each)
        for _ in range(wanted - len(fresh)):
            await self._create(kept, template)
        if kept.gone:
            self._kept.pop(key, None)
        elif any(p.node and not p.ready for p in kept.pods.values()):
            await self._say(kept)
            asyncio.get_running_loop().call_later(self._ready_seconds, self._start, key)
        else:
            await self._say(kept)

    def _start(self, key: str) -> None:
        task = asyncio.create_task(self._make_ready(key))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)

    async def _make_ready(self, key: str) -> None:
        kept = self._kept.get(key)
        if kept is None or kept.gone:
            return
        try:
            for each in [p for p in kept.pods.values() if p.node and not p.ready]:
                path = f"{_pods(kept.body)}/{each.name}/status"
                await self._client.forgiving("PATCH", path, {"status": ready(kept.body)})
                each.ready = True
            await self._say(kept)
        except (aiohttp.ClientError, TimeoutError) as error:
            _tell(error)
            self._look(key)

    async def _create(self, kept: Kept, template: str) -> None:
        kept.made += 1
        name = f"{kept.body['metadata']['name']}-{kept.made:05}"
        node = self._machines.take(kept.body["spec"]["template"]["spec"], self._needs(kept))
        try:
            await self._client.send("POST", _pods(kept.body), pod(kept.body, name, node))
        except BaseException:
            self._machines.give_back(node, self._needs(kept))
            raise
        kept.pods[name] = Pod(name, node, template)
        if not node:
            await self._client.patch(f"{_pods(kept.body)}/{name}/status", {"status": unschedulable()})

    async def _bind(self, kept: Kept, one: Pod) -> None:
        node = self._machines.take(kept.body["spec"]["template"]["spec"], self._needs(kept))
        if node:
            one.node = node
            target = {"apiVersion": "v1", "kind": "Node", "name": node}
            binding = {
                "apiVersion": "v1",
                "kind": "Binding",
                "metadata": {"name": one.name},
                "target": target,
            }
            await self._client.send("POST", f"{_pods(kept.body)}/{one.name}/binding", binding)

    async def _delete(self, kept: Kept, one: Pod) -> None:
        kept.pods.pop(one.name, None)
        self._machines.give_back(one.node, self._needs(kept))
        await self._client.forgiving("DELETE", f"{_pods(kept.body)}/{one.name}", {"gracePeriodSeconds": 0})

    async def _say(self, kept: Kept) -> None:
        metadata = kept.body["metadata"]
        path = f"/apis/apps/v1/namespaces/{metadata['namespace']}/deployments/{metadata['name']}/status"
        now = sum(p.ready for p in kept.pods.values())
        status = deployment_status(kept.body, len(kept.pods), now)
        await self._client.forgiving("PATCH", path, {"status": status})

    def _needs(self, kept: Kept) -> dict[str, int]:
        return pod_requests(kept.body["spec"]["template"]["spec"])


def _tell(error: Exception) -> None:
    print(f"{type(error).__name__}: {error}", flush=True)  # noqa: T201 - into the helper's log


def _pods(owner: Object) -> str:
    return f"/api/v1/namespaces/{owner['metadata']['namespace']}/pods"


async def main(ready_seconds: float, gc_seconds: float) -> None:
    """Runs until it is ended."""
    async with Client(Path(os.environ["KUBECONFIG"]), AGENT) as client:
        await Kubelets(client, ready_seconds, gc_seconds).run()


if __name__ == "__main__":
    asyncio.run(main(*(float(each) for each in sys.argv[1:3])))

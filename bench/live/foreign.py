"""Other people's pods: many of them, bound to the nodes, and their coming and going.

They are records in the API and don't run; to the operator that is the same. Run as ``python -m
bench.live.foreign COUNT CHURN SECONDS``: creates so many, or as many as it can in so many seconds and with
the memory that is left, says ``full N``, then replaces CHURN a second; ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from bench.live.client import Client, Object
from bench.live.podwork import ready

AGENT = "stowage-bench-foreign"
NAMESPACES = 20
LEAST_MEMORY = 1536
"""MiB that must stay available on the machine, or no more are created."""
TOLD_EVERY = 10_000
FULL = "full"


def pod(number: int, node: str) -> Object:
    """A small web server or a batch job, as most pods are, with about as much to say of itself."""
    name, tier = f"app-{number % 500:03}", ("web", "batch")[number % 2]
    requests = {"cpu": "50m", "memory": "96Mi"}
    container = {
        "name": "server",
        "image": f"registry.example.com/shop/{name}:1.{number % 40}.0",
        "ports": [{"containerPort": 8080, "name": "http"}],
        "env": [{"name": f"SETTING_{n}", "value": f"value-{n}"} for n in range(6)],
        "resources": {"requests": requests, "limits": {"memory": "256Mi"}},
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
    }
    labels = {"app.kubernetes.io/name": name, "tier": tier, "pod-template-hash": f"{number % 999:08x}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{name}-{number:07}",
            "namespace": f"foreign-{number % NAMESPACES:02}",
            "labels": labels,
        },
        "spec": {"nodeName": node, "containers": [container]},
    }


class Foreign:
    """Creates and replaces them; the oldest go first."""

    def __init__(self, client: Client, nodes: list[str]) -> None:
        self._client, self._nodes = client, nodes
        self._number = 0
        self._there: deque[Object] = deque()

    async def prepare(self) -> None:
        """Their namespaces, in which pods may be made."""
        for number in range(NAMESPACES):
            name = f"foreign-{number:02}"
            await self._client.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
            account = {"metadata": {"name": "default"}}
            await self._client.send("POST", f"/api/v1/namespaces/{name}/serviceaccounts", account)

    async def fill(self, count: int, seconds: float) -> int:
        """Creates so many, or fewer where time or memory don't suffice; returns how many."""
        until = time.monotonic() + seconds

        def wanted() -> Iterator[None]:
            for number in range(count):
                if number % 500 == 0 and (time.monotonic() > until or _available() < LEAST_MEMORY):
                    return
                if number and number % TOLD_EVERY == 0:
                    print(f"{number} of {count}", flush=True)  # noqa: T201 - read by the bench
                yield None

        await self._client.each(wanted(), lambda _: self._create())
        return len(self._there)

    async def churn(self, a_second: float) -> None:
        """Replaces so many a second: one goes, one comes and gets ready."""
        due, tasks = time.monotonic(), set[asyncio.Task[None]]()
        while a_second:
            due += 1 / a_second
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            task = asyncio.create_task(self._replace())
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    async def _create(self) -> Object:
        self._number += 1
        one = pod(self._number, self._nodes[self._number % len(self._nodes)])
        await self._client.send("POST", _path(one), one)
        self._there.append(one)
        return one

    async def _replace(self) -> None:
        gone = self._there.popleft()
        path = f"{_path(gone)}/{gone['metadata']['name']}"
        await self._client.forgiving("DELETE", path, {"gracePeriodSeconds": 0})
        one = await self._create()
        status = ready({"spec": {"template": one}})
        await self._client.forgiving(
            "PATCH", f"{_path(one)}/{one['metadata']['name']}/status", {"status": status}
        )


def _path(one: Object) -> str:
    return f"/api/v1/namespaces/{one['metadata']['namespace']}/pods"


def _available() -> float:
    """MiB of memory that the machine could still give."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) / 1024


async def main(count: int, churn: float, seconds: float) -> None:
    """Runs until it is ended."""
    async with Client(Path(os.environ["KUBECONFIG"]), AGENT) as client:
        listed = await client.send("GET", "/api/v1/nodes?resourceVersion=0")
        made = Foreign(client, [node["metadata"]["name"] for node in listed["items"]])
        await made.prepare()
        there = await made.fill(count, seconds)
        print(f"{FULL} {there}", flush=True)  # noqa: T201 - read by the bench
        await made.churn(churn if there else 0)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))

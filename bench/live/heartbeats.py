"""Plays what kubelets say when nothing happens: a Lease every ten seconds, a status every five minutes.

As kubelets do by default (nodeStatusReportFrequency, and nodeLeaseDurationSeconds / 4). Run as
``python -m bench.live.heartbeats LEASE_SECONDS STATUS_SECONDS``; ends on SIGTERM. Says ``beating`` when every
node has its Lease. Nodes that are deleted fall silent.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import aiohttp

from bench.fleets import SEED
from bench.live.client import IN_FLIGHT, Client
from bench.live.fleet import conditions

AGENT = "stowage-bench-heartbeats"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
BEATING = "beating"
STRATEGIC = "application/strategic-merge-patch+json"
HOLD_SECONDS = 40


class Heartbeats:
    """Of all nodes, each at a moment of its own."""

    def __init__(self, client: Client, names: list[str], lease_seconds: float, status_seconds: float) -> None:
        self._client = client
        self._names = names
        self._random = Random(SEED)
        self._lease_seconds, self._status_seconds = lease_seconds, status_seconds

    async def begin(self) -> None:
        """Gives every node its Lease."""
        await self._client.create(
            LEASES,
            (
                {
                    "apiVersion": "coordination.k8s.io/v1",
                    "kind": "Lease",
                    "metadata": {"name": name},
                    "spec": {
                        "holderIdentity": name,
                        "leaseDurationSeconds": HOLD_SECONDS,
                        "renewTime": _now(),
                    },
                }
                for name in self._names
            ),
        )

    async def run(self) -> None:
        """Runs until cancelled."""
        await asyncio.gather(
            self._round(self._lease_seconds, self._renew), self._round(self._status_seconds, self._report)
        )

    async def _round(self, seconds: float, say: object) -> None:
        """One node after the other, all of them in so many seconds, as evenly as it goes."""
        assert callable(say)
        room = asyncio.Semaphore(IN_FLIGHT)
        order = self._random.sample(self._names, len(self._names))
        due, tasks = time.monotonic(), set[asyncio.Task[None]]()
        while order:
            for name in list(order):
                due += seconds / max(1, len(order))
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                due = max(due, time.monotonic() - 1.0)  # too slow a machine: late, but no crowd afterwards
                await room.acquire()
                task = asyncio.create_task(self._one(say(name), name, order, room))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

    async def _one(self, saying: object, name: str, order: list[str], room: asyncio.Semaphore) -> None:
        try:
            await saying  # type: ignore[misc]
        except aiohttp.ClientResponseError as error:
            if error.status == 404 and name in order:
                order.remove(name)  # the node is gone
        except aiohttp.ClientError as error:
            print(error, flush=True)  # noqa: T201 - into the helper's log
        finally:
            room.release()

    async def _renew(self, name: str) -> None:
        await self._client.patch(f"{LEASES}/{name}", {"spec": {"renewTime": _now()}})

    async def _report(self, name: str) -> None:
        change = {"status": {"conditions": conditions()}}
        await self._client.send("PATCH", f"/api/v1/nodes/{name}/status", change, STRATEGIC)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


async def main(lease_seconds: float, status_seconds: float) -> None:
    """Runs until it is ended."""
    async with Client(Path(os.environ["KUBECONFIG"]), AGENT) as client:
        listed = await client.send("GET", "/api/v1/nodes?resourceVersion=0")
        names = [node["metadata"]["name"] for node in listed["items"]]
        beats = Heartbeats(client, names, lease_seconds, status_seconds)
        await beats.begin()
        print(BEATING, flush=True)  # noqa: T201 - read by the bench
        await beats.run()


if __name__ == "__main__":
    asyncio.run(main(*(float(each) for each in sys.argv[1:3])))

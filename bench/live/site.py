"""A cluster with simulated nodes and whoever is measured, for one scenario."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.live.client import GROUP, Client, Object
from bench.live.process import Usage, usage
from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster
from devcluster.fleet import FLEET_LABEL, NodeGroup, load_fleet
from devcluster.operatorprocess import NAME, OperatorProcess
from devcluster.processes import Lifetime

ROOT = Path(__file__).parents[2]
NAMESPACE = "bench"
COUNT_LABEL = "cloud.google.com/gke-accelerator-count"
PATIENCE_SECONDS = 600.0
POLL_SECONDS = 0.1


@dataclass
class Site:
    """What a scenario works with."""

    cluster: LocalCluster
    client: Client
    operator: OperatorProcess

    def mark(self) -> AuditLog:
        """The audit log from now on."""
        log = AuditLog(self.cluster.audit_log)
        log.mark()
        return log

    def pid(self, name: str = NAME) -> int:
        """The measured process."""
        return next(r.pid for r in self.cluster.processes.alive() if r.name == name)

    def usage(self) -> Usage:
        """What the operator has taken."""
        return usage(self.pid())

    def kill(self) -> None:
        """As a crash does."""
        record = next(r for r in self.cluster.processes.alive() if r.name == NAME)
        record.signal(signal.SIGKILL)
        self.cluster.processes.stop([NAME])

    async def nodes(self, group: str, count: int, devices: int = 8) -> None:
        """Adds nodes like those of a group of the simulated fleet, with so many devices each."""
        await self.client.create("/api/v1/nodes", node_group(group, count, devices).nodes())
        await self.until(lambda: self._nodes_ready(group), lambda ready: ready >= count, "nodes ready")

    async def _nodes_ready(self, group: str) -> int:
        query = f"?labelSelector={FLEET_LABEL}%3D{group}"
        found = await self.client.send("GET", f"/api/v1/nodes{query}")
        return sum(not node["spec"].get("taints") or _ready(node) for node in found["items"])

    async def models(self) -> list[Object]:
        """All InferenceDeployments."""
        found = await self.client.send("GET", f"{GROUP}/inferencedeployments?resourceVersion=0")
        items: list[Object] = found["items"]
        return items

    async def until(
        self, ask: Callable[[], Awaitable[Any]], accept: Callable[[Any], bool], what: str
    ) -> float:
        """Seconds until the answer is accepted. Raises TimeoutError."""
        start = time.monotonic()
        while not accept(found := await ask()):
            if time.monotonic() - start > PATIENCE_SECONDS:
                raise TimeoutError(f"{what}: {found!r} after {PATIENCE_SECONDS:.0f} s")
            await asyncio.sleep(POLL_SECONDS)
        return time.monotonic() - start


def node_group(group: str, count: int, devices: int) -> NodeGroup:
    """Nodes like those of a group of the demo's fleet, but as large as a cloud's largest."""
    template = next(each for each in load_fleet() if each.name == group)
    keys = [k for k in template.allocatable if k not in ("cpu", "memory", "ephemeral-storage")]
    large = {
        "cpu": "200",
        "memory": "1900Gi",
        "ephemeral-storage": "6Ti",
        **dict.fromkeys(keys, str(devices)),
    }
    labels = dict(template.labels)
    if COUNT_LABEL in labels:
        labels[COUNT_LABEL] = str(devices)
    changes = {"count": count, "cordoned": 0, "labels": labels, "capacity": large, "allocatable": large}
    return NodeGroup.model_validate({**template.model_dump(), **changes})


def model(name: str, policy: str = "bench", **spec: Any) -> Object:
    """A model of 8 billion parameters in two precisions; a replica takes one device."""
    variants = [
        {
            "name": n,
            "precision": n,
            "format": "safetensors",
            "uri": f"hf://example/{n}",
            "size": s,
            "quality": q,
        }
        for n, s, q in (("bf16", "15Gi", "1"), ("fp8", "8500Mi", "0.998"))
    ]
    shape = {"layers": 32, "kvHeads": 8, "headDimension": 128, "contextLength": 4096}
    about = {"name": "llama", "task": "text-generation", "parameters": 8030000000, "attention": shape}
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "InferenceDeployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"model": about, "variants": variants, "policy": policy, **spec},
    }


def policy(**spec: Any) -> Object:
    """The policy of all models."""
    tiers = [{"name": "all", "accelerators": {}}]
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": "bench"},
        "spec": {"goal": "Cheapest", "tiers": tiers, **spec},
    }


@asynccontextmanager
async def site(operator: bool = True) -> AsyncIterator[Site]:
    """Boots a cluster with the CRDs, the namespace and the policy; ends and removes it afterwards."""
    with tempfile.TemporaryDirectory(prefix="stowage-bench-") as folder:
        state = Path(folder) / "cluster"
        with LocalCluster(state) as cluster:
            process = OperatorProcess(ROOT, state, cluster.kubeconfig, cluster.processes, Lifetime.EPHEMERAL)
            async with Client(cluster.kubeconfig) as client:
                for path in sorted((ROOT / "crds").glob("*.yaml")):
                    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
                    await client.create(crds, yaml.safe_load_all(path.read_text()))
                await client.send("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
                made = Site(cluster, client, process)
                await made.until(lambda: _served(client), bool, "the kinds")
                await client.send("POST", f"{GROUP}/placementpolicies", policy())
                if operator:
                    await asyncio.to_thread(process.restart)
                yield made


async def _served(client: Client) -> bool:
    try:
        for kind in ("inferencedeployments", "placementpolicies", "acceleratorpools"):
            await client.send("GET", f"{GROUP}/{kind}")
    except Exception:
        return False
    return True


def _ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

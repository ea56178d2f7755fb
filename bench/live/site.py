"""A cluster with simulated nodes and whoever is measured, for one scenario."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bench.live.client import GROUP, Client, Object
from bench.live.following import Following, following
from bench.live.process import Usage, usage, wanted_seconds
from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster
from devcluster.components import API_SERVER, CONTROLLER_MANAGER, KWOK, SCHEDULER
from devcluster.fleet import FLEET_LABEL, NodeGroup, load_fleet
from devcluster.operatorprocess import NAME, OperatorProcess
from devcluster.processes import Command, Lifetime, ProcessRecord, start_process

ROOT = Path(__file__).parents[2]
NAMESPACE = "bench"
COUNT_LABEL = "cloud.google.com/gke-accelerator-count"
PATIENCE_SECONDS = 600.0
POLL_SECONDS = 0.5
QUIET_SHARE = 0.15
"""Of a core: with less the operator has nothing to do but to follow what the nodes say."""


@dataclass
class Site:
    """What a scenario works with."""

    cluster: LocalCluster
    client: Client
    operator: OperatorProcess
    rows: Following
    """What InferenceDeployments say."""
    quiet_seconds: float = 5.0
    """Without work, until the operator counts as done."""
    helpers: list[Helper] = field(default_factory=list)

    def mark(self) -> AuditLog:
        """The audit log from now on."""
        log = AuditLog(self.cluster.audit_log)
        log.mark()
        return log

    def runs(self, name: str = NAME) -> bool:
        """Whether the operator, or another process, is there."""
        return any(r.name == name for r in self.cluster.processes.alive())

    def record(self, name: str = NAME) -> ProcessRecord:
        """The measured process. Raises ProcessLookupError with the end of its log where it has ended."""
        for record in self.cluster.processes.alive():
            if record.name == name:
                return record
        log = self.cluster.state / f"{name}.log"
        said = log.read_text(errors="replace")[-1000:] if log.exists() else "no log"
        raise ProcessLookupError(f"{name} has ended: {said}")

    def pid(self, name: str = NAME) -> int:
        """Its process id. Raises ProcessLookupError as ``record`` does."""
        return self.record(name).pid

    def usage(self, name: str = NAME) -> Usage:
        """What the operator, or another process, has taken."""
        return usage(self.pid(name))

    def server_seconds(self) -> float:
        """CPU time of the API server so far, which on a small machine is what bounds most."""
        return self.usage(API_SERVER).cpu_seconds

    def kill(self, name: str = NAME) -> None:
        """As a crash does. Raises ProcessLookupError where it has ended by itself."""
        self.record(name).signal(signal.SIGKILL)
        self.cluster.processes.stop([name])

    def replica(self, name: str, *arguments: str) -> OperatorProcess:
        """An operator of another name, which isn't started yet; the name is that in the Lease, too."""
        table = self.cluster.processes
        return OperatorProcess(
            ROOT,
            self.cluster.state,
            self.cluster.kubeconfig,
            table,
            Lifetime.EPHEMERAL,
            name=name,
            arguments=arguments,
            environment={"POD_NAME": name},
            patience=PATIENCE_SECONDS,
        )

    def helper(self, module: str, *arguments: str) -> Helper:
        """Starts a program of ``bench.live`` beside; it ends with the site, and ``check_helpers`` tells of
        one that ended before."""
        log = self.cluster.state / f"{module}.log"
        path = os.pathsep.join(str(each) for each in (ROOT, ROOT / "operator", ROOT / "tools"))
        environment = {**os.environ, "KUBECONFIG": str(self.cluster.kubeconfig), "PYTHONPATH": path}
        line = [sys.executable, "-m", f"bench.live.{module}", *arguments]
        command = Command(module, line, log, ROOT, environment)
        made = Helper(log, start_process(command, self.cluster.processes, Lifetime.EPHEMERAL))
        self.helpers.append(made)
        return made

    def check_helpers(self) -> None:
        """Raises RuntimeError where one has ended: what was measured since then was another cluster."""
        for each in self.helpers:
            each.said()

    async def quiet(self, name: str = NAME, patience: float = 120.0) -> float:
        """Waits until the operator has had nothing to do for some seconds; returns how many seconds it was
        at work before that. Gives up after ``patience`` seconds."""
        start = busy = time.monotonic()
        pid, before = self.pid(name), wanted_seconds(self.pid(name))
        while time.monotonic() - busy < self.quiet_seconds and time.monotonic() - start < patience:
            await asyncio.sleep(POLL_SECONDS)
            now = wanted_seconds(pid)
            if now - before > QUIET_SHARE * POLL_SECONDS:
                busy = time.monotonic()
            before = now
        return busy - start

    async def nodes(self, group: str, count: int, devices: int = 8) -> None:
        """Adds nodes like those of a group of the simulated fleet, with so many devices each."""
        await self.client.create("/api/v1/nodes", node_group(group, count, devices).nodes())
        await self.until(lambda: self._nodes_ready(group), lambda ready: ready >= count, "nodes ready")

    async def _nodes_ready(self, group: str) -> int:
        query = f"?labelSelector={FLEET_LABEL}%3D{group}"
        found = await self.client.send("GET", f"/api/v1/nodes{query}")
        return sum(not node["spec"].get("taints") or _ready(node) for node in found["items"])

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


@dataclass(frozen=True)
class Helper:
    """A program of the bench that runs beside, and tells how far it is line by line."""

    log: Path
    record: ProcessRecord

    def said(self) -> list[str]:
        """Its lines so far. Raises RuntimeError where it has ended."""
        text = self.log.read_text()
        if not self.record.is_alive():
            raise RuntimeError(f"{self.log.stem} ended:\n{text[-2000:]}")
        return text.splitlines()


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
async def site(operator: bool = True, lean: bool = False) -> AsyncIterator[Site]:
    """Boots a cluster with the CRDs, the namespace and the policy; ends and removes it afterwards.

    Args:
        operator: start it.
        lean: without controller manager, scheduler and kwok, which for thousands of objects would take more
            of a small machine than what is measured. Whoever needs pods starts ``bench.live.kubelets``.
    """
    with tempfile.TemporaryDirectory(prefix="stowage-bench-") as folder:
        state = Path(folder) / "cluster"
        async with AsyncExitStack() as stack:
            cluster = stack.enter_context(LocalCluster(state))
            client = await stack.enter_async_context(Client(cluster.kubeconfig))
            if lean:
                for component in (KWOK, SCHEDULER, CONTROLLER_MANAGER):
                    cluster.kill(component)
            await _prepare(client, lean)
            rows = await stack.enter_async_context(following(client))
            process = OperatorProcess(
                ROOT,
                state,
                cluster.kubeconfig,
                cluster.processes,
                Lifetime.EPHEMERAL,
                patience=PATIENCE_SECONDS,
            )
            if operator:
                await asyncio.to_thread(process.restart)
            yield Site(cluster, client, process, rows)


async def _prepare(client: Client, lean: bool) -> None:
    for path in sorted((ROOT / "crds").glob("*.yaml")):
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        await client.create(crds, yaml.safe_load_all(path.read_text()))
    await client.send("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    if lean:  # pods are refused until their namespace has this one
        account = {"metadata": {"name": "default"}}
        await client.send("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts", account)
    start = time.monotonic()
    while not await _served(client):
        if time.monotonic() - start > PATIENCE_SECONDS:
            raise TimeoutError("the API server doesn't serve Stowage's kinds")
        await asyncio.sleep(POLL_SECONDS)
    await client.send("POST", f"{GROUP}/placementpolicies", policy())


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

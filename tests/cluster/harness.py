"""The operator as a process, and a stage for each test: a namespace with nodes and a policy of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from devcluster.cluster import LocalCluster
from devcluster.fleet import NodeGroup, apply_fleet, load_fleet, wait_for_nodes
from devcluster.ports import LOOPBACK, free_ports
from devcluster.processes import Command, start_child
from devcluster.reader import Reader, UnreadableError

ROOT = Path(__file__).parents[2]
USER = "system:serviceaccount:stowage-system:stowage-operator"
"""The operator's own identity, as the audit log has it."""
RBAC = Path(__file__).with_name("rbac.yaml")
"""What ``stowage permissions`` prints."""
JUDGED = "judged"
"""A file beside the audit log of each cluster that an operator had its rights in; see test_rights.py."""
TEST_LABEL = "tests.stowage.dev/namespace"
"""On nodes: the test that they belong to."""
WAIT_SECONDS = 60.0
POLL_SECONDS = 0.15

Object = dict[str, Any]
T = TypeVar("T")


def eventually(
    probe: Callable[[], T], accept: Callable[[T], bool] = bool, seconds: float = WAIT_SECONDS
) -> T:
    """Asks until the answer is accepted, and returns it; fails with the last answer."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if accept(answer):
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {seconds:.0f} s; the last answer was {answer!r}")
        time.sleep(POLL_SECONDS)


def kubeconfig_of(cluster: LocalCluster, path: Path, user: Mapping[str, Any]) -> Path:
    """Writes a kubeconfig for another user of the cluster."""
    content = yaml.safe_load(cluster.kubeconfig.read_text())
    content["users"][0]["user"] = dict(user)
    path.write_text(yaml.safe_dump(content))
    return path


def give_rights(cluster: LocalCluster) -> None:
    """Creates the operator's ServiceAccount with what the product's table lets it do, and nothing else."""
    cluster.audit_log.with_name(JUDGED).touch()
    cluster.kubectl("create", "namespace", USER.split(":")[2], check=False)
    cluster.kubectl("apply", "-f", str(RBAC))


class OperatorProcess:
    """``python -m stowage operator run``, with its log."""

    def __init__(self, kubeconfig: Path, log: Path, *arguments: str, **environment: str) -> None:
        self.log = log
        self.port = free_ports(1)[0]
        self.kubeconfig = kubeconfig
        self._arguments = arguments
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> None:
        """Starts it, and waits until it says that it is ready."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.kubeconfig),
            "PYTHONPATH": str(ROOT / "operator"),
            "PYTHONUNBUFFERED": "1",
            **self._environment,
        }
        command = [sys.executable, "-m", "stowage", "operator", "run", "--health-port", str(self.port)]
        # It ends with the test run, even where that is killed.
        self._process = start_child(
            Command("operator", [*command, *self._arguments], self.log, ROOT, environment)
        )
        if ready:
            eventually(self.answers)

    def send(self, number: signal.Signals) -> None:
        """Sends the signal and waits for nothing."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 60.0) -> int:
        """Sends the signal and returns the exit code."""
        self.send(number)
        return self.wait(seconds)

    def wait(self, seconds: float = 60.0) -> int:
        """Waits for its end and returns the exit code; one that doesn't end is killed, and fails the test."""
        assert self._process is not None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise AssertionError(f"still running after {seconds:.0f} s") from None

    def restart(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Ends it and starts it anew."""
        self.stop(number)
        self.start()

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def text(self, offset: int = 0) -> str:
        """What it logged, from a byte on."""
        return self.log.read_bytes()[offset:].decode(errors="replace") if self.log.exists() else ""

    def size(self) -> int:
        """Bytes logged so far."""
        return self.log.stat().st_size if self.log.exists() else 0

    def answers(self) -> bool:
        """Whether it says that it is ready."""
        if not self.running:
            raise AssertionError(f"the operator ended:\n{self.text()}")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(f"http://{LOOPBACK}:{self.port}/readyz", timeout=10) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


class Stage:
    """A namespace of one test, with nodes and a policy that only this test uses."""

    def __init__(self, cluster: LocalCluster, operator: OperatorProcess, namespace: str) -> None:
        self.cluster = cluster
        self.operator = operator
        self.namespace = namespace
        self._reader = Reader(cluster.kubeconfig)

    # --- what users do

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> str:
        """Runs kubectl in the namespace and returns what it printed."""
        done = self.cluster.kubectl("-n", self.namespace, *arguments, input=input, check=check)
        return done.stdout if check else done.stdout + done.stderr

    def apply(self, *objects: Object, server_side: bool = False) -> None:
        """``kubectl apply``; a warning of the API server fails the test."""
        options = ("--server-side", "--field-manager=gitops") if server_side else ()
        content = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        done = self.cluster.kubectl("-n", self.namespace, "apply", *options, "-f", "-", input=content)
        assert "Warning" not in done.stderr, done.stderr

    def patch(self, what: str, change: Object) -> None:
        """``kubectl patch --type merge``."""
        self.kubectl("patch", *what.split("/"), "--type=merge", "-p", json.dumps(change))

    def get(self, *what: str) -> Any:
        """What ``kubectl get -o json`` prints; None for an object that isn't there."""
        with contextlib.suppress(UnreadableError):
            return self._reader.get(self.namespace, *what)
        text = self.kubectl("get", *what, "--ignore-not-found", "-o", "json")
        return json.loads(text) if text else None

    def items(self, *what: str) -> list[Object]:
        """The objects that ``kubectl get`` lists, by name."""
        found = self.get(*what)
        return sorted(found["items"], key=lambda each: str(each["metadata"]["name"])) if found else []

    # --- what there is

    def pool(self, group: str, count: int, name: str = "") -> str:
        """Adds nodes like those of a group of the simulated fleet; returns the pool's name."""
        pool = f"{self.namespace}-{name or group}"
        template = next(each for each in load_fleet() if each.name == group)
        labels = {**template.labels, TEST_LABEL: self.namespace}
        for key in ("cloud.google.com/gke-nodepool", "eks.amazonaws.com/nodegroup", "karpenter.sh/nodepool"):
            labels.pop(key, None)
        labels["cloud.google.com/gke-nodepool"] = pool
        changes = {"name": pool, "count": count, "cordoned": 0, "labels": labels}
        nodes = NodeGroup.model_validate({**template.model_dump(), **changes}).nodes()
        apply_fleet(self.cluster.kubectl, nodes)
        wait_for_nodes(self.cluster.kubectl, nodes)
        return pool

    def policy(self, **spec: Any) -> Object:
        """A policy with one tier, this test's nodes, unless told otherwise."""
        here = {TEST_LABEL: self.namespace}
        tiers = spec.pop("tiers", None) or [{"name": "all", "accelerators": {}}]
        for tier in tiers:
            tier["accelerators"].setdefault("nodeSelector", here)
        return {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": "PlacementPolicy",
            "metadata": {"name": self.namespace, "labels": {TEST_LABEL: self.namespace}},
            "spec": {"tiers": tiers, **spec},
        }

    def workload(self, name: str = "chat", **spec: Any) -> Object:
        """A model of 8 billion parameters; one replica takes one L4, or one A100."""
        return {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": "InferenceDeployment",
            "metadata": {"name": name, "namespace": self.namespace},
            "spec": {
                "model": {
                    "name": "llama-3.1-8b-instruct",
                    "task": "text-generation",
                    "parameters": 8030000000,
                    "attention": {"layers": 32, "kvHeads": 8, "headDimension": 128, "contextLength": 4096},
                },
                "variants": [FP8],
                "policy": self.namespace,
                **spec,
            },
        }

    def infd(self, name: str = "chat") -> Object:
        found = self.get("infd", name)
        assert found is not None
        return dict(found)

    def condition(self, kind: str, name: str = "chat") -> Object:
        """A condition of the present generation; empty before there is one."""
        return condition(self.infd(name), kind)

    def wait_ready(self, *names: str, seconds: float = WAIT_SECONDS) -> None:
        """Waits until the deployments are Ready in their present generation."""
        for name in names or ("chat",):
            self.wait_for("Ready", "Serving", name, seconds)

    def wait_for(self, kind: str, reason: str, name: str = "chat", seconds: float = WAIT_SECONDS) -> Object:
        """Waits until a condition has this reason."""
        return eventually(
            lambda: self.condition(kind, name), lambda found: bool(found.get("reason") == reason), seconds
        )

    def deployments(self, name: str = "chat") -> list[Object]:
        return self.items("deployments", f"--selector=stowage.dev/inference-deployment={name}")

    def pods(self, name: str = "chat") -> list[Object]:
        """Pods that aren't on their way out."""
        found = self.items("pods", f"--selector=stowage.dev/inference-deployment={name}")
        return [each for each in found if "deletionTimestamp" not in each["metadata"]]

    def pod_names(self, name: str = "chat") -> list[str]:
        return [each["metadata"]["name"] for each in self.pods(name)]

    def placement(self, name: str = "chat") -> Object:
        """The one placement of the status."""
        (found,) = self.infd(name)["status"]["placements"]
        return dict(found)

    def close(self) -> None:
        """Removes what the test made; pods and children go with the namespace."""
        selector = f"--selector={TEST_LABEL}={self.namespace}"
        self.kubectl("delete", "namespace", self.namespace, "--wait=false", "--ignore-not-found")
        self.kubectl("delete", "nodes,plp,pv", selector, "--wait=false")


FP8 = {
    "name": "fp8",
    "precision": "fp8",
    "format": "safetensors",
    "uri": "hf://example/llama-fp8",
    "size": "8500Mi",
    "quality": "0.998",
}
BF16 = {
    "name": "bf16",
    "precision": "bf16",
    "format": "safetensors",
    "uri": "hf://example/llama",
    "size": "15Gi",
}


def condition(manifest: Object, kind: str) -> Object:
    """A condition of the present generation; empty before there is one."""
    for each in (manifest.get("status") or {}).get("conditions") or ():
        if each["type"] == kind and each.get("observedGeneration") == manifest["metadata"]["generation"]:
            return dict(each)
    return {}


class PodWatch:
    """Follows ``kubectl get pods --watch``: how many were ready at each moment."""

    def __init__(self, stage: Stage, name: str = "chat") -> None:
        from devcluster.binaries import ensure_binaries

        self._path = stage.cluster.state / f"watch-{stage.namespace}.json"
        selector = f"--selector=stowage.dev/inference-deployment={name}"
        command = [str(ensure_binaries() / "kubectl"), "--kubeconfig", str(stage.cluster.kubeconfig)]
        command += [
            "-n",
            stage.namespace,
            "get",
            "pods",
            selector,
            "--output-watch-events",
            "-w",
            "-o",
            "json",
        ]
        with self._path.open("wb") as file:
            self._process = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL)

    def __enter__(self) -> PodWatch:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(10)

    def ready_counts(self) -> list[int]:
        """The number of ready pods after each event."""
        ready: dict[str, bool] = {}
        counts = []
        for event in self._events():
            pod = event["object"]
            conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", ())}
            here = event["type"] != "DELETED" and "deletionTimestamp" not in pod["metadata"]
            ready[pod["metadata"]["name"]] = here and conditions.get("Ready") == "True"
            counts.append(sum(ready.values()))
        return counts

    def _events(self) -> Iterator[Object]:
        text, decoder = self._path.read_text(), json.JSONDecoder()
        while text := text.lstrip():
            try:
                event, end = decoder.raw_decode(text)
            except json.JSONDecodeError:
                return  # kubectl is writing it at this moment
            yield event
            text = text[end:]

"""A pod in the cluster that asks a model server, as an application does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devcluster.binaries import ensure_binaries
from e2e.clusters import REAL_LABEL, Cluster

DATA = Path(__file__).with_name("data")
NAMESPACE = "e2e-client"
POD = "client"
FOLDER = "/client"
READY_TIMEOUT = "180s"
END_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True)
class Tally:
    """What the client counted."""

    requests: int
    failed: int
    wrong: int
    slowest: float
    """Seconds."""
    errors: tuple[str, ...]
    """The first ones."""

    @classmethod
    def read(cls, line: str) -> Tally:
        """Of the line that data/client.py prints."""
        content = json.loads(line)
        return cls(**{**content, "errors": tuple(content["errors"])})


class Traffic:
    """Requests that go on until the block ends; then `tally` says how they went."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.tally: Tally | None = None

    def end(self) -> None:
        """Tell the client, and read what it counted."""
        try:
            output, errors = self._process.communicate("", timeout=END_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise
        if self._process.returncode != 0:
            raise AssertionError(f"the client ended with {self._process.returncode}: {errors}")
        self.tally = Tally.read(output)


class Client:
    """The client's pod; the samples are those that the trainer printed."""

    def __init__(self, cluster: Cluster, image: str) -> None:
        self._cluster = cluster
        self._image = image

    def start(self, samples: dict[str, Any]) -> None:
        """Create it in a namespace of its own, and wait until it runs."""
        kubectl = self._cluster.kubectl
        kubectl("create", "namespace", NAMESPACE)
        files = {"client.py": (DATA / "client.py").read_text(), "samples.json": json.dumps(samples)}
        manifests = {"apiVersion": "v1", "kind": "List", "items": [_files(files), _pod(self._image)]}
        kubectl("apply", "-f", "-", input=json.dumps(manifests))
        kubectl("-n", NAMESPACE, "wait", "--for=condition=Ready", f"pod/{POD}", f"--timeout={READY_TIMEOUT}")

    def ask(self, address: str) -> Tally:
        """Ask for each sample once. `address` is HOST:PORT."""
        answer = self._cluster.kubectl(*self._command(address, "once"))
        return Tally.read(answer.stdout)

    @contextmanager
    def traffic(self, address: str) -> Iterator[Traffic]:
        """Ask on and on during the block, which begins once requests are under way."""
        program = str(ensure_binaries() / "kubectl")
        command = [program, f"--kubeconfig={self._cluster.kubeconfig}", *self._command(address, "until-told")]
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        traffic = Traffic(process)
        try:
            time.sleep(1)  # kubectl needs so long at most; the requests before and after are counted alike
            yield traffic
        except BaseException:
            process.kill()
            process.communicate()
            raise
        traffic.end()
        print(f"traffic: {traffic.tally}", file=sys.stderr)

    def _command(self, address: str, how: str) -> list[str]:
        script = ["python3", f"{FOLDER}/client.py", address, f"{FOLDER}/samples.json", how]
        return ["-n", NAMESPACE, "exec", "-i", POD, "--", *script]


def _files(content: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": POD, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content}


def _pod(image: str) -> dict[str, Any]:
    container = {
        "name": "client",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", "import signal; signal.sigwait([signal.SIGTERM])"],
        "volumeMounts": [{"name": "files", "mountPath": FOLDER}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "nodeSelector": {REAL_LABEL: "true"},
        "terminationGracePeriodSeconds": 1,
        "containers": [container],
        "volumes": [{"name": "files", "configMap": {"name": POD}}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": NAMESPACE},
        "spec": spec,
    }

"""A pod in the cluster that asks a model server, as an application does."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from devcluster.binaries import ensure_binaries
from e2e.clusters import REAL_LABEL, Cluster

DATA = Path(__file__).with_name("data")
NAMESPACE = "e2e-client"
SAMPLES = "samples"
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
    median: float = field(default=0.0, compare=False)
    """Seconds."""

    @property
    def right(self) -> int:
        """Requests that were answered rightly."""
        return self.requests - self.failed - self.wrong

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
    """The client's pod; the sets of samples are those that a trainer printed."""

    def __init__(self, cluster: Cluster, image: str, pod: str = "client") -> None:
        self._cluster = cluster
        self._image = image
        self._pod = pod

    def start(self, sets: Mapping[str, Any]) -> None:
        """Create it in the clients' namespace, and wait until it runs."""
        kubectl = self._cluster.kubectl
        files = {
            "client.py": (DATA / "client.py").read_text(),
            **{f"{name}.json": json.dumps(each) for name, each in sets.items()},
        }
        items = [_NAMESPACE, _files(self._pod, files), _pod(self._pod, self._image)]
        manifests = {"apiVersion": "v1", "kind": "List", "items": items}
        # On the server's side: kubectl's own way keeps a copy in an annotation, too short for pictures.
        kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifests))
        wait = ("wait", "--for=condition=Ready", f"pod/{self._pod}", f"--timeout={READY_TIMEOUT}")
        kubectl("-n", NAMESPACE, *wait)

    def ask(self, address: str, samples: str = SAMPLES) -> Tally:
        """Ask for each sample of a set once. `address` is HOST:PORT."""
        answer = self._cluster.kubectl(*self._command(address, samples, "once"))
        return Tally.read(answer.stdout)

    @contextmanager
    def traffic(self, address: str, samples: str = SAMPLES, pause: float | None = None) -> Iterator[Traffic]:
        """Ask on and on during the block, which begins once requests are under way.

        `pause` is in seconds, after each request of each of the connections.
        """
        program = str(ensure_binaries() / "kubectl")
        words = self._command(address, samples, "until-told", *([str(pause)] if pause is not None else []))
        command = [program, f"--kubeconfig={self._cluster.kubeconfig}", *words]
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

    def _command(self, address: str, samples: str, *how: str) -> list[str]:
        script = ["python3", f"{FOLDER}/client.py", address, f"{FOLDER}/{samples}.json", *how]
        return ["-n", NAMESPACE, "exec", "-i", self._pod, "--", *script]


_NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}


def _files(name: str, content: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content}


def _pod(name: str, image: str) -> dict[str, Any]:
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
        "volumes": [{"name": "files", "configMap": {"name": name}}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": spec,
    }

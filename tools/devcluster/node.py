"""A real node for a local cluster: containerd, a kubelet and kube-proxy, in a sandbox."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from devcluster import sandbox
from devcluster.archive import write_pause_archive
from devcluster.binaries import ensure_binaries
from devcluster.cgroups import PODS
from devcluster.children import run
from devcluster.cluster import LocalCluster
from devcluster.components import KUBE_PROXY, KUBELET, REAL_NODE, Credentials
from devcluster.errors import StepError, ToolError
from devcluster.nodeconfig import (
    CONTAINERD_SOCKET,
    containerd_config,
    kube_proxy_config,
    kubelet_config,
    network_config,
    write_trust,
)
from devcluster.packages import ensure_packages, find

CONTAINERD = "containerd"
TOOLS = ("containerd", "node", "pause")
"""The Go tools that a node is made of."""

START_TIMEOUT_SECONDS = 180.0
IMPORT_TIMEOUT_SECONDS = 600.0


def prepare() -> None:
    """Install and build what a node needs. In a sandbox there is no network any more to do it."""
    ensure_packages()
    for tool in TOOLS:
        ensure_binaries(tool)


class RealNode:
    """Runs the pods that are bound to it. One for each sandbox; it ends with the cluster's processes,
    and the containers with the sandbox."""

    name = REAL_NODE

    def __init__(self, cluster: LocalCluster, labels: Mapping[str, str] | None = None) -> None:
        self.cluster = cluster
        self.labels = dict(labels or {})
        self._folder = cluster.state / "node"
        self._registries = self._folder / "registries"
        self._containerd = ensure_binaries("containerd")

    def start(self) -> None:
        """Start, and return when the node takes pods. Raises ComponentError with the end of a log."""
        name, credentials = sandbox.inside(), self.cluster.credentials
        if name is None:
            raise ToolError("a real node runs in a sandbox only; see devcluster.sandbox")
        if credentials is None:
            raise StepError("boot the cluster first")
        deadline = time.monotonic() + START_TIMEOUT_SECONDS
        self._folder.mkdir()
        self._start_containerd(deadline)
        self._start_kubelet(credentials, f"/{name}/{PODS}")
        self._start_kube_proxy(credentials)
        self.cluster.wait_for(KUBELET, self._is_ready, deadline)

    def load(self, archive: Path) -> None:
        """Give the node the images of a docker-archive. Pods must not say ``imagePullPolicy: Always``."""
        command = [str(self._containerd / "ctr"), "--address", CONTAINERD_SOCKET, "--namespace", "k8s.io"]
        self._run([*command, "images", "import", "--local", str(archive)])

    def trust(self, registry: str, certificate: str) -> None:
        """Have containerd believe a registry, host:port, by the certificate of its authority."""
        write_trust(self._registries, self._registries, registry, certificate)

    def _start_containerd(self, deadline: float) -> None:
        network = self._folder / "network"
        network.mkdir()
        self._write("network/10-stowage.conflist", network_config())
        shim = self._containerd / "containerd-shim-runc-v2"
        config = self._folder / "containerd.toml"
        config.write_text(containerd_config(shim, find("runc"), network, self._registries))
        self.cluster.launch(CONTAINERD, [str(self._containerd / CONTAINERD), "--config", str(config)])
        self.cluster.wait_for(CONTAINERD, self._containerd_answers, deadline)
        pause = self._folder / "pause.tar"
        write_pause_archive(pause)
        self.load(pause)

    def _start_kubelet(self, credentials: Credentials, cgroup: str) -> None:
        content = kubelet_config(credentials, self.cluster.address, cgroup, self._folder)
        labels = ",".join(f"{key}={value}" for key, value in self.labels.items())
        command = [
            str(ensure_binaries("node") / KUBELET),
            f"--config={self._write('kubelet.yaml', content)}",
            f"--kubeconfig={credentials.kubeconfigs / KUBELET}",
            f"--hostname-override={self.name}",
            f"--node-ip={self.cluster.address}",
            f"--node-labels={labels}",
        ]
        self.cluster.launch(KUBELET, command)

    def _start_kube_proxy(self, credentials: Credentials) -> None:
        content = kube_proxy_config(credentials.kubeconfigs / KUBE_PROXY, self.name)
        command = [
            str(ensure_binaries("node") / KUBE_PROXY),
            f"--config={self._write('proxy.yaml', content)}",
        ]
        self.cluster.launch(KUBE_PROXY, command)

    def _containerd_answers(self) -> bool:
        command = [str(self._containerd / "ctr"), "--address", CONTAINERD_SOCKET, "version"]
        return os.path.exists(CONTAINERD_SOCKET) and run(command, timeout=30).returncode == 0

    def _is_ready(self) -> bool:
        answer = self.cluster.kubectl("get", "node", self.name, "--output=yaml", check=False)
        if answer.returncode != 0:
            return False
        node = yaml.safe_load(answer.stdout)
        conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", [])}
        return conditions.get("Ready") == "True" and not node["spec"].get("taints")

    def _write(self, file: str, content: dict[str, Any]) -> Path:
        path = self._folder / file
        # JSON is YAML too, and the network plugins read nothing else.
        path.write_text(json.dumps(content, indent=1) + "\n")
        return path

    def _run(self, command: list[str]) -> None:
        result = run(command, timeout=IMPORT_TIMEOUT_SECONDS)
        if result.returncode != 0:
            raise StepError(f"{' '.join(command)} failed: {result.stderr.strip() or result.stdout.strip()}")

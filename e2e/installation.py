"""Stowage installed by Helm from the packaged chart, with the image that is built from this tree."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from devcluster.binaries import ensure_binaries
from devcluster.children import run
from devcluster.errors import StepError
from e2e.clusters import REAL_LABEL, Cluster
from helmchart.package import package

RELEASE = "stowage"
NAMESPACE = "stowage-system"
WAIT = "300s"
TIMEOUT_SECONDS = 360.0

VALUES: Mapping[str, Any] = {
    # Simulated nodes would only pretend to run it.
    "nodeSelector": {REAL_LABEL: "true"},
    # As little as it really takes, so that it fits beside the model servers on a small machine.
    "resources": {"requests": {"cpu": "50m", "memory": "192Mi"}, "limits": {"memory": "1Gi"}},
}


class Installation:
    """One Helm release."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self._package: Path | None = None

    def install(self) -> None:
        """Package the chart and install it, as a user does, and wait until both replicas are ready."""
        self._package = package(self._folder)
        self._release("install", "--create-namespace", values=VALUES)

    def upgrade(self, values: Mapping[str, Any]) -> None:
        """Upgrade to the same chart with more values, and wait until the new pods are ready."""
        self._release("upgrade", values={**VALUES, **values})

    def uninstall(self) -> None:
        """Uninstall the release."""
        self._helm("uninstall", RELEASE, "--namespace", NAMESPACE, "--wait", f"--timeout={WAIT}")

    def pods(self) -> list[dict[str, Any]]:
        """The operator's pods that aren't leaving."""
        selector = f"app.kubernetes.io/instance={RELEASE}"
        pods = self._cluster.kubectl.json("-n", NAMESPACE, "get", "pods", "--selector", selector)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def leader(self) -> str:
        """The name of the pod that holds the Lease."""
        leases = self._cluster.kubectl.json("-n", NAMESPACE, "get", "leases")["items"]
        holders = [each["spec"].get("holderIdentity") or "" for each in leases]
        names = [pod["metadata"]["name"] for pod in self.pods()]
        return next((name for name in names if any(holder.startswith(name) for holder in holders)), "")

    def _release(self, verb: str, *options: str, values: Mapping[str, Any]) -> None:
        file = self._folder / "values.yaml"
        file.write_text(yaml.safe_dump(dict(values)))
        fixed = ("--namespace", NAMESPACE, "--values", str(file), "--wait", f"--timeout={WAIT}")
        self._helm(verb, RELEASE, str(self._package), *fixed, *options)

    def _helm(self, *arguments: str) -> str:
        homes = {f"HELM_{name}_HOME": str(self._folder / "helm") for name in ("CACHE", "CONFIG", "DATA")}
        environment = {**os.environ, **homes, "KUBECONFIG": str(self._cluster.kubeconfig)}
        program = ensure_binaries("helm4") / "helm"
        result = run([str(program), *arguments], environment=environment, timeout=TIMEOUT_SECONDS)
        if result.returncode != 0:
            raise StepError(f"helm {' '.join(arguments)} failed: {result.stderr.strip()}")
        return result.stdout

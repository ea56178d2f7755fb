"""A cluster in Docker, made by kind: for machines that have Docker, and for CI."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

from devcluster.binaries import ensure_binaries
from devcluster.children import run
from devcluster.components import DATA, KWOK, kwok_arguments
from devcluster.errors import StepError
from devcluster.interrupts import shielded
from devcluster.nodeconfig import write_trust
from devcluster.processes import Command, Lifetime, ProcessTable, start_process
from e2e.clusters import LOG_LINES, REAL_LABEL, Cluster, ClusterKind

NAME = "stowage-e2e"
WAIT = "300s"
TIMEOUT_SECONDS = 900.0
LOAD_TIMEOUT_SECONDS = 600.0

CERTIFICATES = "/etc/containerd/certs.d"
"""Where kind's nodes have what their containerd believes of registries."""
POLICY = "/etc/kubernetes/stowage-audit-policy.yaml"
AUDIT_FOLDER = "/var/log/stowage-audit"


class Kind(Cluster):
    """A control plane and one worker as containers; kwok runs on this machine and plays the other nodes."""

    kind = ClusterKind.KIND

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self._program = ensure_binaries("kind") / "kind"
        self._audit = state / "audit"
        self.audit_log = self._audit / "audit.log"
        self._processes = ProcessTable(state / "processes.json")

    def start(self) -> None:
        """Replace what an ended run left, create the cluster, and start kwok."""
        self._kind("delete", "cluster")
        shutil.rmtree(self.state, ignore_errors=True)
        self._audit.mkdir(parents=True)
        self._processes.clear()
        config = self.state / "kind.yaml"
        config.write_text(yaml.safe_dump(cluster_config(self._audit)))
        self._kind("create", "cluster", f"--config={config}", f"--wait={WAIT}")
        # Written by root in the node, and root's alone: whoever runs the tests here is often not root.
        readable = ["docker", "exec", f"{NAME}-control-plane", "chmod", "-R", "a+rX", AUDIT_FOLDER]
        if (result := run(readable, timeout=LOAD_TIMEOUT_SECONDS)).returncode != 0:
            raise StepError(f"{' '.join(readable)} failed: {result.stderr.strip()}")
        command = [str(ensure_binaries() / KWOK), *kwok_arguments(self.kubeconfig)]
        log = self.state / f"{KWOK}.log"
        start_process(Command(KWOK, command, log, self.state), self._processes, Lifetime.EPHEMERAL)

    def load(self, archive: Path) -> None:
        """Give it to the worker's containerd."""
        self._checked("load", "image-archive", str(archive), "--name", NAME, timeout=LOAD_TIMEOUT_SECONDS)

    def trust(self, registry: str, certificate: str) -> None:
        """Copy it to where kind's containerd reads it."""
        hosts = self.state / "certs.d"
        write_trust(hosts, CERTIFICATES, registry, certificate)
        command = ["docker", "cp", f"{hosts}/.", f"{NAME}-worker:{CERTIFICATES}"]
        making = ["docker", "exec", f"{NAME}-worker", "mkdir", "-p", CERTIFICATES]
        for each in (making, command):
            if (result := run(each, timeout=LOAD_TIMEOUT_SECONDS)).returncode != 0:
                raise StepError(f"{' '.join(each)} failed: {result.stderr.strip()}")

    def stop(self) -> None:
        """End kwok, and delete the cluster."""
        with shielded():
            self._processes.stop()
            self._kind("delete", "cluster")

    def logs(self) -> str:
        """Of kwok, and what kind says of its nodes."""
        log = self.state / f"{KWOK}.log"
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:] if log.exists() else []
        return "\n".join([f"--- {KWOK}", *lines])

    def _kind(self, *arguments: str) -> None:
        self._checked(*arguments, "--name", NAME, "--kubeconfig", str(self.kubeconfig))

    def _checked(self, *arguments: str, timeout: float = TIMEOUT_SECONDS) -> None:
        result = run([str(self._program), *arguments], timeout=timeout)
        if result.returncode != 0:
            raise StepError(f"kind {' '.join(arguments)} failed: {result.stderr.strip()}")


def cluster_config(audit: Path) -> dict[str, Any]:
    """Return kind's configuration: a labelled worker, and an API server that writes its audit log to `audit`.

    The arguments are a list since version v1beta4 of kubeadm's configuration (Kubernetes 1.36); a patch
    replaces the list, and kind's own entry of it, which enables no API beyond the usual, is not missed.
    """
    arguments = {
        "audit-policy-file": POLICY,
        "audit-log-path": f"{AUDIT_FOLDER}/audit.log",
        "audit-log-maxsize": "100000",
    }
    volumes = [
        {
            "name": "audit-policy",
            "hostPath": POLICY,
            "mountPath": POLICY,
            "readOnly": True,
            "pathType": "File",
        },
        {
            "name": "audit-log",
            "hostPath": AUDIT_FOLDER,
            "mountPath": AUDIT_FOLDER,
            "readOnly": False,
            "pathType": "DirectoryOrCreate",
        },
    ]
    patch = {
        "kind": "ClusterConfiguration",
        "apiServer": {
            "extraArgs": [{"name": name, "value": value} for name, value in arguments.items()],
            "extraVolumes": volumes,
        },
    }
    mounts = [
        {"hostPath": str(DATA / "audit-policy.yaml"), "containerPath": POLICY, "readOnly": True},
        {"hostPath": str(audit), "containerPath": AUDIT_FOLDER},
    ]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "nodes": [
            {"role": "control-plane", "kubeadmConfigPatches": [yaml.safe_dump(patch)], "extraMounts": mounts},
            {"role": "worker", "labels": {REAL_LABEL: "true"}},
        ],
    }

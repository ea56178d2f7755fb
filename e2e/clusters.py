"""The clusters that the suite can run on. Only what is here differs between them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from pathlib import Path

from devcluster.cluster import LocalCluster
from devcluster.kubectl import Kubectl
from devcluster.node import CONTAINERD, RealNode
from devcluster.sandbox import NODE_ADDRESS

REAL_LABEL = "e2e.stowage.dev/real"
"""On the node that runs pods for real; its value is ``true``. Simulated ones lack it."""

LOG_LINES = 60


class ClusterKind(StrEnum):
    """Which cluster."""

    LOCAL = "local"
    KIND = "kind"


class Cluster(ABC):
    """A cluster with a real node that is labelled, and a kwok that plays the nodes with its annotation."""

    kind: ClusterKind

    def __init__(self, state: Path) -> None:
        self.state = state
        self.kubeconfig = state / "kubeconfig"
        self.kubectl = Kubectl(self.kubeconfig)
        self.audit_log = state / "audit.log"
        """The API server's, one JSON line per request, of the policy in devcluster's data."""

    @abstractmethod
    def start(self) -> None:
        """Boot. Raises DevclusterError."""

    @abstractmethod
    def load(self, archive: Path) -> None:
        """Give the real node the images of a docker-archive."""

    @abstractmethod
    def trust(self, registry: str, certificate: str) -> None:
        """Have the real node's containerd believe a registry, host:port, by its authority's certificate."""

    @abstractmethod
    def stop(self) -> None:
        """End it, and remove what would stay."""

    @abstractmethod
    def logs(self) -> str:
        """The ends of the logs of the cluster's own programs, for a failure's report."""


class Local(Cluster):
    """Our own control plane, and a kubelet with containerd beside it, in a sandbox."""

    kind = ClusterKind.LOCAL

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self._cluster = LocalCluster(state, address=NODE_ADDRESS)
        self._node = RealNode(self._cluster, {REAL_LABEL: "true"})

    def start(self) -> None:
        """Boot the control plane, then the node."""
        self._cluster.start()
        self._node.start()

    def load(self, archive: Path) -> None:
        """Import it into containerd."""
        self._node.load(archive)

    def trust(self, registry: str, certificate: str) -> None:
        """Write what it reads before each pull."""
        self._node.trust(registry, certificate)

    def stop(self) -> None:
        """End the processes; what they leave ends with the sandbox."""
        self._cluster.stop()

    def logs(self) -> str:
        """Of the node's programs and the controller manager."""
        shown = (CONTAINERD, "kubelet", "kube-proxy", "kube-controller-manager")
        parts = [f"--- {each}\n" + "\n".join(self._cluster.log_tail(each, LOG_LINES)) for each in shown]
        return "\n".join(parts)


def make_cluster(kind: ClusterKind, state: Path) -> Cluster:
    """The cluster of a kind; nothing is started yet."""
    if kind is ClusterKind.LOCAL:
        return Local(state)
    from e2e.kind import Kind

    return Kind(state)

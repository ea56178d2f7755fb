"""The three clusters that the demo can use: our own, the current context, or kind."""

from __future__ import annotations

import os
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from devcluster.children import run
from devcluster.cluster import LocalCluster
from devcluster.errors import DevclusterError, StepError, ToolError
from devcluster.fleet import delete_fleet
from devcluster.interrupts import shielded
from devcluster.kubectl import Kubectl, kubectl
from devcluster.processes import Lifetime
from devcluster.state import StateFolder

KIND_CLUSTER = "stowage-demo"
KIND_WAIT = "180s"
DOCKER_TIMEOUT_SECONDS = 20.0


class TargetKind(StrEnum):
    """Which cluster."""

    LOCAL = "local"
    CURRENT = "current"
    KIND = "kind"


class Target(ABC):
    """A cluster to run the demo on."""

    simulated_by_default = True

    def __init__(self, state: StateFolder) -> None:
        self.state = state
        self.kubeconfig = state.kubeconfig

    @property
    @abstractmethod
    def title(self) -> str:
        """What is done to have the cluster, for the step's line."""

    @abstractmethod
    def bring_up(self) -> None:
        """Have the cluster and its kubeconfig, reusing what is there."""

    @abstractmethod
    def after_failure(self) -> None:
        """Undo what this run's ``bring_up`` made beside processes."""

    @abstractmethod
    def dispose(self) -> None:
        """Undo what the demo made beside processes, when it is ended on purpose."""


class LocalTarget(Target):
    """Our own control plane; it lives until ``down``."""

    title = "boot the control plane"

    def bring_up(self) -> None:
        """Boot, unless a cluster of an earlier demo still runs."""
        cluster = LocalCluster(self.state.path, Lifetime.DETACHED)
        if cluster.running():
            cluster.wait_ready()
            print("    it runs already, and is reused", flush=True)
        else:
            cluster.start()

    def after_failure(self) -> None:
        """Do nothing: it is made of processes only."""

    def dispose(self) -> None:
        """Do nothing, likewise."""


class CurrentTarget(Target):
    """The cluster of the user's current context."""

    simulated_by_default = False
    title = "use the current kube context"

    def bring_up(self) -> None:
        """Copy the context into the state folder, so that a later switch doesn't move the demo."""
        self.state.prepare(TargetKind.CURRENT)
        name = kubectl("config", "current-context", kubeconfig=None, check=False)
        if name.returncode != 0:
            raise StepError("there is no current kube context; use --cluster local, which needs none")
        view = kubectl("config", "view", "--minify", "--flatten", "--raw", kubeconfig=None)
        self.state.write_private(self.kubeconfig, view.stdout)
        print(f"    context: {name.stdout.strip()}", flush=True)
        Kubectl(self.kubeconfig)("version", timeout=30)

    def after_failure(self) -> None:
        """Do nothing: simulated nodes may be looked at, and ``down`` removes them."""

    def dispose(self) -> None:
        """Remove our simulated nodes; what the user applied stays."""
        if not self.kubeconfig.exists():
            return
        try:
            delete_fleet(Kubectl(self.kubeconfig))
        except (DevclusterError, subprocess.TimeoutExpired) as error:
            print(f"simulated nodes, if any, were left in the cluster: {error}", flush=True)
        print("the CRDs and samples were left in the cluster; to remove them, delete crds/ with kubectl")


class KindTarget(Target):
    """A cluster in Docker, made by kind."""

    title = f"create the kind cluster {KIND_CLUSTER}"

    def __init__(self, state: StateFolder) -> None:
        super().__init__(state)
        self._created = False

    def bring_up(self) -> None:
        """Create the cluster, or use the one of an earlier demo."""
        kind = find_kind(os.environ)
        self.state.prepare(TargetKind.KIND)
        if KIND_CLUSTER in _checked(kind, "get", "clusters").split():
            print("    it is there already, and is reused", flush=True)
            self._kind(kind, "export", "kubeconfig")
            return
        self._created = True
        self._kind(kind, "create", "cluster", "--wait", KIND_WAIT)

    def after_failure(self) -> None:
        """Delete the cluster if this run made it."""
        if self._created:
            self.dispose()

    def dispose(self) -> None:
        """Delete the cluster."""
        with shielded():
            self._kind(find_kind(os.environ), "delete", "cluster")

    def _kind(self, kind: Path, *arguments: str) -> None:
        options = ("--name", KIND_CLUSTER, "--kubeconfig", str(self.kubeconfig))
        _checked(kind, *arguments, *options)


def find_kind(environment: Mapping[str, str]) -> Path:
    """Return where kind is. Raises ToolError when it, or a Docker daemon, is not there."""
    search = environment.get("PATH", "")
    found, docker = shutil.which("kind", path=search), shutil.which("docker", path=search)
    if found is None:
        raise ToolError(
            "kind is not on PATH; install it from https://kind.sigs.k8s.io/, or use --cluster local"
        )
    if docker is None:
        raise ToolError("docker is not on PATH, and kind needs it; install it, or use --cluster local")
    try:
        answer = run([docker, "info"], timeout=DOCKER_TIMEOUT_SECONDS)
    except subprocess.TimeoutExpired:
        raise ToolError("the Docker daemon does not answer; start it, or use --cluster local") from None
    if answer.returncode != 0:
        detail = answer.stderr.strip() or answer.stdout.strip()
        raise ToolError(
            f"no Docker daemon answers, and kind needs one; start it, or use --cluster local\n{detail}"
        )
    return Path(found)


def make_target(kind: TargetKind, state: StateFolder) -> Target:
    """Return the target of this kind."""
    targets: dict[TargetKind, Callable[[StateFolder], Target]] = {
        TargetKind.LOCAL: LocalTarget,
        TargetKind.CURRENT: CurrentTarget,
        TargetKind.KIND: KindTarget,
    }
    return targets[kind](state)


def _checked(program: Path, *arguments: str) -> str:
    result = run([str(program), *arguments])
    if result.returncode != 0:
        raise StepError(f"{program.name} {' '.join(arguments)} failed: {result.stderr.strip()}")
    return result.stdout

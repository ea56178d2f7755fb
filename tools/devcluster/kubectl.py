"""Runs the kubectl that belongs to the cluster's version, never the one on PATH."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from devcluster.binaries import ensure_binaries
from devcluster.children import run
from devcluster.errors import KubectlError

DEFAULT_TIMEOUT_SECONDS = 120.0


def kubectl(
    *arguments: str,
    kubeconfig: Path | None,
    input: str | None = None,
    check: bool = True,
    timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
) -> CompletedProcess[str]:
    """Run kubectl and return its output as text.

    `kubeconfig` None means the user's own current context. Raises KubectlError on a status other
    than zero, unless `check` is False, and subprocess.TimeoutExpired after `timeout` seconds.
    """
    environment = dict(os.environ)
    if kubeconfig is not None:
        environment["KUBECONFIG"] = str(kubeconfig)
        # kubectl caches the API's shape by host and port, and a later cluster may get this port.
        environment["KUBECACHEDIR"] = str(kubeconfig.parent / "kubectl-cache")
    command = [str(ensure_binaries() / "kubectl"), *arguments]
    result = run(command, environment=environment, input=input, timeout=timeout)
    if check and result.returncode != 0:
        raise KubectlError(arguments, result.returncode, result.stderr)
    return result


@dataclass(frozen=True)
class Kubectl:
    """kubectl for one kubeconfig."""

    kubeconfig: Path | None

    def __call__(
        self,
        *arguments: str,
        input: str | None = None,
        check: bool = True,
        timeout: float | None = DEFAULT_TIMEOUT_SECONDS,
    ) -> CompletedProcess[str]:
        """Run kubectl; see the function of the same name."""
        return kubectl(*arguments, kubeconfig=self.kubeconfig, input=input, check=check, timeout=timeout)

    def json(self, *arguments: str, input: str | None = None) -> Any:
        """Run kubectl with ``-o json`` and return what it printed, parsed."""
        return json.loads(self(*arguments, "-o", "json", input=input).stdout)

"""The command line as users have it: a process, what it prints, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "manifests/samples"

Stowage = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def stowage(tmp_path: Path) -> Stowage:
    """Runs ``stowage`` with arguments, without any cluster to talk to."""

    def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "KUBECONFIG": str(tmp_path / "none"), "HOME": str(tmp_path)}
        environment.pop("KUBERNETES_SERVICE_HOST", None)
        command = [sys.executable, "-m", "stowage", *map(str, arguments)]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, env=environment, timeout=60, check=False
        )

    return run


@pytest.fixture(scope="session")
def fleet() -> Path:
    """The demo's fleet, as ``kubectl get nodes -o yaml`` would write it."""
    return ROOT / "docs/examples/fleet.yaml"

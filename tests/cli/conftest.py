"""The command line as users have it: a process, what it prints, how it ends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from devcluster.fleet import load_fleet, nodes_of

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
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo's fleet, as ``kubectl get nodes -o yaml`` would write it."""
    nodes = nodes_of(load_fleet())
    for node in nodes:
        node["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    file = tmp_path_factory.mktemp("fleet") / "fleet.yaml"
    file.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": nodes}))
    return file

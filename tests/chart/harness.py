"""Runs helm, and knows where the chart is."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from devcluster.binaries import ensure_binaries

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts/stowage"
SYSTEM = "stowage-system"
HELMS = ("helm3", "helm4")
KUBERNETES = ("--kube-version", "1.36.0")
"""Without a cluster; a helm that wasn't built by its own Makefile takes it for 1.20 otherwise."""
TIMEOUT_SECONDS = 120

Object = dict[str, Any]


class HelmError(Exception):
    """Helm ended with an error; the text is what it wrote."""


@dataclass(frozen=True)
class Helm:
    """One version of helm, with folders of its own."""

    version: str
    """The name of the tool, such as helm4."""
    folder: Path
    kubeconfig: Path | None = None

    def __call__(self, *arguments: str, check: bool = True) -> str:
        """Run it; returns standard output, raises HelmError with standard error."""
        done = self.run(*arguments)
        if check and done.returncode != 0:
            raise HelmError(done.stderr)
        return done.stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("HELM_")}
        for name in ("CACHE", "CONFIG", "DATA"):
            environment[f"HELM_{name}_HOME"] = str(self.folder / name.lower())
        environment["KUBECONFIG"] = str(self.kubeconfig or os.devnull)
        environment["KUBECACHEDIR"] = str(self.folder / "discovery")
        command = [str(ensure_binaries(self.version) / "helm"), *arguments]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )

    def template(self, values: Mapping[str, Any] | None = None, *options: str, chart: Path = CHART) -> str:
        """The manifests that the chart makes of these values."""
        where = ("stowage", str(chart), "-n", SYSTEM, *KUBERNETES)
        return self("template", *where, *options, *self.values(values or {}))

    def objects(self, values: Mapping[str, Any] | None = None, *options: str) -> list[Object]:
        """The same, parsed."""
        return [each for each in yaml.safe_load_all(self.template(values, *options)) if each]

    def values(self, values: Mapping[str, Any]) -> list[str]:
        """Options that set values, exactly as they are."""
        if not values:
            return []
        path = self.folder / f"values-{abs(hash(repr(values)))}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(dict(values)))
        return ["--values", str(path)]


def by_name(objects: list[Object]) -> dict[tuple[str, str], Object]:
    """Objects by kind and name."""
    return {(each["kind"], each["metadata"]["name"]): each for each in objects}


def leaves(node: Any, path: str = "") -> Iterator[str]:
    """The paths of all keys below a mapping; lists end them."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield f"{path}.{key}"
            yield from leaves(value, f"{path}.{key}")

"""Whatever the values, the manifests are of kinds and fields that the API server knows."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.chart.combinations import SETTINGS, combinations
from tests.chart.harness import Helm
from tests.chart.schemas import LOCATION, write_schemas

from devcluster.binaries import ensure_binaries
from devcluster.cluster import LocalCluster

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="session")
def schemas(
    cluster: LocalCluster, bare_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Of both clusters' kinds: the Prometheus Operator's, and Stowage's from the one that has them."""
    folder = tmp_path_factory.mktemp("schemas")
    for part, local in (("monitoring", bare_cluster), ("stowage", cluster)):
        write_schemas(local, folder / part)
    return folder


def conform(schemas: Path, folder: Path) -> dict[str, Any]:
    """What kubeconform says of the manifests in a folder."""
    command = [str(ensure_binaries("kubeconform") / "kubeconform"), "-strict", "-summary", "-output", "json"]
    for part in ("stowage", "monitoring"):
        command += ["-schema-location", f"{schemas / part}/{LOCATION}"]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    return dict(json.loads(done.stdout))


def test_every_combination_of_values_conforms(helm: Helm, schemas: Path, tmp_path: Path) -> None:
    tried = list(combinations())
    covered = {json.dumps(v) for each in tried for v in each.items()}
    assert {json.dumps(v) for ways in SETTINGS.values() for way in ways for v in way.items()} <= covered
    with ThreadPoolExecutor(2) as pool:
        texts = list(pool.map(helm.template, tried))
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.yaml").write_text(text)
    found = conform(schemas, tmp_path)
    wrong = [each for each in found.get("resources", ()) if each["status"] != "statusValid"]
    assert wrong == []
    summary = found["summary"]
    assert (summary["invalid"], summary["errors"], summary["skipped"]) == (0, 0, 0)
    assert summary["valid"] > 10 * len(tried)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("spec: {replica: 1}", "replica"),
        ("spec: {replicas: many}", "replicas"),
        ("spec: {selector: {matchLabels: []}}", "matchLabels"),
    ],
)
def test_what_doesnt_conform_is_found(schemas: Path, tmp_path: Path, change: str, named: str) -> None:
    (tmp_path / "wrong.yaml").write_text(
        f"apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: a}}\n{change}\n"
    )
    found = conform(schemas, tmp_path)
    assert found["summary"]["invalid"] == 1
    assert named in json.dumps(found["resources"])

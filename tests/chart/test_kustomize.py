"""manifests/base is what the chart makes of its own defaults, but for Helm's labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.harness import ROOT, SYSTEM, Helm, Object

from devcluster.binaries import ensure_binaries
from devcluster.children import run

pytestmark = pytest.mark.cluster  # both programs are built

NAME = "stowage-operator"
OF_HELM = frozenset(
    {
        "app.kubernetes.io/instance",
        "app.kubernetes.io/managed-by",
        "app.kubernetes.io/part-of",
        "app.kubernetes.io/version",
        "helm.sh/chart",
        "helm.sh/resource-policy",
    }
)
Key = tuple[str, str, str]


def plain(node: Any) -> Any:
    """Without Helm's labels and annotations, and without what becomes empty by that."""
    if isinstance(node, dict):
        kept = {key: plain(value) for key, value in node.items() if key not in OF_HELM}
        return {key: value for key, value in kept.items() if key != "annotations" or value}
    return [plain(each) for each in node] if isinstance(node, list) else node


def by_key(objects: list[Object]) -> dict[Key, Object]:
    keys = [(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) for o in objects]
    return dict(zip(keys, map(plain, objects), strict=True))


def kustomize(folder: Path) -> list[Object]:
    done = run([str(ensure_binaries() / "kubectl"), "kustomize", str(folder)])
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def test_the_base_is_the_chart_object_by_object(template: Helm) -> None:
    base = json.dumps(kustomize(ROOT / "manifests" / "base"))
    # In the chart the admission policy, which is the cluster's, has the release's name.
    ours = by_key(json.loads(base.replace('"stowage-tenants"', f'"{NAME}-tenants"')))
    charts = by_key(template.objects({"fullnameOverride": NAME}))
    # Helm makes the namespace itself; and whether the account mounts a token, the pod says on its own.
    assert ours.pop(("Namespace", "", SYSTEM))
    account = ("ServiceAccount", SYSTEM, NAME)
    assert ours.pop(account)["metadata"] == charts.pop(account)["metadata"]
    assert ours == charts

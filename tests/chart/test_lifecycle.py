"""Install, upgrade from an older version, roll back, uninstall and install again, on a real API server.

The older version is this chart with another version number, one value that the operator starts with changed,
and a field of InferenceDeployment taken out of its CustomResourceDefinition. The operator's pods run on
simulated nodes, which say that they are ready; what runs in them is for the end-to-end tests.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.chart.harness import CHART, SYSTEM, Helm, HelmError, Object
from tests.cluster.harness import eventually

from devcluster.cluster import LocalCluster
from helmchart.package import package
from stowage.api.crds import INVENTORY

pytestmark = pytest.mark.cluster

FIELD = "paused"
KINDS = sorted(kind.crd_name for kind in INVENTORY)
CHART_LABEL = "app.kubernetes.io/part-of=stowage"
CRD_LABEL = "app.kubernetes.io/name=stowage,app.kubernetes.io/component=api"
RELEASE = ("stowage", str(CHART), "--namespace", SYSTEM)
WORKLOAD = {
    "apiVersion": "stowage.dev/v1alpha1",
    "kind": "InferenceDeployment",
    "metadata": {"name": "chat", "namespace": "shop"},
    "spec": {
        "model": {"name": "resnet", "task": "image-classification"},
        "variants": [
            {
                "name": "fp32",
                "precision": "fp32",
                "format": "onnx",
                "size": "100Mi",
                "uri": "pvc://models/resnet",
            }
        ],
    },
}


@pytest.fixture
def cluster(bare_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """Without anything of the chart before and after; pods are admitted by the restricted standard only."""
    remove(bare_cluster)
    for name in (SYSTEM, "shop"):
        bare_cluster.kubectl("create", "namespace", name)
    enforce = "pod-security.kubernetes.io/enforce=restricted"
    bare_cluster.kubectl("label", "namespace", SYSTEM, enforce)
    yield bare_cluster
    remove(bare_cluster)


def delete_kinds(cluster: LocalCluster) -> None:
    """The API server finishes a kind's deletion in tries that lie ever further apart, minutes at times."""
    cluster.kubectl("delete", "crd", "-l", CRD_LABEL, "--ignore-not-found", timeout=600)


def remove(cluster: LocalCluster) -> None:
    """Removes all that any test here makes."""
    kubectl = cluster.kubectl
    kubectl("delete", "namespace", SYSTEM, "shop", "second", "--ignore-not-found")
    delete_kinds(cluster)
    kinds = "clusterrole,clusterrolebinding,flowschema,prioritylevelconfiguration"
    kinds += ",validatingadmissionpolicy,validatingadmissionpolicybinding"
    kubectl("delete", kinds, "-l", CHART_LABEL, "--ignore-not-found")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A package of version 0.0.9."""
    folder = tmp_path_factory.mktemp("older")
    chart = folder / "stowage"
    shutil.copytree(CHART, chart)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    about.update(version="0.0.9", appVersion="0.0.9")
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))
    deployment = chart / "templates/deployment.yaml"
    deployment.write_text(deployment.read_text().replace("        - --leader-elect\n", ""))
    path = chart / "templates/crds/stowage.dev_inferencedeployments.yaml"
    path.write_text(without_field(path.read_text()))
    return package(folder, chart)


def without_field(text: str) -> str:
    """The template of a CRD without the field, which is a block of lines that are indented alike."""
    lines, kept = text.splitlines(keepends=True), []
    (start,) = [number for number, line in enumerate(lines) if line.strip() == f"{FIELD}:"]
    indent = len(lines[start]) - len(lines[start].lstrip())
    end = next(n for n in range(start + 1, len(lines)) if len(lines[n]) - len(lines[n].lstrip()) <= indent)
    kept = lines[:start] + lines[end:]
    return "".join(kept)


def get(cluster: LocalCluster, *what: str) -> Any:
    text = cluster.kubectl("get", *what, "--ignore-not-found", "-o", "json").stdout
    return json.loads(text) if text else None


def listed(cluster: LocalCluster, *what: str) -> list[Object]:
    """The objects that ``kubectl get`` lists."""
    return list((get(cluster, *what) or {"items": []})["items"])


def crds(cluster: LocalCluster) -> list[str]:
    return sorted(each["metadata"]["name"] for each in listed(cluster, "crd", "-l", CRD_LABEL))


def wait_served(cluster: LocalCluster) -> None:
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "-l", CRD_LABEL)


def set_field(cluster: LocalCluster) -> str:
    """Sets the new field; returns what kubectl said of it."""
    change = json.dumps({"spec": {FIELD: True}})
    done = cluster.kubectl("-n", "shop", "patch", "infd", "chat", "--type=merge", "-p", change, check=False)
    return done.stdout + done.stderr


def field(cluster: LocalCluster) -> Any:
    return get(cluster, "-n", "shop", "infd", "chat")["spec"].get(FIELD)


def child(cluster: LocalCluster, owner: Object) -> Object:
    """A Deployment as the operator would make one."""
    reference = {key: owner[key] for key in ("apiVersion", "kind")}
    reference |= {key: owner["metadata"][key] for key in ("name", "uid")}
    labels = {"stowage.dev/inference-deployment": "chat"}
    container = {"name": "server", "image": "example/server"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "chat-1", "namespace": "shop", "ownerReferences": [reference]},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def apply(cluster: LocalCluster, body: Object) -> Object:
    text = cluster.kubectl("apply", "-f", "-", "-o", "json", input=json.dumps(body)).stdout
    return dict(json.loads(text))


def test_a_whole_life(installer: Helm, cluster: LocalCluster, older: Path) -> None:
    """Objects and model servers outlive every step, and the kinds are upgraded with the chart."""
    helm, kubectl = installer, cluster.kubectl
    # Install, and wait as helm does: pods that pod security refuses would never be there.
    said = helm("install", "stowage", str(older), "--namespace", SYSTEM, "--wait", "--timeout", "100s")
    assert "rollout status deployment/stowage" in said
    assert crds(cluster) == KINDS
    before = apply(cluster, WORKLOAD)
    server = apply(cluster, child(cluster, before))
    assert FIELD in set_field(cluster) or field(cluster) is None
    assert field(cluster) is None
    before = get(cluster, "-n", "shop", "infd", "chat")  # the first patch has stored the status's defaults

    # Upgrade: the stored object is untouched, and the new field works.
    helm("upgrade", *RELEASE, "--wait", "--timeout", "100s")
    after = get(cluster, "-n", "shop", "infd", "chat")
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    eventually(lambda: (set_field(cluster), field(cluster))[1], lambda found: found is True)
    deployment = get(cluster, "-n", SYSTEM, "deployment", "stowage")
    assert "--leader-elect" in deployment["spec"]["template"]["spec"]["containers"][0]["args"]

    # The same again changes nothing.
    helm("upgrade", *RELEASE)
    again = get(cluster, "-n", SYSTEM, "deployment", "stowage")
    assert again["metadata"]["generation"] == deployment["metadata"]["generation"]

    # Roll back: what is stored stays, though the older kind doesn't show the field.
    helm("rollback", "stowage", "1", "--namespace", SYSTEM, "--wait", "--timeout", "100s")
    rolled = get(cluster, "-n", SYSTEM, "deployment", "stowage")
    assert "--leader-elect" not in rolled["spec"]["template"]["spec"]["containers"][0]["args"]
    eventually(lambda: field(cluster), lambda found: found is None)
    helm("upgrade", *RELEASE)
    eventually(lambda: field(cluster), lambda found: found is True)

    # Uninstall: kinds, objects and what serves stay; roles and the operator go.
    helm("uninstall", "stowage", "--namespace", SYSTEM, "--wait", "--timeout", "100s")
    assert crds(cluster) == KINDS
    assert get(cluster, "-n", "shop", "infd", "chat")["metadata"]["uid"] == before["metadata"]["uid"]
    assert get(cluster, "-n", "shop", "deployment", "chat-1")["metadata"]["uid"] == server["metadata"]["uid"]
    left = "deployment,service,serviceaccount,role,rolebinding,poddisruptionbudget"
    ours = ("-l", CHART_LABEL)
    assert listed(cluster, "-n", SYSTEM, left, *ours) == []
    assert listed(cluster, "clusterrole,clusterrolebinding", *ours) == []

    # Install again: the same release takes its kinds back.
    helm("install", *RELEASE)
    assert field(cluster) is True

    # Asked to, all of it goes.
    helm("uninstall", "stowage", "--namespace", SYSTEM)
    kubectl("delete", "infd", "--all", "--all-namespaces")
    # Kubernetes' garbage collector learns of new kinds every half minute.
    eventually(lambda: get(cluster, "-n", "shop", "deployment", "chat-1"), lambda found: found is None, 120)
    delete_kinds(cluster)
    assert crds(cluster) == []


def test_kinds_that_are_there_already(installer: Helm, cluster: LocalCluster) -> None:
    """Refused by name, unless told to take them over, or to leave them to whoever made them."""
    from tests.conftest import CRDS

    cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
    wait_served(cluster)
    with pytest.raises(
        HelmError, match=r'"[a-z]+\.stowage\.dev" in namespace "" exists and cannot be imported'
    ):
        installer("install", *RELEASE)
    assert get(cluster, "clusterrole", "stowage") is None
    installer("install", *RELEASE, "--set", "crds.install=false")
    installer("uninstall", "stowage", "--namespace", SYSTEM)
    assert crds(cluster) == KINDS
    installer("install", *RELEASE, "--take-ownership", *forced(installer))
    assert crds(cluster) == KINDS


def forced(helm: Helm) -> list[str]:
    """Helm 4 applies on the server, where kubectl's own fields conflict unless told otherwise."""
    return ["--force-conflicts"] if helm.version == "helm4" else []


def test_two_releases_share_a_cluster(installer: Helm, cluster: LocalCluster) -> None:
    """The second one leaves the kinds to the first, and has other names and namespaces."""
    first, second = ("--set", "watchNamespaces={shop}"), ("--set", "watchNamespaces={second}")
    installer("install", *RELEASE, *first)
    cluster.kubectl("create", "namespace", "second")
    other = ("other", str(CHART), "--namespace", "second")
    with pytest.raises(HelmError, match="exists and cannot be imported"):
        installer("install", *other, *second)
    installer("install", *other, *second, "--set", "crds.install=false")
    names = {each["metadata"]["name"] for each in listed(cluster, "clusterrole", "-l", CHART_LABEL)}
    assert {"stowage", "other-stowage"} <= names
    installer("uninstall", "other", "--namespace", "second")
    assert get(cluster, "clusterrole", "stowage") is not None
    assert get(cluster, "clusterrole", "other-stowage") is None


def test_policies_come_with_an_upgrade(installer: Helm, cluster: LocalCluster, tmp_path: Path) -> None:
    """The first install can't have them, and says so before it makes anything."""
    policy = tmp_path / "policy.yaml"
    spec = {"default": True, "goal": "Cheapest", "tiers": [{"name": "any", "accelerators": {}}]}
    policy.write_text(yaml.safe_dump({"policies": {"cheapest": spec}}))
    with pytest.raises(HelmError, match='no matches for kind "PlacementPolicy"'):
        installer("install", *RELEASE, "--values", str(policy))
    assert crds(cluster) == []
    installer("upgrade", "--install", *RELEASE)
    wait_served(cluster)
    installer("upgrade", *RELEASE, "--values", str(policy))
    assert get(cluster, "plp", "cheapest")["spec"]["goal"] == "Cheapest"

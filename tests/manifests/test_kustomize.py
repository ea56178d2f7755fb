"""The kustomize folders: what they render, and that the API server takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.binaries import ensure_binaries
from devcluster.children import run
from devcluster.cluster import LocalCluster
from stowage import __version__
from stowage.cli.permissions import manifests

ROOT = Path(__file__).parents[2]
MANIFESTS = ROOT / "manifests"
FOLDERS = ("base", "overlays/high-availability", "overlays/namespaced")

pytestmark = pytest.mark.cluster  # kubectl is built with the control plane


def render(folder: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What ``kubectl kustomize`` writes, by kind, namespace and name."""
    done = run([str(ensure_binaries() / "kubectl"), "kustomize", str(MANIFESTS / folder)])
    assert done.returncode == 0, done.stderr
    found = list(yaml.safe_load_all(done.stdout))
    keys = [(x["kind"], x["metadata"].get("namespace", ""), x["metadata"]["name"]) for x in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found, strict=True))


def operator(folder: str) -> dict[str, Any]:
    return render(folder)["Deployment", "stowage-system", "stowage-operator"]


def test_the_kinds_are_those_of_the_repository() -> None:
    ours = {path.name: path.read_text() for path in (ROOT / "crds").glob("*.yaml")}
    copies = {p.name: p.read_text() for p in (MANIFESTS / "crds").glob("*.yaml")}
    kustomization = yaml.safe_load(copies.pop("kustomization.yaml"))
    assert copies == ours
    assert sorted(kustomization["resources"]) == sorted(ours)


@pytest.mark.parametrize(
    ("folder", "watched"), [("base", ()), ("overlays/namespaced", ("models",))], ids=["all", "namespaced"]
)
def test_the_rights_are_those_of_the_table(folder: str, watched: tuple[str, ...]) -> None:
    text = manifests("stowage-operator", "stowage-system", watched)
    assert (MANIFESTS / folder / "rbac.yaml").read_text() == text
    wanted = [each["metadata"] for each in yaml.safe_load_all(text)]
    rendered = [each["metadata"] for each in render(folder).values()]
    assert all(metadata in rendered for metadata in wanted)


def test_the_namespaced_one_writes_by_roles_alone_and_serves_what_they_are_for() -> None:
    found = render("overlays/namespaced")
    rules = found["ClusterRole", "", "stowage-operator"]["rules"]
    assert {verb for rule in rules for verb in rule["verbs"]} <= {"get", "list", "watch"}
    assert ("Role", "models", "stowage-operator") in found
    (container,) = operator("overlays/namespaced")["spec"]["template"]["spec"]["containers"]
    assert [a for a in container["args"] if a.startswith("--namespace=")] == ["--namespace=models"]


def test_what_high_availability_adds() -> None:
    spec = operator("overlays/high-availability")["spec"]
    assert spec["replicas"] == 3
    pod = spec["template"]["spec"]
    assert [c["whenUnsatisfiable"] for c in pod["topologySpreadConstraints"]] == [
        "DoNotSchedule",
        "ScheduleAnyway",
    ]
    assert pod["containers"] == operator("base")["spec"]["template"]["spec"]["containers"]


def test_who_asks_of_those_who_write_models() -> None:
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        assert (kind, "", "stowage-tenants") in render("base")
        assert (kind, "", "stowage-tenants") not in render("overlays/namespaced"), (
            "its admins have no such right"
        )


def test_the_image_is_of_this_version() -> None:
    (container,) = operator("base")["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"stowage/operator:{__version__}"


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_api_server_takes_it_and_finds_nothing_to_warn_of(cluster: LocalCluster, folder: str) -> None:
    """Server-side apply without writing; in a namespace that exists, pod security is looked at, too."""
    made = cluster.kubectl("create", "namespace", "stowage-system", check=False)
    models = cluster.kubectl("create", "namespace", "models", check=False)
    cluster.kubectl(
        *("label", "namespace", "stowage-system", "--overwrite"),
        "pod-security.kubernetes.io/enforce=restricted",
        "pod-security.kubernetes.io/warn=restricted",
    )
    try:
        options = ("--server-side", "--force-conflicts", "--field-manager=flux", "--dry-run=server")
        done = cluster.kubectl("apply", *options, "-k", str(MANIFESTS / folder))
        assert "Warning" not in done.stderr, done.stderr
        assert len(done.stdout.splitlines()) == len(render(folder))
    finally:
        label = "pod-security.kubernetes.io"
        cluster.kubectl("label", "namespace", "stowage-system", f"{label}/enforce-", f"{label}/warn-")
        for done, name in ((models, "models"), (made, "stowage-system")):
            if done.returncode == 0:
                cluster.kubectl("delete", "namespace", name, "--wait=true")

"""Who may do what once the chart is installed, and what somebody needs to install it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.chart.harness import CHART, SYSTEM, Helm, HelmError
from tests.chart.test_lifecycle import RELEASE, get, listed, remove, wait_served
from tests.cluster.harness import eventually, kubeconfig_of

from devcluster.cluster import LocalCluster
from stowage.cli.permissions import manifests

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def installed(bare_cluster: LocalCluster, template: Helm) -> Iterator[LocalCluster]:
    """The chart, applied by kubectl on the server, as GitOps does; three people have roles in ``shop``."""
    remove(bare_cluster)
    for name in (SYSTEM, "shop"):
        bare_cluster.kubectl("create", "namespace", name)
    for role in ("view", "edit", "admin"):
        bare_cluster.kubectl(
            "-n", "shop", "create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}"
        )
    readers = {"rbac": {"readers": [{"kind": "User", "name": "reader"}]}}
    manifest = template.template(readers)
    apply = ("apply", "--server-side", "--field-manager=gitops", "-f", "-")
    bare_cluster.kubectl(*apply, input=manifest)
    wait_served(bare_cluster)
    bare_cluster.kubectl(
        "create", "clusterrolebinding", "plat", "--clusterrole=stowage-platform", "--user=platform"
    )
    bare_cluster.kubectl("label", "clusterrolebinding", "plat", "app.kubernetes.io/part-of=stowage")
    yield bare_cluster
    remove(bare_cluster)


def may(cluster: LocalCluster, user: str, verb: str, what: str) -> bool:
    """Whether the user may do it in ``shop``, or with kinds that are in no namespace."""
    resource, _, subresource = what.partition("/")
    where = ("-n", "shop") if resource in ("infd", "secrets") else ("-A",)
    command = ("auth", "can-i", verb, resource, "--subresource", subresource, "--as", user, *where)
    return cluster.kubectl(*command, check=False).stdout.strip() == "yes"


ROWS = [
    # verb, resource, and who may
    ("get", "infd", "view edit admin platform"),
    ("list", "infd", "view edit admin platform"),
    ("watch", "infd", "view edit admin platform"),
    ("create", "infd", "edit admin"),
    ("update", "infd", "edit admin"),
    ("patch", "infd", "edit admin"),
    ("delete", "infd", "edit admin"),
    ("deletecollection", "infd", "edit admin"),
    ("patch", "infd/scale", "edit admin"),
    ("patch", "infd/status", ""),
    ("update", "infd/finalizers", ""),
    ("list", "plp", "platform reader"),
    ("create", "plp", "platform"),
    ("patch", "plp/status", ""),
    ("delete", "accel", "platform"),
    ("get", "infrt", "platform reader"),
    ("update", "apool", "platform"),
    ("get", "secrets", "edit admin"),  # the cluster's own, for comparison: the reader and the platform can't
]


def test_people_may_do_what_their_role_says(installed: LocalCluster) -> None:
    eventually(lambda: may(installed, "admin", "create", "infd"))  # roles are aggregated a moment later
    people = ("view", "edit", "admin", "platform", "reader")
    found = {
        (verb, what): {person for person in people if may(installed, person, verb, what)}
        for verb, what, _ in ROWS
    }
    assert found == {(verb, what): set(who.split()) for verb, what, who in ROWS}


def test_applying_the_same_again_writes_nothing(installed: LocalCluster, template: Helm) -> None:
    manifest = template.template({"rbac": {"readers": [{"kind": "User", "name": "reader"}]}})
    apply = ("apply", "--server-side", "--field-manager=gitops", "-o", "json", "-f", "-")

    def versions() -> dict[str, str]:
        done = json.loads(installed.kubectl(*apply, input=manifest).stdout)
        return {
            f"{o['kind']}/{o['metadata']['name']}": str(
                o["metadata"].get("generation", o["metadata"]["resourceVersion"])
            )
            for o in done["items"]
        }

    assert versions() == versions()


def test_who_may_not_install_is_told_what_is_missing(
    bare_cluster: LocalCluster, helm: Helm, tmp_path: Path
) -> None:
    """With the cluster's part made by somebody else, the right to a namespace is enough."""
    remove(bare_cluster)
    kubectl = bare_cluster.kubectl
    kubectl("create", "namespace", SYSTEM)
    kubectl("-n", SYSTEM, "create", "serviceaccount", "installer")
    account = f"--serviceaccount={SYSTEM}:installer"
    kubectl("-n", SYSTEM, "create", "rolebinding", "installer", "--clusterrole=admin", account)
    token = kubectl("-n", SYSTEM, "create", "token", "installer").stdout.strip()
    config = kubeconfig_of(bare_cluster, tmp_path / "kubeconfig", {"token": token})
    limited = Helm(helm.version, helm.folder, config)

    with pytest.raises(HelmError, match=r"cannot \w+ resource"):
        limited("install", *RELEASE)
    assert listed(bare_cluster, "-n", SYSTEM, "deployment") == []

    kubectl("apply", "-f", "-", input=manifests("stowage", SYSTEM))
    own = {
        "admission": {"enabled": False},
        "crds": {"install": False},
        "rbac": {"create": False, "aggregate": False},
        "serviceAccount": {"create": False, "name": "stowage"},
    }
    limited("uninstall", "stowage", "--namespace", SYSTEM, check=False)
    limited("install", *RELEASE, *limited.values(own))
    deployment = get(bare_cluster, "-n", SYSTEM, "deployment", "stowage")
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "stowage"
    limited("uninstall", "stowage", "--namespace", SYSTEM)
    kubectl("delete", "-f", "-", input=manifests("stowage", SYSTEM))
    remove(bare_cluster)


def test_the_longest_name_is_taken_by_the_server(bare_cluster: LocalCluster, installer: Helm) -> None:
    """Also with every option: what is added to the name still fits."""
    remove(bare_cluster)
    bare_cluster.kubectl("create", "namespace", SYSTEM)
    values = {
        "metrics": {
            "podMonitor": {"enabled": True},
            "serviceMonitor": {"enabled": True},
            "prometheusRule": {"enabled": True},
            "dashboard": {"enabled": True},
        },
        "networkPolicy": {"enabled": True},
        "flowControl": {"enabled": True},
        "rbac": {"readers": [{"kind": "Group", "name": "system:authenticated"}]},
    }
    name = "a" * 53
    installer("install", name, str(CHART), "--namespace", SYSTEM, *installer.values(values))
    made = listed(
        bare_cluster, "-n", SYSTEM, "deployment,service,configmap,podmonitor,prometheusrule,networkpolicy"
    )
    names = {each["metadata"]["name"] for each in made} - {"kube-root-ca.crt"}
    assert names == {"a" * 50, f"{'a' * 50}-metrics", f"{'a' * 50}-dashboard"}
    with pytest.raises(HelmError, match="53"):
        installer("install", f"{name}a", str(CHART), "--namespace", SYSTEM)
    installer("uninstall", name, "--namespace", SYSTEM)
    assert yaml.safe_load(installer("list", "--namespace", SYSTEM, "-o", "yaml")) == []
    remove(bare_cluster)

"""``stowage permissions`` prints the table, as roles that Kubernetes takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stowage.cli.permissions import manifests
from stowage.cluster.permissions import PERMISSIONS, READ_VERBS, Grant, Permission, Scope, grants, permissions

ROOT = Path(__file__).parents[3]


def objects(*watched: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """By kind, namespace and name."""
    found = list(yaml.safe_load_all(manifests("stow", "stowage-system", watched)))
    return {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in found}


def granted(role: dict[str, Any]) -> frozenset[Grant]:
    return frozenset(
        (group, resource.partition("/")[0], resource.partition("/")[2], verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


def test_the_roles_of_the_tests_are_what_the_program_prints() -> None:
    text = (ROOT / "tests/cluster/rbac.yaml").read_text()
    assert text == manifests("stowage-operator", "stowage-system"), "run make generate"


def test_one_cluster_role_and_a_role_for_the_lease() -> None:
    found = objects()
    assert list(found) == [
        ("ServiceAccount", "stowage-system", "stow"),
        ("ClusterRole", "", "stow"),
        ("ClusterRoleBinding", "", "stow"),
        ("Role", "stowage-system", "stow-leader"),
        ("RoleBinding", "stowage-system", "stow-leader"),
    ]
    assert granted(found["ClusterRole", "", "stow"]) == grants(permissions(Scope.CLUSTER, Scope.WORKLOAD))
    assert granted(found["Role", "stowage-system", "stow-leader"]) == grants(permissions(Scope.OWN))


def test_limited_to_namespaces_it_writes_nowhere_else() -> None:
    found = objects("shop", "bank", "shop")
    assert [key[:2] for key in found if key[0] == "Role"] == [
        ("Role", "bank"),
        ("Role", "shop"),
        ("Role", "stowage-system"),
    ]
    assert {verb for *_, verb in granted(found["ClusterRole", "", "stow"])} <= READ_VERBS
    for namespace in ("shop", "bank"):
        assert granted(found["Role", namespace, "stow"]) == grants(permissions(Scope.WORKLOAD))


def test_limited_to_its_own_namespace_no_name_is_taken_twice() -> None:
    assert len(objects("stowage-system")) == 7


def test_every_binding_is_of_a_role_that_is_there_and_of_the_account() -> None:
    found = objects("shop")
    for (kind, namespace, name), binding in found.items():
        if kind.endswith("Binding"):
            assert (binding["roleRef"]["kind"], namespace, binding["roleRef"]["name"]) in found, name
            assert binding["subjects"] == [
                {"kind": "ServiceAccount", "name": "stow", "namespace": "stowage-system"}
            ]


def test_nothing_is_granted_twice_and_nothing_by_a_wildcard() -> None:
    everything = [grant for row in PERMISSIONS for grant in row.grants()]
    assert len(everything) == len(set(everything))
    assert not [grant for grant in everything if "*" in grant]


def test_nothing_is_granted_that_gives_other_rights_away() -> None:
    kinds = {resource for _, resource, _, _ in grants()}
    assert not kinds & {"secrets", "configmaps", "serviceaccounts", "roles", "clusterroles", "rolebindings"}
    writable = {r for g, r, s, v in grants() if v not in READ_VERBS and not s}
    assert writable == {"deployments", "services", "poddisruptionbudgets", "jobs", "events", "leases"}


@pytest.mark.parametrize("row", PERMISSIONS, ids=lambda row: ",".join(row.names))
def test_each_row_is_of_one_group_and_says_why(row: Permission) -> None:
    assert {each.group for each in row.resources} == {row.group}
    assert row.why.endswith(".")
    assert row.why[0].isupper()

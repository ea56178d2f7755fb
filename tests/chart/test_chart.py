"""What is generated is fresh, what is written by hand fits it, and helm's own checks pass."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest
import yaml
from tests.chart.harness import CHART, KUBERNETES, ROOT, Helm, HelmError, by_name, leaves

from devcluster.binaries import ensure_binaries
from helmchart.generated import crd_template, files, readme
from stowage import __version__
from stowage.api.crds import INVENTORY
from stowage.cluster.people import PEOPLE
from stowage.cluster.permissions import Grant, Scope, grants, permissions

built = pytest.mark.cluster
"""Needs programs that are built on first use."""

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
ABOUT = yaml.safe_load((CHART / "Chart.yaml").read_text())


def test_the_generated_files_are_fresh() -> None:
    wanted = files()
    found = {name: (CHART / name).read_text() for name in wanted if (CHART / name).exists()}
    assert found == wanted, "run make generate"
    assert {p.name for p in (CHART / "templates/crds").iterdir()} == {
        name.rpartition("/")[2] for name in wanted if "/crds/" in name
    }


@built
def test_the_readme_is_fresh() -> None:
    assert (CHART / "README.md").read_text() == readme(), "run make generate"


def test_a_crd_that_helm_would_misread_is_refused() -> None:
    with pytest.raises(ValueError, match=r"holds \{\{"):
        crd_template("metadata:\n  name: a\ndescription: '{{'\n")
    with pytest.raises(ValueError, match="doesn't begin with its name"):
        crd_template("metadata:\n  labels: {}\n")


def test_the_versions_are_the_programs() -> None:
    assert (ABOUT["version"], ABOUT["appVersion"]) == (__version__, __version__)
    assert f"image: stowage/operator:{__version__}" in ABOUT["annotations"]["artifacthub.io/images"]


def test_artifact_hub_is_told_of_every_kind() -> None:
    told = yaml.safe_load(ABOUT["annotations"]["artifacthub.io/crds"])
    assert sorted(each["name"] for each in told) == sorted(kind.crd_name for kind in INVENTORY)
    assert sorted(each["kind"] for each in told) == sorted(kind.name for kind in INVENTORY)


def test_the_examples_for_artifact_hub_are_valid() -> None:
    from stowage.api.parse import parse

    for each in yaml.safe_load(ABOUT["annotations"]["artifacthub.io/crdsExamples"]):
        parse(each)


def test_the_schema_knows_every_value_and_no_other() -> None:
    free = {".commonLabels", ".nodeSelector", ".podSecurityContext", ".securityContext", ".resources"}
    free |= {".metrics.dashboard.labels"}
    written = {p for p in leaves(VALUES) if not any(p.startswith(f"{f}.") for f in free)}
    known = {p for p in schema_paths(SCHEMA) if not any(p.startswith(f"{f}.") for f in free)}
    affinities = {f".affinity.{kind}" for kind in ("nodeAffinity", "podAffinity", "podAntiAffinity")}
    assert known - written == {".global", ".enabled"} | affinities
    assert written - known == set()


def test_the_schema_leaves_nothing_open_where_it_lists_properties() -> None:
    listed = [node for node in objects(SCHEMA) if "properties" in node]
    spread = SCHEMA["properties"]["topologySpreadConstraints"]["items"]
    assert [node for node in listed if node.get("additionalProperties") is not False] == [spread]


def schema_paths(node: Any, path: str = "") -> set[str]:
    if "$ref" in node:
        node = SCHEMA["definitions"][node["$ref"].rpartition("/")[2]]
    found = set[str]()
    for key, each in node.get("properties", {}).items():
        found |= {f"{path}.{key}"} | schema_paths(each, f"{path}.{key}")
    return found


def objects(node: Any) -> list[dict[str, Any]]:
    """All schemas in a schema."""
    if isinstance(node, list):
        return [found for each in node for found in objects(each)]
    if not isinstance(node, dict):
        return []
    own = [node] if node.get("type") == "object" else []
    return own + [found for each in node.values() for found in objects(each)]


@built
def test_lint_finds_nothing(helm: Helm) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", *KUBERNETES, str(CHART))


@built
def test_the_units() -> None:
    program = ensure_binaries("helm-unittest") / "helm-unittest"
    done = subprocess.run([str(program), str(CHART)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test Suites: 4 passed, 4 total" in done.stdout


@built
def test_the_operator_gets_what_the_table_says_and_nothing_else(template: Helm) -> None:
    made = by_name(template.objects())
    assert granted(made["ClusterRole", "stowage"]) == grants(permissions(Scope.CLUSTER, Scope.WORKLOAD))
    assert granted(made["Role", "stowage-leader"]) == grants(permissions(Scope.OWN))


@built
def test_limited_to_namespaces_it_gets_the_same_in_two_parts(template: Helm) -> None:
    made = template.objects({"watchNamespaces": ["shop", "bank"]})
    (cluster,) = [o for o in made if o["kind"] == "ClusterRole" and o["metadata"]["name"] == "stowage"]
    assert granted(cluster) == grants(permissions(Scope.CLUSTER, reads_only=True))
    roles = {o["metadata"]["namespace"]: o for o in made if o["kind"] == "Role"}
    assert set(roles) == {"bank", "shop", "stowage-system"}
    assert granted(roles["shop"]) == granted(roles["bank"]) == grants(permissions(Scope.WORKLOAD))


@built
def test_people_get_what_the_table_says(template: Helm) -> None:
    made = by_name(template.objects({"rbac": {"readers": [{"kind": "User", "name": "ann"}]}}))
    for name, rows in PEOPLE.items():
        assert granted(made["ClusterRole", f"stowage-{name}"]) == grants(rows), name


def granted(role: dict[str, Any]) -> frozenset[Grant]:
    return frozenset(
        (group, resource.partition("/")[0], resource.partition("/")[2], verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


@built
def test_the_dashboard_and_the_alerts_arrive_unchanged(template: Helm) -> None:
    on = {"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True}}}
    made = by_name(template.objects(on))
    dashboard = made["ConfigMap", "stowage-dashboard"]["data"]["stowage.json"]
    assert json.loads(dashboard) == json.loads((ROOT / "manifests/monitoring/dashboard.json").read_text())
    alerts = yaml.safe_load((ROOT / "manifests/monitoring/alerts.yaml").read_text())
    assert made["PrometheusRule", "stowage"]["spec"] == alerts["spec"]


@built
def test_every_flag_of_the_operator_is_one_that_it_knows(template: Helm) -> None:
    from typer.main import get_command

    from stowage.cli.main import app

    command = get_command(app).commands["operator"].commands["run"]  # type: ignore[attr-defined]
    known = {flag for parameter in command.params for flag in parameter.opts}
    (container,) = by_name(template.objects({"watchNamespaces": ["shop"]}))["Deployment", "stowage"]["spec"][
        "template"
    ]["spec"]["containers"]
    assert container["args"][:2] == ["operator", "run"]
    assert {argument.partition("=")[0] for argument in container["args"][2:]} - known == set()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a string for a number": ({"replicaCount": "2"}, "replicaCount"),
    "a number for a tag": ({"image": {"tag": 1.2}}, "tag"),
    "a value that doesn't exist": ({"replicas": 2}, "replicas"),
    "one that doesn't exist further down": ({"image": {"name": "x"}}, "name"),
    "a digest that is none": ({"image": {"digest": "sha256:abc"}}, "digest"),
    "an unknown level": ({"log": {"level": "trace"}}, "level"),
    "a port beyond all ports": ({"health": {"port": 65536}}, "port"),
    "a map for a list": ({"watchNamespaces": {"shop": True}}, "watchNamespaces"),
    "a namespace that can't be": ({"watchNamespaces": ["Shop"]}, "watchNamespaces"),
    "a name that can't be": ({"fullnameOverride": "My_Operator"}, "fullnameOverride"),
    "a name that is too long": ({"fullnameOverride": "a" * 51}, "fullnameOverride"),
    "no API server port": ({"networkPolicy": {"apiServerPorts": []}}, "apiServerPorts"),
    "null for an object": ({"extraArgs": [None]}, "extraArgs"),
    "a policy without tiers": ({"policies": {"a": {}}}, "tiers"),
    "an environment that is a map": ({"env": {"A": "b"}}, "env"),
}


@built
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_refused_by_name(template: Helm, case: str) -> None:
    values, named = WRONG[case]
    with pytest.raises(HelmError, match="(?s)schema.*" + named):
        template.template(values)


@built
def test_it_can_be_a_part_of_another_chart(template: Helm) -> None:
    template.template({"global": {"imageRegistry": "x"}, "enabled": True})

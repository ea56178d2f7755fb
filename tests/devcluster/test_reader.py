"""What is read without kubectl is what kubectl prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from devcluster.cluster import LocalCluster
from devcluster.fleet import apply_fleet, load_fleet, nodes_of
from devcluster.kubectl import Kubectl
from devcluster.ports import LOOPBACK, free_ports
from devcluster.reader import Reader, UnreadableError

pytestmark = pytest.mark.cluster

QUESTIONS = [
    ("nodes",),
    ("no", "cpu-amx-1"),
    ("node/cpu-amx-1",),
    ("nodes", "--selector=cloud.google.com/gke-nodepool=cpu-amx"),
    ("nodes", "-l=kubernetes.io/os in (linux),!nothing"),
    ("nodes", "--selector=a=b"),
    ("node", "nowhere"),
    ("cm,sa",),
    ("configmaps",),
    ("secrets,jobs",),
    ("deployments.apps",),
    ("crd",),
    ("leases.coordination.k8s.io",),
    ("ns/default",),
]


@pytest.mark.parametrize("question", QUESTIONS, ids=" ".join)
def test_it_reads_what_kubectl_prints(booted: LocalCluster, question: tuple[str, ...]) -> None:
    nodes = nodes_of([each for each in load_fleet() if each.name == "cpu-amx"])
    apply_fleet(booted.kubectl, nodes)

    def both() -> tuple[object, object]:
        text = booted.kubectl("get", *question, "--ignore-not-found", "-o", "json").stdout
        printed = json.loads(text) if text else None
        if printed and printed["kind"] == "List":
            del printed["metadata"]  # of the list, with nothing in it
        return Reader(booted.kubeconfig).get("default", *question), printed

    # Kubelets and controllers write meanwhile: once in some tries nothing comes between.
    tries = [both() for _ in range(3)]
    assert any(found == printed for found, printed in tries), tries[-1]


@pytest.mark.parametrize(
    "question",
    [
        ("nosuchkinds",),
        ("pods", "--show-managed-fields"),
        ("pods", "one", "two"),
        ("pods/one", "two"),
        ("pods/one", "--selector=a=b"),
        ("pods,nodes/one",),
    ],
    ids=" ".join,
)
def test_what_it_doesnt_understand_is_for_kubectl(booted: LocalCluster, question: tuple[str, ...]) -> None:
    with pytest.raises(UnreadableError):
        Reader(booted.kubeconfig).get("default", *question)


def test_a_kind_that_comes_later_is_found(booted: LocalCluster) -> None:
    reader = Reader(booted.kubeconfig)
    reader.get("default", "pods")
    names = {"plural": "laters", "singular": "later", "kind": "Later", "shortNames": ["lt"]}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "laters.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": names,
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    booted.kubectl("apply", "-f", "-", input=json.dumps(definition))
    booted.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/laters.example.com")
    later = {"apiVersion": "example.com/v1", "kind": "Later", "metadata": {"name": "one"}}
    Kubectl(booted.kubeconfig)("apply", "-f", "-", input=json.dumps(later))
    found = reader.get("default", "lt", "one")
    assert (found["kind"], found["metadata"]["name"]) == ("Later", "one")


def test_nobody_answers(booted: LocalCluster, tmp_path: Path) -> None:
    server = booted.kubectl("config", "view", "-o", "jsonpath={.clusters[0].cluster.server}").stdout
    elsewhere = tmp_path / "kubeconfig"
    (port,) = free_ports(1)
    elsewhere.write_text(booted.kubeconfig.read_text().replace(server, f"https://{LOOPBACK}:{port}"))
    with pytest.raises(UnreadableError):
        Reader(elsewhere).get("default", "pods")

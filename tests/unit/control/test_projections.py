"""What is kept of pods and nodes, and what pods take from their nodes."""

from __future__ import annotations

from typing import Any

import pytest

from stowage.cluster.ports import Body
from stowage.control.projections import PodUse, pod_requests, project_child, project_node, project_pod
from stowage.control.usage import Usage

GIB = 1024**3


def container(restart: str = "", **requests: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": "c", "resources": {"requests": requests}}
    return {**found, "restartPolicy": restart} if restart else found


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"containers": [{"name": "c"}]}, {}, id="nothing asked"),
        pytest.param(
            {"containers": [container(cpu="1", memory="1Gi"), container(cpu="500m")]},
            {"cpu": 1500, "memory": GIB},
            id="containers add up",
        ),
        pytest.param(
            {"containers": [{"resources": {"limits": {"cpu": "2", "nvidia.com/gpu": "1"}}}]},
            {"cpu": 2000, "nvidia.com/gpu": 1},
            id="a limit is a request where none is given",
        ),
        pytest.param(
            {"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"cpu": "1"}}}]},
            {"cpu": 1000},
            id="the request where both are given",
        ),
        pytest.param(
            {"initContainers": [container(cpu="3"), container(cpu="2")], "containers": [container(cpu="1")]},
            {"cpu": 3000},
            id="the largest init container",
        ),
        pytest.param(
            {"initContainers": [container("Always", cpu="2")], "containers": [container(cpu="1")]},
            {"cpu": 3000},
            id="a sidecar adds to the containers",
        ),
        pytest.param(
            {
                "initContainers": [
                    container("Always", cpu="2"),
                    container(cpu="5"),
                    container("Always", cpu="1"),
                ],
                "containers": [container(cpu="1")],
            },
            {"cpu": 7000},
            id="an init container runs beside the sidecars before it, not after it",
        ),
        pytest.param(
            {
                "initContainers": [container(cpu="4")],
                "containers": [container(cpu="1")],
                "overhead": {"cpu": "250m", "memory": "64Mi"},
            },
            {"cpu": 4250, "memory": 64 * 1024**2},
            id="overhead comes on top of the larger",
        ),
    ],
)
def test_what_the_scheduler_counts_for_a_pod(spec: dict[str, Any], expected: dict[str, int]) -> None:
    assert pod_requests(spec) == {"pods": 1, **expected}


def pod(node: str = "n1", phase: str = "Running", cpu: str = "1", **labels: str) -> Body:
    metadata = {"name": "p", "namespace": "s", "labels": labels}
    spec = {"nodeName": node, "containers": [container(cpu=cpu)]} if node else {"containers": []}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


@pytest.mark.parametrize("body", [pod(node=""), pod(phase="Succeeded"), pod(phase="Failed")])
def test_pods_that_take_no_room(body: Body) -> None:
    assert project_pod(body) is None


def test_a_pod_of_ours_is_known_by_its_labels() -> None:
    labels = {"stowage.dev/inference-deployment": "chat", "stowage.dev/placement": "12345678"}
    assert project_pod(pod(**labels)) == PodUse("n1", {"pods": 1, "cpu": 1000}, "chat", "12345678")


def test_a_heartbeat_is_no_change() -> None:
    def body(beat: str, taints: list[dict[str, str]]) -> Body:
        conditions = [{"type": "Ready", "status": "True", "lastHeartbeatTime": beat}]
        return {
            "metadata": {"name": "n", "labels": {"a": "b"}, "resourceVersion": beat},
            "spec": {"taints": taints},
            "status": {"conditions": conditions, "images": [beat], "allocatable": {"cpu": "2"}},
        }

    soft = [{"key": "soft", "effect": "PreferNoSchedule"}]
    state = [{"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}]
    assert project_node(body("1", [])) == project_node(body("2", soft)) == project_node(body("3", state))
    hard = [{"key": "nvidia.com/gpu", "effect": "NoSchedule"}]
    assert project_node(body("4", hard)) != project_node(body("1", []))


@pytest.mark.parametrize(
    ("status", "generation", "ready"),
    [
        ({"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 3}, 2, 3),
        ({"observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 3}, 2, 0),
        ({"observedGeneration": 2, "readyReplicas": 3, "updatedReplicas": 1}, 2, 1),
        ({"observedGeneration": 2, "replicas": 2, "readyReplicas": 1, "updatedReplicas": 1}, 2, 0),
        ({"observedGeneration": 2, "replicas": 4, "readyReplicas": 3, "updatedReplicas": 2}, 2, 1),
        ({}, 1, 0),
    ],
    ids=[
        "all",
        "status of the last generation",
        "an old pod isn't the new one",
        "the old pod is the ready one",
        "one of the ready ones is old",
        "just made",
    ],
)
def test_ready_replicas_are_those_of_the_present_template(
    status: dict[str, int], generation: int, ready: int
) -> None:
    spec = {"replicas": 3, "template": {"spec": {"containers": []}}}
    body = {"metadata": {"name": "d", "generation": generation}, "spec": spec, "status": status}
    assert project_child(body).ready == ready


def test_usage_follows_pods_that_come_change_and_go() -> None:
    usage, key = Usage(), ("s", "p")
    first = PodUse("n1", {"pods": 1, "cpu": 1000}, "chat", "aaaa")
    foreign = PodUse("n1", {"pods": 1, "cpu": 500})
    usage.change(key, None, first)
    usage.change(("s", "other"), None, foreign)
    assert usage.by_node["n1"] == {"pods": 2, "cpu": 1500}
    assert usage.bound(("s", "chat", "aaaa")) == ("n1",)
    resized = PodUse("n1", {"pods": 1, "cpu": 2000}, "chat", "aaaa")
    usage.change(key, first, resized)
    assert usage.by_node["n1"] == {"pods": 2, "cpu": 2500}
    usage.change(key, resized, None)
    assert usage.by_node["n1"] == {"pods": 1, "cpu": 500}
    assert usage.bound(("s", "chat", "aaaa")) == ()
    usage.change(("s", "other"), foreign, None)
    assert dict(usage.by_node) == {}


def test_usage_counts_by_namespace_deployment_and_placement() -> None:
    usage = Usage()
    for number, (space, owner, placement) in enumerate(
        [("s", "chat", "aaaa"), ("s", "chat", "aaaa"), ("s", "chat", "bbbb"), ("t", "chat", "aaaa")]
    ):
        usage.change((space, f"p{number}"), None, PodUse(f"n{number}", {"pods": 1}, owner, placement))
    assert usage.bound(("s", "chat", "aaaa")) == ("n0", "n1")
    assert usage.bound(("s", "chat", "bbbb")) == ("n2",)
    assert usage.bound(("t", "chat", "aaaa")) == ("n3",)


def test_a_child_is_kept_as_text_without_what_nobody_reads() -> None:
    ours = {"manager": "stowage", "operation": "Apply", "fieldsV1": {"f:spec": {}}}
    theirs = {"manager": "kubectl", "operation": "Update", "fieldsV1": {"f:metadata": {}}}
    status = {"manager": "stowage", "operation": "Apply", "subresource": "status", "fieldsV1": {}}
    metadata = {"name": "d", "resourceVersion": "7", "labels": {"stowage.dev/inference-deployment": "chat"}}
    body = {"metadata": {**metadata, "managedFields": [ours, theirs, status]}, "spec": {"replicas": 1}}
    child = project_child({**body, "status": {"replicas": 1}})
    del metadata["resourceVersion"]
    assert child.body == {
        "metadata": {**metadata, "managedFields": [ours]},
        "spec": {"replicas": 1},
        "status": None,
    }
    assert child.labelled == "chat"

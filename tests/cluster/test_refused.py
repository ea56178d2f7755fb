"""What only the operator can see is wrong: it says so, and what serves goes on serving."""

from __future__ import annotations

import copy
import json

import pytest
from tests.cluster.harness import FP8, USER, Stage, eventually

from devcluster.audit import AuditLog

pytestmark = pytest.mark.cluster

CRD = "inferencedeployments.stowage.dev"


def test_an_unknown_policy(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.workload())
    found = stage.wait_for("Placed", "UnknownPolicy")
    assert f"PlacementPolicy '{stage.namespace}' doesn't exist" in found["message"]
    assert stage.condition("Stalled")["status"] == "True"
    stage.apply(stage.policy())
    stage.wait_ready()
    stage.kubectl("delete", "plp", stage.namespace)
    stalled = eventually(lambda: stage.condition("Stalled"), lambda each: each.get("status") == "True")
    assert stalled["reason"] == "UnknownPolicy"
    assert "1 replica goes on serving" in stage.condition("Ready")["message"]
    assert len(stage.pods()) == 1


def test_a_format_that_no_runtime_loads(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload(variants=[{**FP8, "format": "homemade"}]))
    assert "no runtime loads homemade" in stage.wait_for("Placed", "NoRuntime")["message"]


def test_a_reserved_argument(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload(template={"extraArguments": ["--port=9"]}))
    assert "'--port=9'" in stage.wait_for("Ready", "ReservedArgument")["message"]
    assert stage.deployments() == []
    stage.apply(stage.workload(template={"extraArguments": ["--seed=9"]}))
    stage.wait_ready()
    (server,) = stage.pods()[0]["spec"]["containers"]
    assert server["args"][-1] == "--seed=9"


def test_a_priority_class_that_the_policy_does_not_list(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(
        stage.policy(priorityClasses=["batch"]), stage.workload(priorityClassName="system-cluster-critical")
    )
    found = stage.wait_for("Ready", "PriorityNotAllowed")
    assert "it lists batch" in found["message"]
    assert stage.deployments() == []


def test_a_policy_that_does_not_admit_the_namespace_keeps_what_serves(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(namespaces={"matchLabels": {"team": "shop"}}), stage.workload())
    stage.wait_for("Placed", "PolicyNotAdmitted")
    assert stage.deployments() == []
    stage.kubectl("label", "namespace", stage.namespace, "team=shop")
    stage.wait_ready()
    pods = stage.pod_names()
    stage.kubectl("label", "namespace", stage.namespace, "team-")
    stage.wait_for("Stalled", "PolicyNotAdmitted")
    assert stage.pod_names() == pods


def test_a_foreign_service_of_that_name_is_left_alone(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    spec = {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}
    stage.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "chat"}, "spec": spec})
    version = stage.get("service", "chat")["metadata"]["resourceVersion"]
    stage.apply(stage.policy(), stage.workload())
    found = stage.wait_for("Ready", "NameConflict")
    assert f"Service {stage.namespace}/chat exists and isn't Stowage's" in found["message"]
    assert stage.get("service", "chat")["metadata"]["resourceVersion"] == version
    stage.kubectl("delete", "service", "chat")
    stage.wait_ready(seconds=120)  # no watch tells; it looks again after 5 to 60 s


def test_what_a_quota_refuses_is_said(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}}
    stage.apply({**quota, "spec": {"hard": {"count/deployments.apps": "0"}}})
    eventually(lambda: (stage.get("quota", "none") or {}).get("status", {}).get("hard"))
    stage.apply(stage.policy(), stage.workload())
    assert "exceeded quota" in stage.wait_for("Ready", "ApplyFailed")["message"]


def test_an_object_from_before_a_rule_serves_on(stage: Stage, audit: AuditLog) -> None:
    """Written while the CRD's validation was relaxed, as under an older version of it."""
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    pods, deployments = stage.pod_names(), stage.deployments()
    crd = stage.get("crd", CRD)
    relaxed = copy.deepcopy(crd)
    spec = relaxed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec.clear()
    spec.update({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
    _replace(stage, relaxed)
    try:
        bad = {"variants": [{**FP8, "precision": "fp7"}]}
        eventually(lambda: "fp7" in stage.kubectl("patch", "infd/chat", "--type=merge", "-o", "json", "-p",
                                                  json.dumps({"spec": bad}), check=False))  # fmt: skip
        stage.apply(stage.workload("never-good", **bad))
        found = stage.wait_for("Stalled", "InvalidSpec")
        assert "precision" in found["message"]
        stage.wait_for("Stalled", "InvalidSpec", "never-good")
        assert "1 replica goes on serving" in stage.condition("Ready")["message"]
        assert stage.infd()["status"]["placements"][0]["readyReplicas"] == 1

        stage.operator.restart()
        audit.mark()
        node = stage.items("nodes", f"--selector=tests.stowage.dev/namespace={stage.namespace}")[0]
        stage.kubectl("label", "node", node["metadata"]["name"], "any=change")
        stage.apply(stage.workload("after"))
        stage.wait_ready("after")
        writes = [
            w for w in audit.writes(user=USER) if w.namespace == stage.namespace and "after" not in w.name
        ]
        assert writes == []
        assert stage.infd()["status"]["placements"][0]["readyReplicas"] == 1
        assert stage.condition("Stalled")["reason"] == "InvalidSpec"
        assert stage.pod_names() == pods
        assert [d["metadata"]["resourceVersion"] for d in stage.deployments()] == [
            d["metadata"]["resourceVersion"] for d in deployments
        ]
        stage.patch("infd/chat", {"spec": {"variants": [FP8]}})
        stage.wait_ready()
        assert stage.pod_names() == pods
    finally:
        stage.kubectl("delete", "infd", "--all")
        _replace(stage, crd)


def _replace(stage: Stage, crd: dict) -> None:  # type: ignore[type-arg]
    crd["metadata"].pop("managedFields", None)
    crd["metadata"].pop("resourceVersion", None)
    stage.kubectl("replace", "-f", "-", input=json.dumps(crd))

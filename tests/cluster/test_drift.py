"""Others write into our children too. What is ours comes back; what is theirs stays, and costs no write."""

from __future__ import annotations

import json

import pytest
from tests.cluster.harness import USER, Object, Stage, eventually

from devcluster.audit import AuditLog

pytestmark = pytest.mark.cluster

WAIT_SECONDS = 60.0
SIDECAR = {"name": "mesh", "image": "example.com/mesh:1"}


def only(stage: Stage) -> Object:
    (found,) = eventually(stage.deployments, lambda each: len(each) == 1, WAIT_SECONDS)
    return found


def serve(stage: Stage, nodes: int = 1, **spec: object) -> Object:
    """A model that serves; returns its Deployment."""
    stage.pool("l4-spot", nodes)
    stage.apply(stage.policy(), stage.workload(**spec))
    stage.wait_ready(seconds=WAIT_SECONDS)
    return only(stage)


def child_writes(stage: Stage, audit: AuditLog) -> list[str]:
    """What the operator wrote of children since the mark, as ``patch deployments``."""
    kinds = ("deployments", "services", "poddisruptionbudgets")
    return [
        f"{each.verb} {each.resource}"
        for each in audit.writes(user=USER)
        if each.namespace == stage.namespace and each.resource in kinds
    ]


def look_at_everything(stage: Stage) -> None:
    """A label of a node makes the operator look at all models; a model that comes then and serves proves that
    it has looked."""
    (node, *_) = stage.items("nodes", f"--selector=tests.stowage.dev/namespace={stage.namespace}")
    stage.kubectl("label", "node", node["metadata"]["name"], "any=change", "--overwrite")
    stage.apply(stage.workload("witness"))
    stage.wait_ready("witness", seconds=WAIT_SECONDS)


def containers(stage: Stage) -> list[str]:
    return [each["name"] for each in only(stage)["spec"]["template"]["spec"]["containers"]]


def rolled_out(stage: Stage) -> None:
    name = only(stage)["metadata"]["name"]
    stage.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={WAIT_SECONDS:.0f}s")


def test_a_sidecar_that_others_apply_stays(stage: Stage, audit: AuditLog) -> None:
    name = serve(stage, 2)["metadata"]["name"]
    audit.mark()
    template = {"spec": {"containers": [SIDECAR]}}
    theirs = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}}
    content = json.dumps({**theirs, "spec": {"template": template}})
    stage.kubectl("apply", "--server-side", "--field-manager=mesh", "-f", "-", input=content)
    rolled_out(stage)
    stage.wait_ready(seconds=WAIT_SECONDS)
    assert sorted(containers(stage)) == ["mesh", "server"]
    assert child_writes(stage, audit) == []
    stage.patch("infd/chat", {"spec": {"replicas": 2}})
    eventually(lambda: only(stage)["spec"]["replicas"] == 2, seconds=WAIT_SECONDS)
    stage.wait_ready(seconds=WAIT_SECONDS)
    assert sorted(containers(stage)) == ["mesh", "server"]
    assert child_writes(stage, audit) == ["patch deployments"]


def test_a_sidecar_that_admission_injects_stays(stage: Stage, audit: AuditLog) -> None:
    """One write, then none: what comes back from the API server isn't what was sent."""
    name = f"inject-{stage.namespace}"
    inject = (
        "Object{spec: Object.spec{template: Object.spec.template{spec: Object.spec.template.spec{containers: "
        '[Object.spec.template.spec.containers{name: "mesh", image: "example.com/mesh:1"}]}}}}'
    )
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "resources": ["deployments"],
        "operations": ["CREATE", "UPDATE"],
    }
    spec = {
        "matchConstraints": {
            "resourceRules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": stage.namespace}},
        },
        "failurePolicy": "Fail",
        "reinvocationPolicy": "Never",
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": inject}}],
    }
    version = {"apiVersion": "admissionregistration.k8s.io/v1"}
    policy = {**version, "kind": "MutatingAdmissionPolicy", "metadata": {"name": name}, "spec": spec}
    binding = {**version, "kind": "MutatingAdmissionPolicyBinding", "metadata": {"name": name}}
    stage.apply(policy, {**binding, "spec": {"policyName": name}})
    try:
        eventually(lambda: _injects(stage), seconds=WAIT_SECONDS)
        audit.mark()
        serve(stage)
        assert sorted(containers(stage)) == ["mesh", "server"]
        look_at_everything(stage)
        writes = [
            each.verb
            for each in audit.writes(user=USER)
            if each.namespace == stage.namespace and each.resource == "deployments" and "chat" in each.name
        ]
        assert writes == ["patch"]
    finally:
        stage.kubectl("delete", f"mutatingadmissionpolicy/{name}", f"mutatingadmissionpolicybinding/{name}")


def _injects(stage: Stage) -> bool:
    """Whether the policy is in force: that takes the API server some moments."""
    arguments = ("create", "deployment", "probe", "--image=example.com/x", "--dry-run=server", "-o", "json")
    return "mesh" in stage.kubectl(*arguments)


def test_an_autoscaler_scales_the_model_and_not_its_children(stage: Stage, audit: AuditLog) -> None:
    """A real HorizontalPodAutoscaler on ``/scale``. Without metrics it only raises to its minimum, which is
    what is needed here: it writes ``spec.replicas`` of our object, we that of the Deployment."""
    serve(stage)
    audit.mark()
    reference = {"apiVersion": "stowage.dev/v1alpha1", "kind": "InferenceDeployment", "name": "chat"}
    spec = {"scaleTargetRef": reference, "minReplicas": 2, "maxReplicas": 3}
    stage.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "chat"},
            "spec": spec,
        }
    )
    eventually(lambda: only(stage)["spec"]["replicas"] == 2, seconds=120)
    stage.wait_ready(seconds=WAIT_SECONDS)
    assert stage.infd()["spec"]["replicas"] == 2
    assert child_writes(stage, audit) == ["patch deployments"]
    stage.kubectl("delete", "hpa", "chat")


def test_a_rollout_restart_restarts_and_is_left_alone(stage: Stage, audit: AuditLog) -> None:
    name = serve(stage, 2)["metadata"]["name"]
    before = stage.pod_names()
    audit.mark()
    stage.kubectl("rollout", "restart", f"deployment/{name}")
    rolled_out(stage)
    eventually(stage.pod_names, lambda pods: bool(pods) and not set(pods) & set(before), WAIT_SECONDS)
    stage.wait_ready(seconds=WAIT_SECONDS)
    annotations = only(stage)["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations
    assert child_writes(stage, audit) == []


def test_quantities_that_the_server_writes_otherwise_are_equal(stage: Stage, audit: AuditLog) -> None:
    audit.mark()
    resources = {"cpu": "0.5", "memory": "16384Mi"}
    found = serve(stage, template={"resources": resources})
    (server,) = found["spec"]["template"]["spec"]["containers"]
    assert server["resources"]["requests"]["cpu"] == "500m"
    look_at_everything(stage)
    stage.kubectl("delete", "infd", "witness")
    writes = [
        each.verb
        for each in audit.writes(user=USER)
        if each.namespace == stage.namespace and each.resource == "deployments" and "chat" in each.name
    ]
    assert writes == ["patch"]


def test_a_child_that_loses_our_label_gets_it_back(stage: Stage) -> None:
    """To our watch, which selects by the label, it is deleted."""
    before = serve(stage)
    name, pods = before["metadata"]["name"], stage.pod_names()
    for what in (f"deployment/{name}", "service/chat", "pdb/chat"):
        stage.kubectl("label", what, "app.kubernetes.io/managed-by-")
    for what in (f"deployment/{name}", "service/chat", "pdb/chat"):
        eventually(
            lambda what=what: stage.get(what)["metadata"]["labels"].get("app.kubernetes.io/managed-by"),
            lambda label: label == "stowage",
            WAIT_SECONDS,
        )
    stage.wait_ready(seconds=WAIT_SECONDS)
    assert stage.pod_names() == pods


def test_pods_deleted_by_hand_are_replaced_without_a_write_of_ours(stage: Stage, audit: AuditLog) -> None:
    serve(stage, replicas=2)
    before = stage.pod_names()
    audit.mark()
    stage.kubectl("delete", "pod", before[0])
    eventually(stage.pod_names, lambda pods: len(pods) == 2 and before[0] not in pods, WAIT_SECONDS)
    stage.wait_ready(seconds=WAIT_SECONDS)
    assert child_writes(stage, audit) == []

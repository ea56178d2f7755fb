"""What a tenant tries by way of the operator, which may more than the tenant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cluster.harness import FP8, USER, Object, Stage, eventually

from devcluster.audit import AuditLog

from .conftest import Tenant

pytestmark = pytest.mark.cluster

ACCOUNT = {"template": {"serviceAccountName": "robot"}}
NOT_IN_THE_API: dict[str, Object] = {
    "a host path": {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]},
    "a privileged container": {"securityContext": {"privileged": True}},
    "a container of its own": {"containers": [{"name": "mine", "image": "mine"}]},
    "an image": {"image": "mine"},
    "a command": {"command": ["/bin/sh"]},
    "the host's network": {"hostNetwork": True},
    "a node": {"nodeName": "n", "nodeSelector": {"a": "b"}},
    "a toleration": {"tolerations": [{"operator": "Exists"}]},
    "an affinity": {"affinity": {}},
    "a priority": {"priorityClassName": "system-node-critical"},
    "a device": {"resources": {"nvidia.com/gpu": "8"}},
    "a runtime class": {"runtimeClassName": "kata"},
}
"""Pods have these; the template hasn't, and it is a closed list."""


@pytest.mark.parametrize("what", NOT_IN_THE_API)
def test_the_template_has_no_field_for_it(tenant: Tenant, what: str) -> None:
    answer = tenant.writes("--dry-run=server", template=NOT_IN_THE_API[what])
    assert answer.returncode != 0
    assert "unknown field" in answer.stderr
    forced = tenant.writes(
        "--dry-run=server", "--validate=ignore", "-o", "json", template=NOT_IN_THE_API[what]
    )
    kept = json.loads(forced.stdout)["spec"].get("template", {})
    assert not set(NOT_IN_THE_API[what]) & (set(kept) - {"resources"}), "and what isn't validated is pruned"
    assert "nvidia.com/gpu" not in kept.get("resources", {})


def test_rights_of_the_tenant_end_at_its_objects(tenant: Tenant) -> None:
    assert tenant.can("update", "inferencedeployments.stowage.dev")
    for question in (
        ("patch", "inferencedeployments.stowage.dev", "--subresource=status"),
        ("update", "inferencedeployments.stowage.dev", "--subresource=status"),
        ("create", "placementpolicies.stowage.dev"),
        ("create", "inferenceruntimes.stowage.dev"),
        ("create", "acceleratorclasses.stowage.dev"),
        ("create", "pods"),
        ("get", "secrets"),
    ):
        assert not tenant.can(*question), question
    assert not tenant.can("create", "inferencedeployments.stowage.dev", "-n", "default")
    status = {"status": {"placements": []}}
    assert tenant.writes().returncode == 0
    answer = tenant.kubectl(
        "patch", "infd", "chat", "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
    assert "forbidden" in answer.stderr
    assert 'resource "inferencedeployments/status"' in answer.stderr


def test_what_the_pod_is(tenant: Tenant) -> None:
    """Nothing of the host, no token, no new privileges, only the usual system calls."""
    stage = tenant.stage
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy())
    assert tenant.writes().returncode == 0
    stage.wait_ready()
    (pod,) = stage.pods()
    spec, (server,) = pod["spec"], pod["spec"]["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["serviceAccountName"] == "default"
    assert {next(iter(set(v) - {"name"})) for v in spec["volumes"]} <= {"emptyDir"}
    assert not any(spec.get(host) for host in ("hostNetwork", "hostPID", "hostIPC"))
    assert spec["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert server["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "envFrom" not in server
    assert spec["priority"] == 0


def test_a_service_account_that_the_policy_does_not_list(tenant: Tenant) -> None:
    stage = tenant.stage
    stage.pool("l4-spot", 1)
    stage.kubectl("create", "serviceaccount", "robot")
    stage.apply(stage.policy())
    stage.apply(stage.workload(**ACCOUNT))
    found = stage.wait_for("Placed", "ServiceAccountNotAllowed")
    assert "doesn't list 'robot'; it lists none" in found["message"]
    assert stage.deployments() == []
    stage.apply(stage.policy(serviceAccounts=["robot"]))
    stage.wait_ready()
    (pod,) = stage.pods()
    assert pod["spec"]["serviceAccountName"] == "robot"
    assert pod["spec"]["automountServiceAccountToken"] is True


@pytest.mark.parametrize(
    ("name", "reason", "message"),
    [
        ("VLLM_API_KEY", "ReservedVariable", "spec.template.env[VLLM_API_KEY]: runtime vllm reserves"),
        (
            "vllm_nccl_so_path",
            "ReservedVariable",
            "spec.template.env[vllm_nccl_so_path]: runtime vllm reserves",
        ),
    ],
)
def test_variables_in_place_of_reserved_arguments(
    tenant: Tenant, name: str, reason: str, message: str
) -> None:
    stage = tenant.stage
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy())
    assert tenant.writes(template={"env": [{"name": name, "value": "x"}]}).returncode == 0
    assert message in stage.wait_for("Ready", reason)["message"]
    assert stage.deployments() == []


def test_a_placeholder_in_a_name_or_an_argument_stays_text(tenant: Tenant) -> None:
    stage = tenant.stage
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy())
    assert "write letters" in tenant.writes(model={"name": "{devices}", "task": "chat"}).stderr
    arguments = ["--chat-template={modelPath}", "--x=; rm -rf / `id` $HOME && true"]
    assert tenant.writes(template={"extraArguments": arguments}).returncode == 0
    stage.wait_ready()
    assert stage.pods()[0]["spec"]["containers"][0]["args"][-2:] == arguments


def test_node_selectors_only_narrow_what_the_policy_offers(tenant: Tenant) -> None:
    stage = tenant.stage
    stage.pool("l4-spot", 1, "allowed")
    outside = stage.pool("l4-spot", 1, "outside")
    here = {"nodeSelector": {"cloud.google.com/gke-nodepool": f"{stage.namespace}-allowed"}}
    stage.apply(stage.policy(tiers=[{"name": "a", "accelerators": here}]))
    selector = {"nodeSelector": {"cloud.google.com/gke-nodepool": outside}}
    assert tenant.writes(variants=[{**FP8, "accelerators": selector}]).returncode == 0
    eventually(lambda: stage.condition("Placed"), lambda found: found.get("status") == "False")
    assert stage.deployments() == []
    spread = [{"topologyKey": "cloud.google.com/gke-nodepool", "whenUnsatisfiable": "DoNotSchedule"}]
    assert tenant.writes(template={"topologySpreadConstraints": spread}).returncode == 0
    stage.wait_ready()
    assert stage.placement()["pool"] == f"{stage.namespace}-allowed"


def test_naming_no_policy_is_no_way_round_them(tenant: Tenant) -> None:
    """The embedded policy is for clusters that have none."""
    stage = tenant.stage
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(namespaces={"matchLabels": {"team": "another"}}))
    manifest = stage.workload()
    del manifest["spec"]["policy"]
    assert tenant.apply(manifest).returncode == 0
    found = eventually(lambda: stage.condition("Placed"), lambda each: each.get("status") == "False")
    assert found["reason"] == "UnknownPolicy"
    assert "name one in spec.policy" in found["message"]
    assert stage.deployments() == []


def test_long_and_odd_text_ends_in_a_status(tenant: Tenant) -> None:
    """Messages and Events are bounded in bytes by the API server, and what they quote is the tenant's."""
    stage = tenant.stage
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy())
    argument = "--port=" + "\U0001f600\u2028" * 200
    assert tenant.writes(template={"extraArguments": [argument]}).returncode == 0
    found = stage.wait_for("Ready", "ReservedArgument")
    assert "\u2028" not in found["message"]


def forged(stage: Stage, name: str, replicas: int, owner: Object | None) -> Object:
    """A Deployment that looks like Stowage's and makes no pod."""
    requests = {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}
    labels = {"stowage.dev/inference-deployment": "other", "stowage.dev/placement": "00000000"}
    metadata: dict[str, Any] = {
        "name": name,
        "labels": {**labels, "app.kubernetes.io/managed-by": "stowage"},
        "annotations": {
            "stowage.dev/variant": "fp8",
            "stowage.dev/runtime": "vllm",
            "stowage.dev/pool": f"{stage.namespace}-l4-spot",
            "stowage.dev/accelerator-class": "nvidia-l4",
            "stowage.dev/devices-per-replica": "1",
        },
    }
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    container = {"name": "a", "image": "a", "resources": {"requests": requests, "limits": requests}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": replicas,
            "paused": True,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def test_forged_deployments_take_no_room(tenant: Tenant) -> None:
    stage = tenant.stage
    editor = Tenant(stage, "editor").may("edit")
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy())
    nobody = {"apiVersion": "stowage.dev/v1alpha1", "kind": "InferenceDeployment", "name": "other",
              "uid": "00000000-0000-0000-0000-000000000000", "controller": True}  # fmt: skip
    for name, owner in ("alone", None), ("orphan", nobody):
        answer = editor.apply(forged(stage, name, 1000, owner))
        assert answer.returncode == 0, answer.stderr
    assert tenant.writes().returncode == 0
    stage.wait_ready()


def test_the_operator_reads_no_secret_and_no_right_lets_it(tenant: Tenant, audit: AuditLog) -> None:
    stage = tenant.stage
    stage.pool("l4-spot", 1)
    stage.kubectl("create", "secret", "generic", "hub", "--from-literal=HF_TOKEN=x")
    stage.apply(stage.policy(), stage.workload(
        variants=[{**FP8, "credentials": {"secretName": "hub"}}],
        template={"env": [{"name": "A", "secret": {"name": "hub", "key": "HF_TOKEN"}}],
                  "imagePullSecrets": [{"name": "hub"}]},
    ))  # fmt: skip
    stage.wait_ready()
    assert [r for r in audit.requests(user=USER) if r.resource == "secrets"] == []
    for verb in ("get", "list", "watch", "create", "delete"):
        answer = stage.cluster.kubectl(f"--as={USER}", "auth", "can-i", verb, "secrets", "-A", check=False)
        assert answer.stdout.strip() == "no", verb
    (server,) = stage.pods()[0]["spec"]["containers"]
    assert [e["name"] for e in server["env"] if "valueFrom" in e] == ["HF_TOKEN", "A"]

"""What other people do to the cluster while models serve and change: upgrades, refusals, malformed objects,
namespaces that go."""

from __future__ import annotations

import copy
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import yaml
from tests.cluster.harness import BF16, FP8, USER, Object, Stage, eventually
from tests.conftest import CRDS
from tests.survival.town import BUSY, CONVERGE_SECONDS, Town

from devcluster.ports import LOOPBACK

pytestmark = pytest.mark.cluster

LABEL = "survival.example.com/refuses"
WAIT_SECONDS = 60.0


def crds() -> list[Object]:
    return [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]


def write_crds(stage: Stage, change: Callable[[Object], None]) -> None:
    """Applies all CRDs, changed."""
    found = copy.deepcopy(crds())
    for each in found:
        change(each)
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": found})
    stage.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=content)


def schema(crd: Object) -> Object:
    found: Object = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return found


def test_the_crds_are_upgraded_under_load(town: Town) -> None:
    """A field, a column and a description more, and back again; kopf's and our watches are cut by that."""

    def upgrade(crd: Object) -> None:
        schema(crd)["spec"]["properties"]["future"] = {"type": "string", "maxLength": 10}
        schema(crd)["spec"]["description"] = "Upgraded."
        column = {"name": "Future", "type": "string", "jsonPath": ".spec.future"}
        crd["spec"]["versions"][0].setdefault("additionalPrinterColumns", []).append(column)

    with town.survives("CRDs upgraded and back under load"):
        for change in (upgrade, lambda _: None):
            town.keep_editing(1.0)
            write_crds(town.stage, change)
        town.keep_editing(1.0)


def relax(crd: Object) -> None:
    """Lets anything be written as spec and status."""
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema(crd)["spec"] = anything
    schema(crd)["status"] = anything


MALFORMED = {
    "InferenceDeployment": {"model": "one", "variants": {"not": "a list"}},
    "PlacementPolicy": {"tiers": "all", "default": True, "moveBack": 7},
    "AcceleratorClass": {"match": 7, "memory": ["much"]},
    "InferenceRuntime": {"supports": {"everything": True}},
    "AcceleratorPool": {"nodeSelector": [], "costPerHour": {}},
}
NAMES = {"AcceleratorClass": "nvidia-l4", "InferenceRuntime": "vllm"}
"""The very entries of the catalog that everything here is placed by."""


def test_malformed_objects_are_written_past_validation(town: Town) -> None:
    stage = town.stage
    objects = [
        {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": NAMES.get(kind, "odd")},
            "spec": spec,
        }
        for kind, spec in MALFORMED.items()
    ]

    def log() -> str:
        """From the beginning: repeated within a minute, lines like those before are left out."""
        return stage.operator.text()

    with town.survives("malformed objects of all five kinds"):
        write_crds(stage, relax)
        try:
            eventually(
                lambda: _apply(stage, objects),
                lambda said: "odd" in said and "invalid" not in said,
                WAIT_SECONDS,
            )
            eventually(
                lambda: stage.condition("Stalled", "odd").get("reason") == "InvalidSpec", seconds=WAIT_SECONDS
            )
            patch = json.dumps({"status": {"placements": [{"pool": 7}], "conditions": [{"type": "Ready"}]}})
            stage.kubectl("patch", "infd", BUSY[1], "--subresource=status", "--type=merge", "-p", patch)
            eventually(lambda: "reason" in stage.condition("Ready", BUSY[1]), seconds=WAIT_SECONDS)
            town.edit(BUSY[0])
            for kind, name in NAMES.items():
                eventually(lambda said=f"{kind} {name}: spec": said in log(), seconds=WAIT_SECONDS)
        finally:
            for each in objects:
                stage.kubectl("delete", each["kind"], each["metadata"]["name"], "--ignore-not-found")
            write_crds(stage, lambda _: None)


def _apply(stage: Stage, objects: list[Object]) -> str:
    """What kubectl says: the relaxed schema is in force some moments after it was written."""
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    return stage.kubectl("apply", "--validate=false", "-f", "-", input=content, check=False)


def test_a_move_ends_though_the_schema_of_status_was_another_meanwhile(town: Town) -> None:
    """What was applied while the lists of status were atomic belongs to no manager item by item once they
    are maps, so that an apply without an item leaves it there: Kubernetes' rule for such a change of schema.
    """
    stage, busy = town.stage, BUSY[0]
    slow = {"annotations": {"simulation.example.com/ready-after": "30s"}}
    stage.patch(f"infd/{busy}", {"spec": {"variants": [FP8], "template": {"annotations": {}}}})
    town.converged()

    def placements() -> int:
        return len(stage.get("infd", busy)["status"]["placements"])

    with town.survives("schema of status changed in the midst of a move"):
        write_crds(stage, relax)
        try:
            stage.patch(f"infd/{busy}", {"spec": {"variants": [BF16], "template": slow}})
            eventually(lambda: placements() == 2, seconds=WAIT_SECONDS)
        finally:
            write_crds(stage, lambda _: None)
    assert placements() == 1
    stage.patch(f"infd/{busy}", {"spec": {"template": None}})  # the tests after this one need no slow pods
    town.converged()


def test_a_namespace_is_deleted_in_the_midst_of_a_move(town: Town) -> None:
    cluster, operator = town.stage.cluster, town.stage.operator
    cluster.kubectl("create", "namespace", "going")
    other = Stage(cluster, operator, "going")
    slow = {"annotations": {"simulation.example.com/ready-after": "30s"}}
    model = {**town.model("chat"), "metadata": {"name": "chat", "namespace": "going"}}
    model["spec"]["variants"] = [FP8]
    other.apply(model)
    other.wait_ready(seconds=CONVERGE_SECONDS)
    start = operator.size()
    with town.survives("namespace deleted in the midst of a move"):
        other.patch("infd/chat", {"spec": {"variants": [BF16], "template": slow}})
        eventually(lambda: len(other.deployments()) == 2, seconds=WAIT_SECONDS)
        cluster.kubectl("delete", "namespace", "going", "--timeout=60s")
    assert "ERROR" not in operator.text(start)


def mine(name: str, kind: str, **spec: object) -> Object:
    """An admission object that concerns what the operator writes of Deployments here, and nothing else."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": {LABEL: "true"}},
        **spec,
    }


RULES = [
    {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "resources": ["deployments"],
        "operations": ["CREATE", "UPDATE"],
        "scope": "*",
    }
]
ONLY_OURS = [{"name": "ours", "expression": f"request.userInfo.username == '{USER}'"}]


@contextmanager
def admission(stage: Stage, *objects: Object) -> Iterator[None]:
    stage.apply(*objects)
    try:
        yield
    finally:
        stage.kubectl("delete", *(f"{o['kind']}/{o['metadata']['name']}" for o in objects))


def refused(town: Town, words: str) -> None:
    """Edits until the log has the refusal: admission takes effect some moments after it was written."""
    start = town.stage.operator.size()

    def seen() -> bool:
        town.edit()
        return words in town.stage.operator.text(start)

    eventually(seen, seconds=WAIT_SECONDS)


def test_an_admission_policy_refuses_our_deployments(town: Town) -> None:
    spec = {
        "matchConstraints": {"resourceRules": RULES},
        "matchConditions": ONLY_OURS,
        "validations": [{"expression": "false", "message": "no more of these"}],
    }
    policy = mine("survival-refuses", "ValidatingAdmissionPolicy", spec=spec)
    bound = {"policyName": "survival-refuses", "validationActions": ["Deny"]}
    binding = mine("survival-refuses", "ValidatingAdmissionPolicyBinding", spec=bound)
    with town.survives("admission policy refuses Deployments"), admission(town.stage, policy, binding):
        refused(town, "no more of these")


def test_a_webhook_that_never_answers_stands_before_our_deployments(town: Town) -> None:
    with socket.socket() as silent:
        silent.bind((LOOPBACK, 0))
        silent.listen()
        hook = {
            "name": "survival.example.com",
            "clientConfig": {"url": f"https://{LOOPBACK}:{silent.getsockname()[1]}/"},
            "rules": RULES,
            "matchConditions": ONLY_OURS,
            "failurePolicy": "Fail",
            "timeoutSeconds": 1,
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
        }
        webhook = mine("survival-hangs", "ValidatingWebhookConfiguration", webhooks=[hook])
        with town.survives("webhook that never answers"), admission(town.stage, webhook):
            refused(town, "failed calling webhook")

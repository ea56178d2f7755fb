"""What the ValidatingAdmissionPolicy asks: may the one who writes this read what the pods are given?"""

from __future__ import annotations

from typing import Any

import pytest
from tests.cluster.harness import FP8, Object, Stage, eventually

from .conftest import Tenant

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("admission")]

SECRET = {"env": [{"name": "TOKEN", "secret": {"name": "theirs", "key": "token"}}]}
FROM_CLAIM = {**FP8, "uri": "pvc://theirs/model"}
REFERENCE = {"name": "fp32", "precision": "fp32", "format": "onnx", "uri": "pvc://mine/a.onnx", "size": "1Mi"}


def built(**data: str) -> Object:
    """A variant that is built with data of a claim, and the one that it is made of."""
    build = {"from": "fp32", "method": "onnx-static-int8", "calibration": "pvc://mine/a.npz", **data}
    made = {"name": "int8", "precision": "int8", "format": "onnx", "build": build}
    return {"variants": [REFERENCE, made]}


NAMED: dict[str, tuple[Object, str]] = {
    "a variable": ({"template": SECRET}, "you may not get Secret theirs"),
    "credentials": (
        {"variants": [{**FP8, "credentials": {"secretName": "theirs"}}]},
        "you may not get Secret theirs",
    ),
    "a pull secret": (
        {"template": {"imagePullSecrets": [{"name": "theirs"}]}},
        "you may not get Secret theirs",
    ),
    "a claim": ({"variants": [FROM_CLAIM]}, "you may not get PersistentVolumeClaim theirs"),
    "one claim of two": (
        {"variants": [{**FP8, "name": "a", "uri": "pvc://mine"}, {**FROM_CLAIM, "name": "b"}]},
        "you may not get PersistentVolumeClaim theirs",
    ),
    "the data that a build learns from": (
        built(calibration="pvc://theirs/a.npz"),
        "you may not get PersistentVolumeClaim theirs",
    ),
    "the data that a build is measured on": (
        built(evaluation="pvc://theirs/a.npz"),
        "you may not get PersistentVolumeClaim theirs",
    ),
    "the script that measures a build": (
        built(script="pvc://theirs/measure.py"),
        "you may not get PersistentVolumeClaim theirs",
    ),
    "a ServiceAccount": (
        {"template": {"serviceAccountName": "theirs"}},
        "you may not act as ServiceAccount theirs",
    ),
}


def _allow(tenant: Tenant, resource: str, name: str, verb: str = "get") -> None:
    role = f"{verb}-{resource}-{name}"
    stage = tenant.stage
    stage.kubectl(
        "create", "role", role, f"--verb={verb}", f"--resource={resource}", f"--resource-name={name}"
    )
    stage.kubectl("create", "rolebinding", role, f"--role={role}", f"--user={tenant.user}")


@pytest.mark.parametrize("what", NAMED)
def test_what_the_tenant_may_not_read_its_pods_may_not_have(tenant: Tenant, what: str) -> None:
    spec, message = NAMED[what]
    _allow(tenant, "persistentvolumeclaims", "mine")
    for verb in ("create", "apply"):
        answer = tenant.writes(**spec) if verb == "apply" else tenant.writes("--dry-run=server", **spec)
        assert answer.returncode != 0
        assert message in answer.stderr, answer.stderr
    assert tenant.writes().returncode == 0, "without it the same object is fine"
    answer = tenant.writes(**spec)
    assert message in answer.stderr, "nor may an edit bring it in"


@pytest.mark.parametrize("what", NAMED)
def test_one_who_may_read_it_may_name_it(tenant: Tenant, what: str) -> None:
    for resource, name, verb in (
        ("secrets", "theirs", "get"),
        ("persistentvolumeclaims", "theirs", "get"),
        ("persistentvolumeclaims", "mine", "get"),
        ("serviceaccounts", "theirs", "impersonate"),
    ):
        _allow(tenant, resource, name, verb)
    answer = tenant.writes("--dry-run=server", **NAMED[what][0])
    assert answer.returncode == 0, answer.stderr


def test_kubernetes_own_edit_role_may_name_all(tenant: Tenant) -> None:
    editor = Tenant(tenant.stage, "editor").may("edit")
    env = [{"name": f"A{number}", "secret": {"name": f"s{number}", "key": "k"}} for number in range(20)]
    variants = [{**FP8, "name": f"v{number}", "uri": f"pvc://claim{number}"} for number in range(16)]
    spec: dict[str, Any] = {"variants": variants, "template": {"env": env, "serviceAccountName": "robot"}}
    answer = editor.writes("--dry-run=server", **spec)
    assert answer.returncode == 0, answer.stderr


def test_more_than_can_be_asked_for_is_refused_with_what_to_do(tenant: Tenant) -> None:
    for number in range(9):
        _allow(tenant, "secrets", f"s{number}")
    env = [{"name": f"A{number}", "secret": {"name": f"s{number}", "key": "k"}} for number in range(9)]
    assert tenant.writes("--dry-run=server", template={"env": env[:8]}).returncode == 0
    answer = tenant.writes("--dry-run=server", template={"env": env})
    assert "write at most 8 references to Secrets" in answer.stderr


def test_who_may_not_read_it_may_scale_but_not_change_the_pods(tenant: Tenant) -> None:
    """With an edit of the arguments, a Secret that somebody else put there would be shown in the log."""
    stage = tenant.stage
    stage.apply(stage.workload(template=SECRET))
    for change in (
        '{"spec":{"replicas":2}}',
        '{"spec":{"paused":true}}',
        '{"metadata":{"labels":{"a":"b"}}}',
    ):
        answer = tenant.kubectl("patch", "infd", "chat", "--type=merge", "-p", change)
        assert answer.returncode == 0, answer.stderr
    assert tenant.kubectl("scale", "infd", "chat", "--replicas=3").returncode == 0
    for change in (
        '{"spec":{"template":{"extraArguments":["--served-by=$(TOKEN)"]}}}',
        '{"spec":{"variants":[]}}',
        '{"spec":{"model":{"name":"another"}}}',
    ):
        answer = tenant.kubectl("patch", "infd", "chat", "--type=merge", "-p", change)
        assert answer.returncode != 0, change
    assert tenant.kubectl("delete", "infd", "chat").returncode == 0


def test_the_api_server_finds_no_mistake_in_the_expressions(stage: Stage) -> None:
    """It checks their types against the kind's schema, and says so in the policy's status."""
    name = ("validatingadmissionpolicy", "stowage-tenants")
    policy = eventually(
        lambda: stage.get(*name), lambda found: "observedGeneration" in found.get("status", {})
    )
    assert policy["status"].get("typeChecking", {}).get("expressionWarnings", []) == []

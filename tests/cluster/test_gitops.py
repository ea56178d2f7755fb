"""What Flux and Argo CD make of our objects, by Flux's own library and in the Lua that Argo CD runs.

The objects are the API server's, in each phase of a life. The operator is stopped (SIGSTOP) where it would be
too quick to be seen.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import yaml
from tests.cluster.harness import ROOT, Object, Stage, eventually

from devcluster.binaries import ensure_binaries
from devcluster.children import run

pytestmark = pytest.mark.cluster

ARGOCD = ROOT / "manifests" / "gitops" / "argocd"
Verdict = tuple[str, str, str]
"""kstatus' status, Argo CD's, and Argo CD's message."""


def ask(arguments: list[str], body: Object) -> Object:
    done = run([str(ensure_binaries("health") / "health"), *arguments], input=json.dumps(body))
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def judge(body: Object) -> Verdict:
    """What both say of an object."""
    script = ARGOCD / "health" / "stowage.dev" / body["kind"] / "health.lua"
    argocd = ask(["argocd", str(script)], body)
    return str(ask(["kstatus"], body)["status"]), argocd["status"], argocd["message"]


@contextmanager
def asleep(stage: Stage) -> Iterator[None]:
    """The operator does nothing meanwhile."""
    stage.operator.send(signal.SIGSTOP)
    try:
        yield
    finally:
        stage.operator.send(signal.SIGCONT)


def settled(stage: Stage, reason: str, name: str = "chat") -> Verdict:
    stage.wait_for("Ready", reason, name)
    return judge(stage.infd(name))


UNSEEN = ("InProgress", "Progressing", "the operator has not looked at this generation yet")


def test_a_life_as_gitops_sees_it(stage: Stage) -> None:
    stage.pool("l4-spot", 1)  # two devices
    stage.apply(stage.policy())
    with asleep(stage):
        stage.apply(stage.workload())
        assert judge(stage.infd()) == UNSEEN  # and not ready, as what has no status would be
    assert settled(stage, "Serving") == ("Current", "Healthy", "1 of 1 replicas serve")
    with asleep(stage):
        stage.kubectl("scale", "infd", "chat", "--replicas=3")
        assert judge(stage.infd()) == UNSEEN
    kstatus, argocd, message = settled(stage, "PartiallyPlaced")
    assert (kstatus, argocd) == ("InProgress", "Progressing")
    assert message.startswith("PartiallyPlaced: 2 of 3 replicas have room")

    stage.apply(stage.workload("late"))
    kstatus, argocd, message = settled(stage, "NoCapacity", "late")
    assert (kstatus, argocd) == ("InProgress", "Progressing")
    assert message.startswith("NoCapacity: ")

    stage.kubectl("scale", "infd", "chat", "--replicas=2")
    stage.wait_ready()
    stage.patch("infd/chat", {"spec": {"paused": True}})
    kstatus, argocd, message = settled(stage, "Paused")
    assert (kstatus, argocd) == ("Current", "Suspended")
    stage.patch("infd/chat", {"spec": {"paused": False, "policy": "nobody-wrote-it"}})
    kstatus, argocd, message = settled(stage, "UnknownPolicy")
    assert (kstatus, argocd) == ("Failed", "Degraded")
    assert message.startswith("UnknownPolicy: spec.policy: PlacementPolicy 'nobody-wrote-it' doesn't exist")
    going = stage.infd()
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert judge(going) == ("Terminating", "Progressing", "is being deleted")


def test_policies_as_gitops_sees_them(stage: Stage) -> None:
    policy = stage.policy()
    with asleep(stage):
        stage.apply(policy)
        assert judge(stage.get("plp", stage.namespace)) == ("Current", "Healthy", "")
    eventually(lambda: stage.get("plp", stage.namespace).get("status"))
    seen = stage.get("plp", stage.namespace)
    assert judge(seen) == ("Current", "Healthy", "")
    seen["status"]["conditions"][0].update(status="False", reason="DefaultConflict", message="two")
    assert judge(seen)[1:] == ("Degraded", "DefaultConflict: two")


def test_what_is_applied_again_is_not_written_and_shows_no_drift(stage: Stage) -> None:
    """By a field manager of its own, after the status has been written and defaults were filled in."""
    stage.pool("l4-spot", 1)
    objects = [stage.policy(), stage.workload()]
    stage.apply(*objects, server_side=True)
    stage.wait_ready()
    eventually(lambda: stage.get("plp", stage.namespace).get("status"))
    before = [stage.get(*what)["metadata"] for what in (("plp", stage.namespace), ("infd", "chat"))]
    stage.apply(*objects, server_side=True)
    after = [stage.get(*what)["metadata"] for what in (("plp", stage.namespace), ("infd", "chat"))]
    assert [each["resourceVersion"] for each in after] == [each["resourceVersion"] for each in before]
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    options = ("--server-side", "--field-manager=gitops")
    assert stage.kubectl("diff", *options, "-f", "-", input=content) == ""  # exit code 0: no difference


def test_pruning_removes_all_that_was_made(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload(), server_side=True)
    stage.wait_ready()
    kinds = "deployments,replicasets,pods,services,pdb,endpointslices"
    assert len(stage.items(kinds)) >= 5
    stage.kubectl("delete", "infd", "chat", "--cascade=background")
    eventually(lambda: stage.items(kinds), lambda found: not found)


def test_the_config_map_holds_the_very_scripts() -> None:
    data = yaml.safe_load((ARGOCD / "argocd-cm.yaml").read_text())["data"]
    prefix = "resource.customizations.health."
    scripts = {
        f"{prefix}{path.parent.parent.name}_{path.parent.name}": path.read_text()
        for path in (ARGOCD / "health").rglob("health.lua")
    }
    application = f"{prefix}argoproj.io_Application"
    assert data.keys() == scripts.keys() | {application}
    assert {key: text for key, text in data.items() if key != application} == scripts


def test_the_examples_say_what_comes_first() -> None:
    applications = [a for a in yaml.safe_load_all((ARGOCD / "applications.yaml").read_text()) if a]
    waves = {
        a["metadata"]["name"]: a["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"]
        for a in applications
    }
    assert waves == {"stowage": "0", "stowage-policies": "1", "models": "2"}
    assert [a["spec"]["syncPolicy"]["automated"]["prune"] for a in applications] == [False, True, True]
    flux = yaml.safe_load_all((ARGOCD.parent / "flux" / "kustomizations.yaml").read_text())
    steps = [each for each in flux if each["kind"] == "Kustomization"]
    assert [(s["metadata"]["name"], s["spec"].get("dependsOn")) for s in steps] == [
        ("stowage", None),
        ("stowage-policies", [{"name": "stowage"}]),
        ("models", [{"name": "stowage-policies"}]),
    ]
    assert all(s["spec"]["wait"] for s in steps)

"""``stowage plan`` and ``explain`` beside a running operator: they say what it does, and write nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import yaml
from tests.cluster.harness import ROOT, USER, WAIT_SECONDS, Object, Stage, eventually

from devcluster.audit import AuditLog
from stowage.api.meta import FIELD_MANAGER
from stowage.cluster.transport import USER_AGENT
from stowage.render.equality import difference

pytestmark = pytest.mark.cluster


def stowage(stage: Stage, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "KUBECONFIG": str(stage.cluster.kubeconfig)}
    command = [sys.executable, "-m", "stowage", *arguments]
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        env=environment,
        cwd=ROOT,
        timeout=120,
        check=False,
    )


def plan(stage: Stage, *objects: Object, output: str) -> str:
    done = stowage(stage, "plan", "-f", "-", "-o", output, stdin=yaml.safe_dump_all(objects))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_manifests_are_what_the_operator_applies(stage: Stage) -> None:
    """Before there is the object, and again once it serves: then each is equal to what is live."""
    stage.pool("l4-spot", 1)
    policy, workload = stage.policy(), stage.workload()
    before = list(yaml.safe_load_all(plan(stage, policy, workload, output="manifests")))
    assert [m["kind"] for m in before] == ["Service", "PodDisruptionBudget", "Deployment"]
    stage.apply(policy, workload)
    stage.wait_ready()
    after = list(yaml.safe_load_all(plan(stage, workload, output="manifests")))
    for rendered in after:
        live = stage.get(rendered["kind"], rendered["metadata"]["name"])
        assert difference(rendered, live, FIELD_MANAGER) is None
        del rendered["metadata"]["ownerReferences"]
    assert after == before


def test_explain_shows_each_candidate_with_its_room_and_writes_nothing(stage: Stage, audit: AuditLog) -> None:
    pool = stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    eventually(lambda: [p for p in stage.pods() if p["spec"].get("nodeName")], seconds=WAIT_SECONDS)
    audit.mark()
    done = stowage(stage, "explain", f"{stage.namespace}/chat", "-o", "json")
    assert done.returncode == 0, done.stderr
    (decision,) = json.loads(done.stdout)["decisions"]
    here = [c for c in decision["candidates"] if c["pool"] == pool and c["room"]]
    assert (here[0]["verdict"], here[0]["room"]) == ("Chosen", {"free": 1, "provisionable": 0})
    table = stowage(stage, "explain", f"{stage.namespace}/chat").stdout
    assert "room for 1 replica" in table
    ours = [r for r in audit.requests(user_agent=USER_AGENT) if not r.user.startswith(USER)]
    assert ours
    assert not [r for r in ours if r.is_write]
    unknown = stowage(stage, "explain", f"{stage.namespace}/other")
    assert (unknown.returncode, unknown.stderr.count("\n")) == (1, 1)

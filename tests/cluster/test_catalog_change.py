"""A change of the catalog restarts no model server by itself."""

from __future__ import annotations

import time

import pytest
import yaml
from tests.cluster.harness import FP8, Object, Stage, eventually

from stowage.catalog.loader import source

pytestmark = pytest.mark.cluster


def changed_runtime(tag: str) -> Object:
    """vLLM from another image."""
    manifest: Object = yaml.safe_load(source("vllm"))
    for support in manifest["spec"]["supports"]:
        support["image"] = f"example.com/vllm:{tag}"
    return manifest


def image(stage: Stage, name: str) -> str:
    (found,) = eventually(lambda: stage.pods(name), lambda pods: len(pods) == 1)
    return str(found["spec"]["containers"][0]["image"])


def test_another_image_waits_for_an_edit_unless_upgrades_are_automatic(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    stage.apply(
        stage.policy(),
        stage.workload("pinned"),
        stage.workload("automatic", runtimeUpgrade="Automatic"),
    )
    stage.wait_ready("pinned", "automatic")
    pods, revision = stage.pod_names("pinned"), stage.placement("pinned")["runtimeRevision"]
    stage.apply(changed_runtime("2"))
    try:
        eventually(lambda: image(stage, "automatic"), lambda found: found == "example.com/vllm:2")
        # The generation is the same, so the condition from before would do until the status is written.
        eventually(lambda: stage.placement("automatic")["runtimeRevision"], lambda found: found != revision)
        stage.wait_ready("automatic")
        stage.patch("infd/pinned", {"spec": {"replicas": 2}})
        stage.wait_ready("pinned")
        assert set(pods) < set(stage.pod_names("pinned"))
        assert stage.placement("pinned")["runtimeRevision"] == revision
        stage.patch("infd/pinned", {"spec": {"replicas": 1}})
        eventually(lambda: len(stage.pods("pinned")) == 1)
        stage.patch("infd/pinned", {"spec": {"variants": [{**FP8, "uri": "hf://example/other"}]}})
        eventually(lambda: image(stage, "pinned"), lambda found: found == "example.com/vllm:2")
        stage.wait_ready("pinned")
        assert stage.placement("pinned")["runtimeRevision"] != revision
    finally:
        stage.kubectl("delete", "infrt", "vllm")


def test_another_policy_restarts_nothing(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    pods, (before,) = stage.pod_names(), stage.deployments()
    stage.apply(stage.policy(tolerations=["example.com/odd"], fallback={"startTimeout": "1h"}))
    time.sleep(2.0)
    (after,) = stage.deployments()
    assert after["spec"]["template"] == before["spec"]["template"]
    assert stage.pod_names() == pods


def test_automatic_upgrades_keep_to_the_move_budget(stage: Stage) -> None:
    stage.pool("l4-spot", 3)
    names = ["first", "second", "third"]
    late = {"annotations": {"simulation.example.com/ready-after": "1s"}}
    automatic = {"runtimeUpgrade": "Automatic", "template": late}
    stage.apply(
        stage.policy(disruption={"maxConcurrentMoves": 1}),
        *(stage.workload(name, **automatic) for name in names),
    )
    stage.wait_ready(*names)
    stage.apply(changed_runtime("3"))
    at_once: list[int] = []

    def images() -> list[str]:
        pods = [pod for pod in stage.items("pods") if "deletionTimestamp" not in pod["metadata"]]
        owners = [pod["metadata"]["labels"]["stowage.dev/inference-deployment"] for pod in pods]
        at_once.append(sum(owners.count(name) > 1 for name in names))
        return sorted(pod["spec"]["containers"][0]["image"] for pod in pods)

    try:
        eventually(images, lambda found: found == ["example.com/vllm:3"] * 3, 60.0)
        stage.wait_ready(*names)
        assert max(at_once) == 1, at_once
    finally:
        stage.kubectl("delete", "infrt", "vllm")

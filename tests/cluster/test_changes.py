"""Level-triggered: whatever changes, the cluster ends as the objects say."""

from __future__ import annotations

import signal

import pytest
import yaml
from tests.cluster.harness import BF16, FP8, Object, PodWatch, Stage, eventually

from stowage.catalog.loader import source

pytestmark = pytest.mark.cluster


def only(stage: Stage, name: str = "chat") -> Object:
    """The one Deployment, once it is the only one."""
    (found,) = eventually(lambda: stage.deployments(name), lambda each: len(each) == 1)
    return found


def test_a_change_of_replicas_scales_in_place(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    first = stage.pod_names()
    stage.patch("infd/chat", {"spec": {"replicas": 3}})
    stage.wait_ready()
    assert len(stage.pod_names()) == 3
    assert set(first) < set(stage.pod_names())


def test_a_change_of_the_uri_rolls_the_pods_in_place(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    stage.apply(stage.policy(), stage.workload(replicas=2))
    stage.wait_ready()
    before = only(stage)
    with PodWatch(stage) as watch:
        eventually(watch.ready_counts, lambda counts: counts[-1:] == [2])
        stage.apply(stage.workload(replicas=2, variants=[{**FP8, "uri": "hf://example/llama-fp8-v2"}]))
        stage.wait_ready()
        eventually(lambda: "llama-fp8-v2" in str(stage.pods()) and len(stage.pods()) == 2)
        eventually(watch.ready_counts, lambda counts: counts[-1:] == [2])
        counts = watch.ready_counts()
    assert min(counts[counts.index(2) :]) >= 2
    after = only(stage)
    assert after["metadata"]["name"] == before["metadata"]["name"]
    (server,) = after["spec"]["template"]["spec"]["containers"]
    assert "example/llama-fp8-v2" in " ".join(server["args"])


def test_a_variant_that_no_longer_will_do_is_left_make_before_break(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    low = {**FP8, "quality": "0.98"}
    spec = {"replicas": 2, "variants": [low, BF16]}
    stage.apply(stage.policy(goal="HighestThroughput"), stage.workload(**spec))
    stage.wait_ready()
    old = only(stage)
    assert stage.placement()["variant"] == "fp8"
    with PodWatch(stage) as watch:
        eventually(watch.ready_counts, lambda counts: counts[-1:] == [2])
        stage.apply(stage.workload(**spec, requirements={"minQuality": "0.99"}))
        new = eventually(
            lambda: [d for d in stage.deployments() if d["metadata"]["uid"] != old["metadata"]["uid"]]
        )
        stage.wait_ready()
        assert only(stage)["metadata"]["name"] == new[0]["metadata"]["name"]
        eventually(watch.ready_counts, lambda counts: counts[-1:] == [2])
        counts = watch.ready_counts()
    assert min(counts[counts.index(2) :]) >= 2, counts
    assert stage.placement()["variant"] == "bf16"
    assert stage.get("service", "chat")["spec"]["selector"] == {"stowage.dev/inference-deployment": "chat"}


def test_a_class_that_the_policy_excludes_is_left(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.pool("a100-80", 1)
    stage.apply(stage.policy(), stage.workload(variants=[BF16]))
    stage.wait_ready()
    assert stage.placement()["acceleratorClass"] == "nvidia-l4"
    tiers = [{"name": "all", "accelerators": {"excludeClasses": ["nvidia-l4"]}}]
    stage.apply(stage.policy(tiers=tiers))
    eventually(stage.infd, lambda it: it["status"]["placements"][0]["acceleratorClass"] == "nvidia-a100-80gb")
    stage.wait_ready()
    assert only(stage)["metadata"]["annotations"]["stowage.dev/accelerator-class"] == "nvidia-a100-80gb"


def test_a_policy_that_takes_all_and_gives_it_back_changes_no_pod(stage: Stage) -> None:
    """The only device is taken by the deployment itself: it must not wait for itself."""
    stage.pool("t4", 1)
    awq = {**FP8, "name": "awq", "precision": "int4", "size": "5300Mi", "uri": "hf://example/llama-awq"}
    awq["quantization"] = {"scheme": "awq", "weights": "int4", "activations": "fp16"}
    stage.apply(stage.policy(), stage.workload(variants=[awq]))
    stage.wait_ready()
    pods = stage.pod_names()
    none = [{"name": "all", "accelerators": {"excludeClasses": ["nvidia-t4"]}}]
    stage.apply(stage.policy(tiers=none))
    eventually(lambda: stage.condition("Placed"), lambda found: found.get("status") == "False")
    assert "1 replica goes on serving" in stage.condition("Ready")["message"]
    stage.apply(stage.policy())
    stage.wait_ready()
    assert stage.pod_names() == pods


def test_a_class_object_replaces_the_catalogs_and_gives_it_back(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.pool("a100-80", 1)
    both = [FP8, {**BF16, "quality": "1.0"}]
    stage.apply(stage.policy(goal="HighestThroughput"), stage.workload(variants=both, requirements={}))
    stage.wait_ready()
    before = stage.placement()
    override = yaml.safe_load(source(before["acceleratorClass"]))
    kept = [p for p in override["spec"]["precisions"] if p["name"] != before["precision"]]
    override["spec"]["precisions"] = kept
    stage.apply(override)
    try:
        eventually(stage.infd, lambda it: all(_kind(p) != _kind(before) for p in it["status"]["placements"]))
        stage.wait_ready()
        reasons = stage.infd()["status"]["candidates"]
        assert any(r["code"] == "PrecisionNotNative" for c in reasons for r in c.get("reasons", ()))
    finally:
        stage.kubectl("delete", "accel", before["acceleratorClass"])
    stage.apply(stage.workload("other", variants=[v for v in both if v["name"] == before["variant"]]))
    stage.wait_ready("other")
    assert _kind(stage.placement("other")) == _kind(before)


def _kind(placement: Object) -> tuple[str, str]:
    return placement["acceleratorClass"], placement["variant"]


def test_what_was_unplaced_is_placed_when_a_node_appears_or_is_uncordoned(stage: Stage) -> None:
    stage.apply(stage.policy(), stage.workload())
    eventually(lambda: stage.condition("Placed"), lambda found: found.get("status") == "False")
    pool = stage.pool("l4-spot", 1)
    stage.wait_ready()
    stage.kubectl("cordon", f"{pool}-1")
    stage.patch("infd/chat", {"spec": {"replicas": 2}})
    stage.wait_for("Placed", "PartiallyPlaced")
    stage.kubectl("uncordon", f"{pool}-1")
    stage.wait_ready()


def test_a_cordoned_node_keeps_what_serves(stage: Stage) -> None:
    pool = stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    pods = stage.pod_names()
    stage.kubectl("cordon", f"{pool}-1")
    stage.apply(stage.workload("late"))
    found = stage.wait_for("Placed", "NoCapacity", "late")
    assert "cordoned" in found["message"]
    assert stage.pod_names() == pods
    assert stage.condition("Ready")["status"] == "True"
    stage.kubectl("delete", "node", f"{pool}-1")
    eventually(lambda: stage.condition("Ready"), lambda ready: ready["status"] == "False")
    stage.pool("l4-spot", 1)
    stage.wait_ready("chat", "late")


def test_children_deleted_by_hand_come_back(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    name = only(stage)["metadata"]["name"]
    for child in (f"deployment/{name}", "service/chat", "pdb/chat"):
        uid = stage.get(child)["metadata"]["uid"]
        stage.kubectl("delete", child)
        eventually(
            lambda child=child: stage.get(child), lambda it, uid=uid: it and it["metadata"]["uid"] != uid
        )
    stage.wait_ready()


def test_what_was_edited_by_hand_is_put_back(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    before = only(stage)
    name, spec = before["metadata"]["name"], before["spec"]["template"]["spec"]
    stage.kubectl("set", "image", f"deployment/{name}", "server=example.com/mine:1")
    stage.kubectl("scale", f"deployment/{name}", "--replicas=2")
    stage.patch("service/chat", {"spec": {"selector": {"app": "other"}}})
    eventually(lambda: only(stage)["spec"]["template"]["spec"], lambda found: found == spec)
    eventually(lambda: only(stage)["spec"]["replicas"], lambda count: count == 1)
    selector = {"stowage.dev/inference-deployment": "chat"}
    eventually(lambda: stage.get("service", "chat")["spec"]["selector"], lambda found: found == selector)
    stage.wait_ready()


def test_what_others_add_to_children_stays(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    name = only(stage)["metadata"]["name"]
    stage.kubectl("annotate", "service", "chat", "example.com/dashboard=yes")
    stage.kubectl("label", "deployment", name, "example.com/team=shop")
    stage.patch("infd/chat", {"spec": {"replicas": 2}})
    stage.wait_ready()
    assert stage.get("service", "chat")["metadata"]["annotations"]["example.com/dashboard"] == "yes"
    assert only(stage)["metadata"]["labels"]["example.com/team"] == "shop"


def test_a_killed_operator_finds_everything_again_and_changes_no_pod(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    stage.apply(stage.policy(), stage.workload(replicas=2), stage.workload("full", replicas=3))
    stage.wait_ready()
    pods = stage.pod_names()
    deployments = {d["metadata"]["name"]: d["metadata"]["generation"] for d in stage.deployments()}
    stage.operator.stop(signal.SIGKILL)
    stage.kubectl("delete", "service", "chat")
    stage.apply(stage.workload("later"))
    stage.operator.start()
    eventually(lambda: stage.get("service", "chat"))
    stage.wait_for("Placed", "NoCapacity", "later")
    stage.wait_ready()
    assert stage.pod_names() == pods
    assert {d["metadata"]["name"]: d["metadata"]["generation"] for d in stage.deployments()} == deployments


def test_a_restart_in_the_midst_of_a_move_ends_the_move(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    slow = {"annotations": {"simulation.example.com/ready-after": "3s"}}
    low = {**FP8, "quality": "0.98"}
    stage.apply(stage.policy(goal="HighestThroughput"), stage.workload(variants=[low, BF16], template=slow))
    stage.wait_ready()
    requirements = {"minQuality": "0.99"}
    stage.apply(stage.workload(variants=[low, BF16], template=slow, requirements=requirements))
    eventually(lambda: len(stage.deployments()) == 2)
    stage.operator.restart()
    stage.wait_ready()
    assert only(stage)["metadata"]["annotations"]["stowage.dev/variant"] == "bf16"
    assert len(eventually(stage.pods, lambda found: len(found) == 1)) == 1

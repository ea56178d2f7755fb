"""Fallback: what fails is left alone for a while, and the next candidate starts whole."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.cluster.harness import BF16, FP8, TEST_LABEL, Object, Stage, eventually

pytestmark = pytest.mark.cluster

WAIT = 60.0
NEVER_READY = {"annotations": {"simulation.example.com/ready-after": "never"}}
VARIANTS = [FP8, {**BF16, "accelerators": {"classes": ["nvidia-a100-80gb"]}}]
"""An L4 serves the first, an A100, which doesn't compute fp8, the second."""


def tiers() -> list[Object]:
    classes = {"l4": "nvidia-l4", "a100": "nvidia-a100-80gb"}
    return [{"name": name, "accelerators": {"classes": [each]}} for name, each in classes.items()]


def backoffs(stage: Stage, name: str = "chat") -> dict[str, str]:
    """Reason of each backoff, by variant and pool."""
    found = (stage.infd(name).get("status") or {}).get("backoffs", ())
    return {"{0} {2}".format(*each["candidate"].split("/")): each["reason"] for each in found}


def placed(stage: Stage, name: str = "chat") -> list[str]:
    """Variant and pool of each placement that isn't draining."""
    found = (stage.infd(name).get("status") or {}).get("placements", ())
    return [f"{each['variant']} {each['pool']}" for each in found if not each.get("draining")]


def wait_for_fallback(stage: Stage, failed: str, reason: str, to: str, name: str = "chat") -> None:
    eventually(lambda: backoffs(stage, name), lambda found: found == {failed: reason}, WAIT)
    eventually(lambda: placed(stage, name), lambda found: found == [to], WAIT)


def set_status(stage: Stage, pod: str, status: Object) -> None:
    change = json.dumps({"status": status})
    stage.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", change)


def pod_status(pod: Object, *, ready: bool, **container: Any) -> Object:
    """As the kubelet would write it of the pod's one container."""
    (spec,) = pod["spec"]["containers"]
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    conditions = [
        {"type": kind, "status": str(ready or kind == "PodScheduled"), "lastTransitionTime": now}
        for kind in ("PodScheduled", "Ready", "ContainersReady")
    ]
    own = {"name": spec["name"], "image": spec["image"], "imageID": "", "ready": ready, "started": ready}
    return {"phase": "Running", "conditions": conditions, "containerStatuses": [{**own, **container}]}


def make_ready(stage: Stage, name: str, pool: str) -> None:
    """Lets the deployment's pods on a pool be ready, which their annotation forbids."""
    on_pool = eventually(
        lambda: [p for p in stage.pods(name) if p["spec"].get("nodeName", "").startswith(pool)
                 and p["status"]["phase"] == "Running"],
        seconds=WAIT,
    )  # fmt: skip
    for pod in on_pool:
        running = {"restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
        set_status(stage, pod["metadata"]["name"], pod_status(pod, ready=True, **running))


def ended(reason: str) -> Object:
    times = {"startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:05Z"}
    return {"terminated": {"exitCode": 1, "reason": reason, "message": "these are its last words\n", **times}}


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting"}}
NO_IMAGE = {"waiting": {"reason": "ImagePullBackOff", "message": "no such tag"}}
BROKEN: dict[str, Object] = {
    "ImagePullBackOff": {"restartCount": 0, "state": NO_IMAGE},
    "CrashLoop": {"restartCount": 3, "state": BACK_OFF, "lastState": ended("Error")},
    "OOMKilled": {"restartCount": 2, "state": BACK_OFF, "lastState": ended("OOMKilled")},
}


def test_what_breaks_moves_on_as_a_whole_and_is_remembered(stage: Stage) -> None:
    first, second = stage.pool("l4-spot", 2, "first"), stage.pool("a100-80", 1, "second")
    names = {reason: reason.lower() for reason in BROKEN}
    stage.apply(
        stage.policy(tiers=tiers(), fallback={"after": "10m", "backoff": "30m"}),
        # The other one takes the fourth L4, where another runtime would be the next candidate.
        *(stage.workload(n, variants=VARIANTS, template=NEVER_READY) for n in (*names.values(), "the-other")),
    )
    eventually(lambda: placed(stage, "the-other"), lambda found: found == [f"fp8 {first}"], WAIT)
    for reason, name in names.items():
        (pod,) = eventually(
            lambda name=name: stage.pods(name),  # type: ignore[misc]
            lambda found: [p["status"]["phase"] for p in found] == ["Running"],
            WAIT,
        )
        assert pod["spec"]["nodeName"].startswith(first)
        set_status(stage, pod["metadata"]["name"], pod_status(pod, ready=False, **BROKEN[reason]))
    for reason, name in names.items():
        wait_for_fallback(stage, f"fp8 {first}", reason, f"bf16 {second}", name)
        # What failed stays until its successor serves.
        assert len(eventually(lambda name=name: stage.deployments(name), lambda d: len(d) == 2)) == 2  # type: ignore[misc]
        make_ready(stage, name, second)
        stage.wait_ready(name)
        (left,) = eventually(lambda name=name: stage.deployments(name), lambda d: len(d) == 1)  # type: ignore[misc]
        (container,) = left["spec"]["template"]["spec"]["containers"]
        assert "hf://example/llama-fp8" not in json.dumps(left)
        assert BF16["uri"].removeprefix("hf://") in " ".join(container["args"])
    before = {name: stage.infd(name)["status"]["backoffs"] for name in names.values()}
    assert "no such tag" in before["imagepullbackoff"][0]["message"]
    crashed = before["crashloop"][0]["message"]
    assert crashed == "its container crashed 3 times, at last with Error: these are its last words"
    stage.operator.restart()
    stage.kubectl("annotate", "infd", "--all", "tests.stowage.dev/look=again")
    for name in names.values():
        stage.wait_ready(name)
        assert stage.infd(name)["status"]["backoffs"] == before[name]
        assert placed(stage, name) == [f"bf16 {second}"]


def pool_to_come(stage: Stage) -> Object:
    """A pool of L4 nodes that an autoscaler could bring."""
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "AcceleratorPool",
        "metadata": {"name": f"{stage.namespace}-to-come", "labels": {TEST_LABEL: stage.namespace}},
        "spec": {
            "nodeSelector": {
                "cloud.google.com/gke-nodepool": f"{stage.namespace}-to-come",
                TEST_LABEL: stage.namespace,
            },
            "acceleratorClass": "nvidia-l4",
            "provisionable": {"maxNodes": 2, "devicesPerNode": 1},
        },
    }


def autoscaler_event(stage: Stage, pod: Object, reason: str, message: str) -> Object:
    """An event of the core API, as autoscalers write them."""
    metadata, now = pod["metadata"], time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    regarding = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{metadata['name']}.{reason.lower()}", "namespace": stage.namespace},
        "involvedObject": {**regarding, "namespace": stage.namespace},
        "reason": reason,
        "message": message,
        "type": "Normal",
        "source": {"component": "cluster-autoscaler"},
        "firstTimestamp": now,
        "lastTimestamp": now,
    }


def test_unschedulable_pods_wait_for_an_autoscaler_and_for_their_successor(stage: Stage) -> None:
    second = stage.pool("a100-80", 1, "second")
    come = pool_to_come(stage)["metadata"]["name"]

    def policy(**fallback: str) -> Object:
        return stage.policy(tiers=tiers(), fallback=fallback, serveWhileProvisioning=False)

    workload = stage.workload(variants=VARIANTS, template=NEVER_READY)
    stage.apply(pool_to_come(stage), policy(after="10m"), workload)
    (pod,) = eventually(stage.pods, lambda found: len(found) == 1, WAIT)
    eventually(lambda: placed(stage), lambda found: found == [f"fp8 {come}"])
    triggered = "pod triggered scale-up: [{to-come 0->1 (max: 2)}]"
    stage.apply(autoscaler_event(stage, pod, "TriggeredScaleUp", triggered))
    stage.apply(policy(after="1s", provisioningTimeout="10m"))
    time.sleep(4)  # nothing happens, since nodes are being brought
    assert backoffs(stage) == {}
    assert placed(stage) == [f"fp8 {come}"]
    stage.apply(policy(after="1s", provisioningTimeout="2s", backoff="30m"))
    wait_for_fallback(stage, f"fp8 {come}", "Unschedulable", f"bf16 {second}")
    names = eventually(stage.pod_names, lambda found: len(found) == 2)
    assert pod["metadata"]["name"] in names, "it is what the autoscaler brings nodes for"
    # The node comes after all, and what had failed serves before its successor does.
    assert stage.pool("l4-spot", 1, "to-come") == come
    make_ready(stage, "chat", come)
    stage.wait_ready(seconds=WAIT)
    eventually(stage.pod_names, lambda found: found == [pod["metadata"]["name"]], WAIT)
    assert placed(stage) == [f"fp8 {come}"]
    assert backoffs(stage) == {f"fp8 {come}": "Unschedulable"}, "it is remembered"


def test_a_node_claim_that_is_gone_brings_no_node(stage: Stage) -> None:
    """Karpenter deletes the claim when the cloud has no machine; this cluster has none at all."""
    second = stage.pool("a100-80", 1, "second")
    come = pool_to_come(stage)["metadata"]["name"]

    def policy(after: str) -> Object:
        fallback = {"after": after, "provisioningTimeout": "10m", "backoff": "30m"}
        return stage.policy(tiers=tiers(), fallback=fallback, serveWhileProvisioning=False)

    workload = stage.workload(variants=VARIANTS, template=NEVER_READY)
    stage.apply(pool_to_come(stage), policy("10m"), workload)
    (pod,) = eventually(stage.pods, lambda found: len(found) == 1, WAIT)
    nominated = "Pod should schedule on: nodeclaim/to-come-x7k2p"
    stage.apply(autoscaler_event(stage, pod, "Nominated", nominated))
    stage.apply(policy("1s"))
    wait_for_fallback(stage, f"fp8 {come}", "Unschedulable", f"bf16 {second}")


def test_a_quota_that_lets_no_pod_be_made_is_seen_and_named(stage: Stage) -> None:
    stage.pool("l4-spot", 1, "first")
    stage.pool("a100-80", 1, "second")
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-pods", "namespace": stage.namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    stage.apply(quota)
    eventually(lambda: stage.get("resourcequota", "no-pods")["status"].get("used"))
    stage.apply(
        stage.policy(tiers=tiers(), fallback={"after": "1s", "backoff": "30m"}),
        stage.workload(variants=VARIANTS),
    )
    # Whatever is tried meets the quota; what was tried last is kept, and status says what failed.
    found = stage.wait_for("Ready", "PodsRefused", seconds=WAIT)
    assert found["status"] == "False"
    assert "exceeded quota: no-pods" in found["message"]
    eventually(lambda: backoffs(stage), lambda each: list(each.values()) == ["PodsRefused"] * 2, WAIT)
    assert stage.deployments()
    stage.kubectl("delete", "resourcequota", "no-pods")
    stage.wait_ready(seconds=120)
    eventually(stage.deployments, lambda each: len(each) == 1)


def test_a_slow_load_is_no_failure_and_a_lost_spot_node_is_one_at_once(stage: Stage) -> None:
    first, second = stage.pool("l4-spot", 1, "first"), stage.pool("a100-80", 1, "second")
    loads = {"annotations": {"simulation.example.com/ready-after": "5s"}}
    stage.apply(
        stage.policy(tiers=tiers(), fallback={"after": "1s", "backoff": "30m"}),
        stage.workload(variants=VARIANTS, template=loads),
    )
    stage.wait_ready(seconds=WAIT)
    assert backoffs(stage) == {}
    assert placed(stage) == [f"fp8 {first}"]
    stage.apply(stage.policy(tiers=tiers(), fallback={"after": "1h", "backoff": "30m"}))
    (pod,) = stage.pods()
    stage.kubectl("delete", "node", pod["spec"]["nodeName"])
    wait_for_fallback(stage, f"fp8 {first}", "NodeLost", f"bf16 {second}")
    stage.wait_ready(seconds=WAIT)
    # Another than a spot node may come back in the policy's time.
    (pod,) = eventually(stage.pods, lambda found: len(found) == 1, WAIT)
    stage.kubectl("delete", "node", pod["spec"]["nodeName"])
    stage.wait_for("Ready", "NodeLost", seconds=WAIT)
    stage.pool("a100-80", 1, "second")
    stage.wait_ready(seconds=WAIT)
    assert placed(stage) == [f"bf16 {second}"]
    assert backoffs(stage) == {f"fp8 {first}": "NodeLost"}


def test_a_roll_that_breaks_says_so_and_takes_nothing_away(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.pool("a100-80", 1, "second")
    stage.apply(stage.policy(tiers=tiers()), stage.workload(variants=VARIANTS))
    stage.wait_ready()
    (old,) = stage.pod_names()
    before = placed(stage)
    stage.apply(stage.workload(variants=VARIANTS, template=NEVER_READY))
    (new,) = eventually(
        lambda: [
            p for p in stage.pods() if p["metadata"]["name"] != old and p["status"]["phase"] == "Running"
        ],
        seconds=WAIT,
    )
    broken = pod_status(new, ready=False, **BROKEN["ImagePullBackOff"])
    set_status(stage, new["metadata"]["name"], broken)
    found = stage.wait_for("Ready", "ImagePullBackOff", seconds=WAIT)
    assert "no such tag" in found["message"]
    assert (placed(stage), backoffs(stage)) == (before, {})
    assert old in stage.pod_names()
    stage.apply(stage.workload(variants=VARIANTS))
    stage.wait_ready(seconds=WAIT)

"""A model that is fetched into its pod: the init container, and a fetch that fails.

What the fetcher itself does is tested in tests/fetcher; here a pod says what the kubelet would say of it.
"""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.cluster.harness import Object, Stage, eventually

pytestmark = pytest.mark.cluster

URI = "https://models.example.com/digits/net.onnx"
MODEL = {
    "name": "digits",
    "task": "image-classification",
    "inference": {"flops": 4100000000, "activationMemory": "100Mi"},
}
FETCHED = {"name": "fetched", "precision": "fp32", "format": "onnx", "uri": URI, "size": "90Mi"}
STORED = {**FETCHED, "name": "stored", "uri": "oci://example.com/net:1", "quality": "0.9"}
NEVER_READY = {"annotations": {"simulation.example.com/ready-after": "never"}}
NO_FILE = "net.onnx: the store answers 404: it has no such file; correct the variant's uri"
LONG_AGO, LATER = "2026-01-01T00:00:00Z", "2026-01-01T00:00:05Z"
RUNNING = {"running": {"startedAt": LONG_AGO}}
INITIALIZING = {"waiting": {"reason": "PodInitializing"}}
DONE = {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": LONG_AGO, "finishedAt": LATER}}


def prepare(stage: Stage, **policy: Any) -> str:
    """Two pools of CPU nodes, of which the first is preferred, and a policy that lets them serve."""
    first, second = stage.pool("cpu-amx", 1, "first"), stage.pool("cpu-amx", 1, "second")
    tiers = [
        {"name": name, "accelerators": {"types": ["CPU"], "nodeSelector": {POOL: pool}}}
        for name, pool in (("first", first), ("second", second))
    ]
    stage.apply(stage.policy(tiers=tiers, allowCPU=True, **policy))
    return first


POOL = "cloud.google.com/gke-nodepool"


def digits(stage: Stage, *variants: Object, **spec: Any) -> Object:
    return stage.workload("digits", model=MODEL, variants=list(variants or (FETCHED,)), **spec)


def status_of(stage: Stage, fetcher: Object, server: Object, *, ready: bool = False) -> Object:
    """A pod's status as the kubelet would write it."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def condition(kind: str, *, true: bool) -> Object:
        return {"type": kind, "status": str(true), "lastTransitionTime": now}

    def container(name: str, **more: Any) -> Object:
        return {"name": name, "image": name, "imageID": "", "restartCount": 0, "ready": False, **more}

    return {
        "phase": "Running" if ready else "Pending",
        "conditions": [
            condition("PodScheduled", true=True),
            condition("Ready", true=ready),
            condition("ContainersReady", true=ready),
        ],
        "initContainerStatuses": [container("fetcher", **fetcher)],
        "containerStatuses": [container("server", ready=ready, **server)],
    }


def say(stage: Stage, pod: Object, fetcher: Object, server: Object, *, ready: bool = False) -> None:
    change = json.dumps({"status": status_of(stage, fetcher, server, ready=ready)})
    name = pod["metadata"]["name"]
    stage.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", change)


def failed(code: int, message: str) -> Object:
    times = {"startedAt": LONG_AGO, "finishedAt": LATER}
    return {"state": {"terminated": {"exitCode": code, "reason": "Error", "message": message, **times}}}


def bound(stage: Stage, count: int = 1) -> list[Object]:
    """The pods, once each has a node and the simulation has said its word."""

    def there(pods: list[Object]) -> bool:
        return len(pods) == count and all(p["status"].get("phase") == "Running" for p in pods)

    return eventually(lambda: stage.pods("digits"), there)


def backoffs(stage: Stage) -> list[tuple[str, str, str]]:
    """Variant, reason and message of each."""
    found = (stage.infd("digits").get("status") or {}).get("backoffs", ())
    return [(b["candidate"].split("/")[0], b["reason"], b["message"]) for b in found]


def placed(stage: Stage) -> list[str]:
    found = (stage.infd("digits").get("status") or {}).get("placements", ())
    return [p["variant"] for p in found if not p.get("draining")]


def test_it_is_fetched_by_an_init_container_and_served(stage: Stage) -> None:
    trust = {"configMapName": "authorities"}
    store = {"uri": "https://models.example.com/", "secretName": "models"}
    prepare(stage, fetch={"stores": [store], "trust": trust, "image": "example.com/fetcher:2"})
    stage.apply(digits(stage))
    stage.wait_ready("digits")
    (pod,) = stage.pods("digits")
    (fetcher,), (server,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    assert fetcher["image"] == "example.com/fetcher:2"
    assert fetcher["args"][:2] == [f"--uri={URI}", "--output=/models/fetched"]
    assert fetcher["env"] == [
        {"name": "FETCH_TOKEN", "valueFrom": {"secretKeyRef": {"name": "models", "key": "token"}}}
    ]
    assert "--model-path=/models/fetched/net.onnx" in server["args"]
    mounts = {m["name"]: m for m in server["volumeMounts"]}
    assert mounts["model"] == {"name": "model", "mountPath": "/models/fetched", "readOnly": True}
    assert "secretKeyRef" not in json.dumps(server)
    assert pod["status"]["qosClass"] == "Guaranteed"

    # What the API server fills in is no difference, and the pod's policy is no cause to restart it.
    (before,) = stage.deployments("digits")
    stage.patch(f"plp/{stage.namespace}", {"spec": {"fetch": {"image": "example.com/fetcher:3"}}})
    stage.patch("infd/digits", {"spec": {"disruption": {"minAvailable": 0}}})
    eventually(
        lambda: stage.infd("digits")["status"]["observedGeneration"],
        lambda seen: bool(seen == stage.infd("digits")["metadata"]["generation"]),
    )
    (after,) = stage.deployments("digits")
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_the_fetcher_alone_is_admitted_where_pods_are_restricted(stage: Stage) -> None:
    prepare(stage, fetch={"trust": {"configMapName": "authorities"}})
    stage.apply(digits(stage))
    (pod,) = bound(stage)
    (fetcher,) = pod["spec"]["initContainers"]
    stage.kubectl("label", "namespace", stage.namespace, "pod-security.kubernetes.io/enforce=restricted")
    alone = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "alone", "namespace": stage.namespace},
        "spec": {
            "automountServiceAccountToken": False,
            "containers": [fetcher],
            "volumes": pod["spec"]["volumes"],
        },
    }
    stage.kubectl("apply", "--dry-run=server", "-f", "-", input=json.dumps(alone))
    del fetcher["securityContext"]["runAsNonRoot"]
    answer = stage.kubectl("apply", "--dry-run=server", "-f", "-", input=json.dumps(alone), check=False)
    assert "violates PodSecurity" in answer


def test_a_fetch_that_fails_blames_no_pool(stage: Stage) -> None:
    first = prepare(stage, fallback={"backoff": "30m"})
    stage.apply(digits(stage, template=NEVER_READY))
    (pod,) = bound(stage)
    assert pod["spec"]["nodeName"].startswith(first)
    say(stage, pod, failed(6, f"{NO_FILE}\n"), {"state": INITIALIZING})
    ready = stage.wait_for("Ready", "FetchFailed", "digits")
    assert ready["message"] == f"fetched failed, and nothing else can serve: {NO_FILE}"
    assert backoffs(stage) == [("fetched", "FetchFailed", NO_FILE)]
    # The second pool would have had room.
    assert [p["metadata"]["name"] for p in stage.pods("digits")] == [pod["metadata"]["name"]]
    verdicts = stage.infd("digits")["status"]["candidates"]
    assert {v["reasons"][0]["message"] for v in verdicts if v["reasons"][0]["code"] == "InBackoff"} >= {
        f"fetched failed lately: FetchFailed, {NO_FILE}"
    }

    # The store is mended, and the fetcher, which goes on trying, has it.
    say(stage, pod, {"state": DONE, "ready": True}, {"state": RUNNING, "started": True}, ready=True)
    stage.wait_ready("digits")
    assert stage.placement("digits")["pool"] == first


def test_another_variant_serves_in_its_place(stage: Stage) -> None:
    first = prepare(stage, fallback={"backoff": "30m"})
    stage.apply(digits(stage, FETCHED, STORED, template=NEVER_READY))
    (pod,) = bound(stage)
    assert placed(stage) == ["fetched"]
    say(stage, pod, failed(7, "models.example.com: DNS knows no such host; given up after 8 tries"),
        {"state": INITIALIZING})  # fmt: skip
    eventually(lambda: placed(stage), lambda found: found == ["stored"])
    assert stage.infd("digits")["status"]["placements"][0]["pool"] == first, "the pool is not to blame"


def test_a_full_disk_is_the_pools(stage: Stage) -> None:
    first = prepare(stage, fallback={"backoff": "30m"})
    stage.apply(digits(stage, template=NEVER_READY))
    (pod,) = bound(stage)
    said = "the disk under /models/fetched is full; use a node with more local disk, or a volume"
    say(stage, pod, failed(5, said), {"state": INITIALIZING})
    eventually(lambda: backoffs(stage), lambda found: found == [("fetched", "NoRoomForModel", said)])
    pools = eventually(lambda: [d["metadata"]["annotations"]["stowage.dev/pool"] for d in
                                stage.deployments("digits")], lambda found: len(found) == 2)  # fmt: skip
    assert set(pools) > {first}


def test_what_serves_goes_on_while_its_successor_cant_be_fetched(stage: Stage) -> None:
    prepare(stage)
    stage.apply(digits(stage))
    stage.wait_ready("digits")
    (old,) = stage.pods("digits")
    digest = f"sha256:{'cd' * 32}"
    stage.apply(digits(stage, {**FETCHED, "digest": digest}, template=NEVER_READY))
    (new,) = [p for p in bound(stage, 2) if p["metadata"]["uid"] != old["metadata"]["uid"]]
    said = (
        f"net.onnx has the digest sha256:{'ab' * 32}, and {digest} was asked for;"
        " correct the variant's digest or its uri"
    )
    say(stage, new, failed(4, said), {"state": INITIALIZING})
    ready = stage.wait_for("Ready", "FetchFailed", "digits")
    assert ready["message"] == f"{said}; 1 replica goes on serving"
    assert ready["status"] == "False"
    assert old["metadata"]["uid"] in {p["metadata"]["uid"] for p in stage.pods("digits")}
    assert backoffs(stage) == []


def test_the_time_of_a_fetch_is_no_time_of_the_start(stage: Stage) -> None:
    prepare(stage, fallback={"startTimeout": "2s", "backoff": "30m"})
    stage.apply(digits(stage, template=NEVER_READY))
    (pod,) = bound(stage)
    say(stage, pod, {"state": RUNNING}, {"state": INITIALIZING})
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        assert backoffs(stage) == []
    # Ended a while ago, and the server isn't ready.
    say(stage, pod, {"state": DONE, "ready": True}, {"state": RUNNING, "started": True})
    eventually(lambda: backoffs(stage), lambda found: [b[1] for b in found] == ["StartTimeout"])

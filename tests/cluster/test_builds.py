"""Variants are built when they are needed, gated by their measured quality, and served; never built twice.

What the builder itself does is tested in tests/builder; here a pod says what it would have reported.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.cluster.conftest import BUILDER
from tests.cluster.harness import TEST_LABEL, Object, Stage, eventually

pytestmark = pytest.mark.cluster

FP32 = {
    "name": "fp32",
    "precision": "fp32",
    "format": "onnx",
    "uri": "pvc://models/digits/model.onnx",
    "size": "90Mi",
}
INT8 = {
    "name": "int8",
    "precision": "int8",
    "format": "onnx",
    "build": {
        "from": "fp32",
        "method": "onnx-static-int8",
        "calibration": "pvc://models/digits/calibration.npz",
        "benchmark": True,
    },
}
MODEL = {
    "name": "digits",
    "task": "image-classification",
    "inference": {"flops": 4100000000, "activationMemory": "100Mi"},
}
DIGEST = f"sha256:{'ab' * 32}"


def measured(seconds: str) -> list[Object]:
    return [{"threads": 1, "p50Seconds": seconds, "p99Seconds": seconds, "requestsPerSecond": "70.5"}]


REPORT = {
    "source": {"file": "model.onnx", "digest": DIGEST, "size": 94371840},
    "calibration": {"file": "calibration.npz", "digest": DIGEST},
    "model": "model.onnx",
    "size": 24117248,
    "digest": f"sha256:{'cd' * 32}",
    "quality": {"value": "0.995", "metric": "top-1 agreement with the reference", "examples": 540},
    "benchmark": {"variant": measured("0.004"), "reference": measured("0.012")},
    "libraries": {"onnxruntime": "1.32.0"},
    "builder": "0.1.0",
}


def prepare(stage: Stage, **policy: Any) -> None:
    """CPU nodes, a volume with models, and a policy that lets variants be built."""
    stage.pool("cpu-amx", 2)
    volume = {"storageClassName": "", "accessModes": ["ReadWriteMany"]}
    stage.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{stage.namespace}-models", "labels": {TEST_LABEL: stage.namespace}},
            "spec": {**volume, "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/nowhere"}},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "models", "namespace": stage.namespace},
            "spec": {
                **volume,
                "volumeName": f"{stage.namespace}-models",
                "resources": {"requests": {"storage": "1Gi"}},
            },
        },
        stage.policy(
            tiers=[{"name": "cpus", "accelerators": {"types": ["CPU"]}}],
            allowCPU=True,
            goal="LowestLatency",
            **{"builds": {"claimName": "models", "nodeSelector": {TEST_LABEL: stage.namespace}}, **policy},
        ),
    )


def digits(stage: Stage, variants: list[Object] | None = None, **spec: Any) -> Object:
    return stage.workload("digits", model=MODEL, variants=variants or [FP32, INT8], **spec)


def told(stage: Stage, variant: str = "int8") -> Object:
    """What the status says of a variant; empty before it says anything."""
    variants = (stage.infd("digits").get("status") or {}).get("variants", ())
    return next((dict(v) for v in variants if v["name"] == variant), {})


def wait_for(stage: Stage, state: str) -> Object:
    return eventually(lambda: told(stage), lambda found: found.get("state") == state)


def verdict(stage: Stage) -> Object:
    """Code and sentence of the first reason against int8."""
    found = stage.infd("digits")["status"]["candidates"]
    reasons = next((c["reasons"] for c in found if c["variant"] == "int8"), [{}])
    return dict(reasons[0])


def serves(stage: Stage) -> list[str]:
    """The variants of the placements."""
    return [p["variant"] for p in (stage.infd("digits").get("status") or {}).get("placements", ())]


def announced(stage: Stage) -> list[tuple[str, str, str]]:
    """The events about builds, once the last one tells of an end."""

    def look() -> list[tuple[str, str, str]]:
        items = sorted(stage.items("events.events.k8s.io"), key=lambda e: e["eventTime"] or "")
        found = [(e["type"], e["reason"], e.get("note", "")) for e in items]
        return [e for e in found if e[1] in ("VariantBuilding", "VariantBuilt", "BuildFailed")]

    return eventually(look, lambda found: bool(found) and found[-1][1] != "VariantBuilding")


def jobs(stage: Stage) -> list[str]:
    return [job["metadata"]["uid"] for job in stage.items("jobs")]


def finish(stage: Stage, report: Object, code: int = 0, container: str = "builder") -> None:
    """Ends the pod that builds, with the last words of one of its containers, as the kubelet would."""
    pods = eventually(lambda: stage.items("pods", "--selector=stowage.dev/build=digits"))
    running = [p for p in pods if (p.get("status") or {}).get("phase") not in ("Succeeded", "Failed")]
    ended = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else "Error",
        "message": json.dumps(report),
        "startedAt": "2026-11-26T16:00:00Z",
        "finishedAt": "2026-11-26T16:05:00Z",
    }
    for pod in running:
        name = pod["metadata"]["name"]
        initial = {each["name"] for each in pod["spec"].get("initContainers") or ()}
        state = {
            "name": container,
            "image": "builder",
            "imageID": "",
            "ready": False,
            "restartCount": 0,
            "state": {"terminated": ended},
        }
        status = {
            "phase": "Succeeded" if code == 0 else "Failed",
            "initContainerStatuses" if container in initial else "containerStatuses": [state],
        }
        patch = json.dumps({"status": status})
        stage.kubectl("patch", "pod", name, "--subresource=status", "--type=merge", "-p", patch)


def wait_bound(stage: Stage) -> None:
    """Waits until the building pod has a node, which its report's profile speaks of."""
    eventually(
        lambda: stage.items("pods", "--selector=stowage.dev/build=digits"),
        lambda pods: bool(pods) and all(p["spec"].get("nodeName") for p in pods),
    )


def test_a_needed_variant_is_built_gated_and_served(stage: Stage) -> None:
    prepare(stage, moveBack={"after": "1s", "minimumGain": "0.10"})
    stage.apply(digits(stage, requirements={"minQuality": "0.99"}))

    stage.wait_ready("digits")
    wait_for(stage, "Building")
    assert serves(stage) == ["fp32"]
    assert verdict(stage) == {"code": "VariantBuilding", "message": "variant int8 is being built"}
    wait_bound(stage)
    (job,) = stage.items("jobs")
    (builder,) = job["spec"]["template"]["spec"]["containers"]
    assert builder["image"] == BUILDER

    finish(stage, REPORT)
    built = wait_for(stage, "Built")
    assert (built["quality"], built["size"], built["digest"]) == ("0.995", "24117248", f"sha256:{'cd' * 32}")
    assert built["uri"] == f"pvc://models/stowage/digits/int8-{built['inputs']}/model.onnx"
    (profile,) = built["profiles"]
    assert profile["acceleratorClass"].startswith("cpu-x86-amx")
    assert profile["latencySeconds"] == "0.004"
    assert told(stage, "fp32")["profiles"][0]["latencySeconds"] == "0.012"

    assert announced(stage)[1:] == [
        (
            "Normal",
            "VariantBuilt",
            "variant int8 was built: 24117248 bytes, quality 0.995 (top-1 agreement with the reference)",
        )
    ]

    # Measured three times as quick: it takes over, from the volume that it was built into.
    eventually(lambda: serves(stage), lambda found: found == ["int8"])
    stage.wait_ready("digits")
    placement = stage.placement("digits")
    assert placement["estimate"]["latencySeconds"] == "0.004"
    (deployment,) = stage.deployments("digits")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    mounts = {m["name"]: m for m in container["volumeMounts"]}
    assert mounts["model"]["subPath"] == f"stowage/digits/int8-{built['inputs']}"

    # What is built isn't built again, its Job gone or not; and the gate's numbers are in the reason.
    stage.kubectl("delete", "jobs", "--all")
    stage.patch("infd/digits", {"spec": {"requirements": {"minQuality": "0.999"}}})
    eventually(lambda: serves(stage), lambda found: found == ["fp32"])
    stage.wait_ready("digits")
    assert verdict(stage) == {
        "code": "QualityTooLow",
        "message": "quality of int8 is 0.995 (top-1 agreement with the reference, 540 examples), "
        "at least 0.999 is asked",
    }
    assert jobs(stage) == []
    assert told(stage) == built


REGISTRY = {
    "repository": "registry.example.com/team/models",
    "secretName": "push",
    "pullSecretName": "pull",
    "trust": {"configMapName": "authorities"},
}
IMAGE = f"sha256:{'12' * 32}"


def test_a_variant_in_a_registry_is_served_as_an_image_by_its_digest(stage: Stage) -> None:
    prepare(stage, builds={"registry": REGISTRY}, moveBack={"after": "1s", "minimumGain": "0.10"})
    stage.apply(digits(stage))
    wait_for(stage, "Building")
    wait_bound(stage)

    finish(stage, {**REPORT, "image": IMAGE}, container="push")

    built = wait_for(stage, "Built")
    assert built["uri"] == f"oci://{REGISTRY['repository']}@{IMAGE}"
    assert (built["size"], built["digest"]) == ("24117248", f"sha256:{'cd' * 32}")
    eventually(lambda: serves(stage), lambda found: found == ["int8"])
    stage.wait_ready("digits")
    (deployment,) = stage.deployments("digits")
    pod = deployment["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    reference = f"{REGISTRY['repository']}@{IMAGE}"
    assert volumes["model"]["image"] == {"reference": reference, "pullPolicy": "IfNotPresent"}
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    (container,) = pod["containers"]
    assert "/models/int8" in {mount["mountPath"] for mount in container["volumeMounts"]}


@pytest.mark.parametrize("container", ["pull", "push"])
def test_what_the_registry_refuses_is_said(stage: Stage, container: str) -> None:
    prepare(stage, builds={"registry": REGISTRY, "retries": 0})
    stage.apply(digits(stage))
    wait_for(stage, "Building")
    words = "registry.example.com: it doesn't accept the credentials"

    finish(stage, {"error": {"code": "StoreFailed", "message": words}}, code=5, container=container)

    failed = wait_for(stage, "Failed")
    assert (failed["reason"], failed["message"]) == ("BuildFailed", words)
    eventually(lambda: verdict(stage).get("code"), lambda code: code == "BuildFailed")
    assert serves(stage) == ["fp32"]


def test_a_failed_build_says_why_and_is_tried_anew_when_its_job_is_gone(stage: Stage) -> None:
    prepare(stage)
    stage.apply(digits(stage))
    wait_for(stage, "Building")

    finish(stage, {"error": {"code": "BadInput", "message": "calibration.npz can't be read as .npz"}}, code=3)
    failed = wait_for(stage, "Failed")
    assert (failed["reason"], failed["message"]) == ("BuildFailed", "calibration.npz can't be read as .npz")
    job = failed["provenance"]["job"]
    assert announced(stage) == [
        ("Normal", "VariantBuilding", f"variant int8: Job {job} builds it"),
        ("Warning", "BuildFailed", f"variant int8 could not be built: {failed['message']}"),
    ]
    eventually(lambda: verdict(stage).get("code"), lambda code: code == "BuildFailed")
    stage.wait_ready("digits")
    assert serves(stage) == ["fp32"]
    (first,) = jobs(stage)

    stage.kubectl("delete", "jobs", "--all")
    eventually(lambda: jobs(stage), lambda found: len(found) == 1 and found != [first])
    wait_for(stage, "Building")


def test_a_build_of_an_edited_variant_is_ended(stage: Stage) -> None:
    prepare(stage)
    stage.apply(digits(stage))
    before = wait_for(stage, "Building")
    (first,) = jobs(stage)

    other = {**INT8, "build": {**INT8["build"], "calibration": "pvc://models/digits/more.npz"}}
    stage.apply(digits(stage, [FP32, other]))
    eventually(lambda: jobs(stage), lambda found: len(found) == 1 and found != [first])
    eventually(lambda: told(stage).get("inputs"), lambda found: found not in (None, before["inputs"]))
    wait_for(stage, "Building")

    stage.apply(digits(stage, [FP32]))
    eventually(lambda: jobs(stage), lambda found: found == [])


def test_a_build_goes_to_nodes_of_the_class_or_says_that_there_are_none(stage: Stage) -> None:
    builds = {"claimName": "models", "nodeSelector": {TEST_LABEL: stage.namespace}}
    prepare(stage, builds={**builds, "acceleratorClass": "cpu-x86-none"})
    stage.apply(digits(stage))
    where = f"policy {stage.namespace}, builds.acceleratorClass:"
    failed = wait_for(stage, "Failed")
    assert failed["message"] == (
        f"{where} cpu-x86-none is no AcceleratorClass; write one that stowage catalog lists"
    )

    stage.patch(f"plp/{stage.namespace}", {"spec": {"builds": {"acceleratorClass": "cpu-arm64-dotprod"}}})
    missing = (
        f"{where} there is no node of cpu-arm64-dotprod with the labels of builds.nodeSelector; add one, or"
        " name another class"
    )
    eventually(lambda: told(stage).get("message"), lambda message: message == missing)
    stage.wait_ready("digits")
    assert serves(stage) == ["fp32"]
    assert jobs(stage) == []

    stage.patch(f"plp/{stage.namespace}", {"spec": {"builds": {"acceleratorClass": "cpu-x86-amx-int8"}}})
    wait_for(stage, "Building")
    wait_bound(stage)
    (pod,) = stage.items("pods", "--selector=stowage.dev/build=digits")
    (affinity,) = pod["spec"]["affinity"]["nodeAffinity"].values()
    said = [(e["key"], e["values"]) for t in affinity["nodeSelectorTerms"] for e in t["matchExpressions"]]
    assert said
    labels = stage.get("node", pod["spec"]["nodeName"])["metadata"]["labels"]
    assert all(labels[key] in values for key, values in said)


def test_nothing_is_built_that_no_candidate_needs_or_the_policy_does_not_allow(stage: Stage) -> None:
    prepare(stage)
    unusable = {  # no CPU class computes in fp16
        "name": "int8",
        "precision": "fp16",
        "format": "onnx",
        "build": {"from": "fp32", "method": "fp16"},
    }
    stage.apply(digits(stage, [FP32, unusable]))
    stage.wait_ready("digits")
    found = wait_for(stage, "NotBuilt")
    assert found["message"] == "no candidate that could serve needs it"

    stage.patch(f"plp/{stage.namespace}", {"spec": {"builds": None}})
    stage.apply(digits(stage))
    eventually(lambda: verdict(stage).get("code"), lambda code: code == "BuildNotAllowed")
    assert told(stage)["reason"] == "BuildNotAllowed"
    assert jobs(stage) == []

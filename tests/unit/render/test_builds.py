"""The Job that builds a variant, and what its report becomes in the status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from stowage.api.builds import Builds
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import InferenceDeploymentStatus, VariantStatus
from stowage.api.parse import parse
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.variant import Variant
from stowage.placement.builds import build_inputs, result_folder, result_tag
from stowage.placement.candidates import enumerate_candidates, measure
from stowage.placement.snapshot import Demand, Snapshot
from stowage.render.build_job import benchmark_threads, build_job
from stowage.render.build_report import Ended, result
from stowage.render.names import OWNER_LABEL, build_name
from stowage.render.pod import pod_template

from .builders import CATALOG, CLASSIC, UID, any_type, pool

GOLDEN = Path(__file__).with_name("build-job.yaml")
PUSHED = Path(__file__).with_name("build-pod-pushed.yaml")
"""The pod of a build whose result goes to a registry."""
FP32 = {
    "name": "fp32",
    "precision": "fp32",
    "format": "onnx",
    "uri": "pvc://models/digits/model.onnx",
    "size": "400Mi",
}
BUILD = {
    "from": "fp32",
    "method": "onnx-static-int8",
    "calibration": "pvc://data/calibration.npz",
    "evaluation": "pvc://data/test.npz",
    "benchmark": True,
}
DIGEST = f"sha256:{'ab' * 32}"
BENCHMARK = {
    "threads": 2,
    "p50Seconds": "0.000014",
    "p99Seconds": "0.000068",
    "requestsPerSecond": "31503.88",
}
REPORT: dict[str, Any] = {
    "method": "onnx-static-int8",
    "source": {"file": "model.onnx", "digest": DIGEST, "size": 101000},
    "calibration": {"file": "calibration.npz", "digest": DIGEST},
    "evaluation": {"file": "test.npz", "digest": f"sha256:{'cd' * 32}"},
    "model": "model.onnx",
    "size": 31576,
    "digest": f"sha256:{'ef' * 32}",
    "quality": {
        "value": "0.998098", "metric": "top-1 accuracy relative to the reference", "examples": 540,
        "accuracy": "0.972222", "referenceAccuracy": "0.974074", "agreement": "0.998148",
    },
    "benchmark": {"processor": "Intel", "variant": [BENCHMARK], "reference": [BENCHMARK]},
    "libraries": {"onnxruntime": "1.32.0", "onnx": "1.23.2"},
    "builder": "0.1.0",
    "seconds": 0.8,
}  # fmt: skip


def digits(name: str = "digits", **build: Any) -> InferenceDeployment:
    given = {k: v for k, v in {**BUILD, **build}.items() if v is not None}
    openvino = given["method"] == "openvino-int8"
    int8 = {"name": "int8", "precision": "int8", "format": "openvino" if openvino else "onnx", "build": given}
    template = {
        "annotations": {"team": "shop"},
        "imagePullSecrets": [{"name": "registry"}],
        "labels": {"a": "b"},
    }
    spec = {"model": CLASSIC, "variants": [FP32, int8], "template": template}
    found: InferenceDeployment = parse(
        {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": "InferenceDeployment",
            "metadata": {"name": name, "namespace": "shop", "uid": UID},
            "spec": spec,
        }
    )  # type: ignore[assignment]
    return found


def rules(**builds: Any) -> PlacementPolicy:
    given = {k: v for k, v in {"claimName": "variants", **builds}.items() if v is not None}
    spec = {"builds": given, "tolerations": ["build-only"]}
    found: PlacementPolicy = parse(
        {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": "PlacementPolicy",
            "metadata": {"name": "p"},
            "spec": spec,
        }
    )  # type: ignore[assignment]
    return found


def int8_of(made: InferenceDeployment) -> Variant:
    return made.spec.variants[1]


def job(made: InferenceDeployment, **builds: Any) -> dict[str, Any]:
    return build_job(made, int8_of(made), rules(**builds), "stowage/variant-builder:1")


def arguments(found: dict[str, Any]) -> list[str]:
    (container,) = found["spec"]["template"]["spec"]["containers"]
    return list(container["args"])


def test_the_whole_job() -> None:
    made = digits()
    found = job(made, nodeSelector={"pool": "builders"}, cpu="4", memory="8Gi", image="example.com/builder:1")
    assert found == yaml.safe_load(GOLDEN.read_text())


def test_pods_that_build_get_no_requests() -> None:
    labels = job(digits())["spec"]["template"]["metadata"]["labels"]
    assert OWNER_LABEL not in labels  # the Service selects by it
    assert labels == {"app.kubernetes.io/managed-by": "stowage", "stowage.dev/build": "digits"}


def test_one_claim_for_all_is_mounted_once_and_may_be_written() -> None:
    uris = {"calibration": "pvc://models/a.npz", "evaluation": None, "benchmark": False}
    pod = job(digits(**uris), claimName="models")["spec"]["template"]["spec"]
    assert [v["name"] for v in pod["volumes"]] == ["claim-0", "scratch"]
    assert pod["containers"][0]["volumeMounts"][0] == {"name": "claim-0", "mountPath": "/claims/models"}


def test_a_script_comes_from_its_claim_which_is_only_read() -> None:
    found = job(digits(script="pvc://scripts/measure.py"))
    given = arguments(found)
    assert given[given.index("--script") + 1] == "/claims/scripts/measure.py"
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert {"name": "claim-2", "mountPath": "/claims/scripts", "readOnly": True} in container["volumeMounts"]


def test_the_image_is_the_operators_where_the_policy_names_none() -> None:
    (container,) = job(digits())["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "stowage/variant-builder:1"


REGISTRY = {
    "repository": "registry.example.com:5000/team/models",
    "secretName": "push",
    "trust": {"configMapName": "authorities", "key": "ca.pem"},
}


def test_what_goes_to_a_registry_is_pulled_built_and_pushed_by_three_containers() -> None:
    found = job(digits(), claimName=None, registry=REGISTRY, image="example.com/builder:1")
    assert found["spec"]["template"]["spec"] == yaml.safe_load(PUSHED.read_text())
    assert found["metadata"] == job(digits())["metadata"]


def test_what_may_run_a_script_has_neither_the_credentials_nor_the_folder_of_what_pushes() -> None:
    made = digits(script="pvc://scripts/measure.py")
    pod = job(made, claimName=None, registry=REGISTRY)["spec"]["template"]["spec"]
    pull, builder = pod["initContainers"]
    (push,) = pod["containers"]
    assert (pull["name"], builder["name"], push["name"]) == ("pull", "builder", "push")
    assert "--script" in builder["args"]
    theirs = {"transfer", "registry-credentials", "registry-trust"}
    assert not theirs & {mount["name"] for mount in builder["volumeMounts"]}
    for one in (pull, push):
        assert {mount["name"] for mount in one["volumeMounts"]} == theirs | {"result"}


def test_a_registry_that_wants_nothing_is_given_nothing() -> None:
    bare = {"repository": REGISTRY["repository"]}
    made = digits()
    pod = job(made, claimName=None, registry=bare)["spec"]["template"]["spec"]
    assert [v["name"] for v in pod["volumes"]] == ["claim-0", "claim-1", "scratch", "result", "transfer"]
    assert pod["containers"][0]["args"] == [
        "push", "--image", f"{bare['repository']}:{result_tag(made, int8_of(made))}",
        "--folder", "/result/variant", "--report", "/dev/termination-log",
    ]  # fmt: skip


def test_a_tag_is_of_one_object_of_one_namespace_and_fits() -> None:
    long = digits("a" * 50)
    long = long.model_copy(update={"metadata": long.metadata.model_copy(update={"namespace": "b" * 63})})
    made = digits()
    elsewhere = made.model_copy(update={"metadata": made.metadata.model_copy(update={"namespace": "shed"})})
    tags = [result_tag(each, int8_of(each)) for each in (made, elsewhere, digits("other"), long)]
    inputs = build_inputs(made, int8_of(made))
    assert tags[:3] == [f"shop.digits.{inputs}", f"shed.digits.{inputs}", f"shop.other.{inputs}"]
    assert len(tags[3]) == 123  # of 128


def test_nodes_of_a_class_are_selected_and_tolerated_as_for_serving() -> None:
    made, where = digits(), [pool("cpu-x86-amx-int8"), pool("nvidia-l4")]
    given = rules(acceleratorClass="any", nodeSelector={"zone": "a"})
    pod = build_job(made, int8_of(made), given, "builder", where)["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"zone": "a"}
    (affinity,) = pod["affinity"]["nodeAffinity"].values()
    amx = {(e["key"], *e["values"]) for e in affinity["nodeSelectorTerms"][0]["matchExpressions"]}
    assert ("feature.node.kubernetes.io/cpu-cpuid.AMXINT8", "true") in amx
    assert affinity["nodeSelectorTerms"][-1] == {
        "matchExpressions": [{"key": "cloud.google.com/gke-nodepool", "operator": "In", "values": ["l4"]}]
    }
    assert [t["key"] for t in pod["tolerations"]] == ["build-only", "nvidia.com/gpu"]


def test_what_a_method_does_not_need_is_not_given() -> None:
    given = arguments(
        job(digits(method="onnx-dynamic-int8", calibration=None, evaluation=None, benchmark=False))
    )
    made = digits(method="onnx-dynamic-int8", calibration=None, evaluation=None, benchmark=False)
    assert given == [
        "build", "--from", "/claims/models/digits/model.onnx", "--method", "onnx-dynamic-int8",
        "--output", f"/claims/variants/{result_folder(made, int8_of(made))}",
        "--report", "/dev/termination-log",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cpu", "threads"),
    [("500m", [1]), ("1", [1]), ("3", [1, 2]), ("8", [1, 2, 4, 8]), ("96", [1, 2, 4, 8, 16, 32, 64])],
)
def test_a_benchmark_runs_on_the_cores_that_replicas_are_given(cpu: str, threads: list[int]) -> None:
    assert benchmark_threads(Builds(claim_name="c", cpu=cpu)) == threads


def test_names_fit_and_differ_with_the_inputs() -> None:
    long = digits("a" * 50)
    names = {build_name(made, int8_of(made)) for made in (long, digits("a" * 50, evaluation=None))}
    assert len(names) == 2
    assert {len(name) for name in names} == {59}


def ended(message: str, **spec: Any) -> Ended:
    given = {"succeeded": True, "node": "n1", "accelerator_class": "cpu", "finished": "2026-11-26T16:00:00Z"}
    return Ended(message, **{**given, **spec})


def told(
    one: Ended, made: InferenceDeployment | None = None, store: str = "pvc://variants"
) -> list[dict[str, Any]]:
    made = made or digits()
    return [each.to_wire() for each in result(made, int8_of(made), store, one)]


def test_a_report_becomes_status() -> None:
    made = digits()
    inputs = build_inputs(made, int8_of(made))
    profile = {
        "acceleratorClass": "cpu",
        "devices": 2,
        "requestsPerSecond": "31503.88",
        "latencySeconds": "0.000014",
        "latency99Seconds": "0.000068",
    }
    plain = {"reason": "", "message": ""}
    assert told(ended(json.dumps(REPORT))) == [
        {
            "name": "int8",
            "state": "Built",
            "inputs": inputs,
            **plain,
            "uri": f"pvc://variants/stowage/digits/int8-{inputs}/model.onnx",
            "digest": f"sha256:{'ef' * 32}",
            "size": "31576",
            "quality": "0.998098",
            "metric": "top-1 accuracy relative to the reference",
            "examples": 540,
            "profiles": [profile],
            "provenance": {
                "source": "pvc://models/digits/model.onnx",
                "sourceDigest": DIGEST,
                "method": "onnx-static-int8",
                "data": f"sha256:{'cd' * 32}",
                "libraries": "onnx 1.23.2, onnxruntime 1.32.0",
                "builder": "0.1.0",
                "node": "n1",
                "job": build_name(made, int8_of(made)),
                "finished": "2026-11-26T16:00:00Z",
            },
        },
        {
            "name": "fp32",
            "state": "Measured",
            "inputs": inputs,
            **plain,
            "uri": "",
            "digest": "",
            "size": "",
            "quality": "",
            "metric": "",
            "examples": 0,
            "profiles": [profile],
        },
    ]


IMAGE = f"sha256:{'12' * 32}"


def test_a_result_in_a_registry_is_known_by_the_digest_of_its_image() -> None:
    repository = "oci://registry.example.com/team/models"
    found = told(ended(json.dumps({**REPORT, "image": IMAGE})), store=repository)
    on_claim = told(ended(json.dumps(REPORT)))
    assert found == [{**on_claim[0], "uri": f"{repository}@{IMAGE}"}, on_claim[1]]
    for image in (None, "latest", f"{IMAGE}/../x"):
        (failed, *_) = told(ended(json.dumps({**REPORT, "image": image})), store=repository)
        assert (failed["state"], failed["message"]) == ("Failed", NO_REPORT)


@pytest.mark.parametrize(
    ("named", "uri", "secrets"),
    [
        ("pull", f"oci://{REGISTRY['repository']}@{IMAGE}", ["registry", "pull"]),
        ("registry", f"oci://{REGISTRY['repository']}@{IMAGE}", ["registry"]),
        (None, f"oci://{REGISTRY['repository']}@{IMAGE}", ["registry"]),
        ("pull", f"oci://{REGISTRY['repository']}-of-before@{IMAGE}", ["registry"]),
        ("pull", "pvc://of-before/stowage/digits/int8/model.onnx", ["registry"]),
    ],
)
def test_pods_pull_what_is_in_the_registry_with_its_secret(
    named: str | None, uri: str, secrets: list[str]
) -> None:
    """And what was built before the policy named this registry is where it was."""
    made = digits()
    built = VariantStatus(
        name="int8",
        state="Built",
        inputs=build_inputs(made, int8_of(made)),
        uri=uri,
        size="1000",
        quality="1",
    )
    made = made.model_copy(update={"status": InferenceDeploymentStatus(variants=[built])})
    registry = {**REGISTRY, **({"pullSecretName": named} if named else {})}
    where = pool("cpu-x86-avx512-vnni")
    demand = Demand(made, any_type(builds={"registry": registry}))
    snapshot = Snapshot((where,), tuple(CATALOG.runtimes.values()), used={})
    one = next(
        c
        for c in enumerate_candidates(snapshot, demand)
        if (c.variant.name, c.runtime.name) == ("int8", "onnx-server")
    )
    spec = pod_template(measure(one), one.placement, "fetcher")["spec"]
    assert "--model-path=/models/int8/model.onnx" in spec["containers"][0]["args"]
    assert [secret["name"] for secret in spec["imagePullSecrets"]] == secrets


def test_a_node_of_an_unknown_class_makes_no_profile() -> None:
    (found,) = told(ended(json.dumps(REPORT), accelerator_class=""))
    assert found["profiles"] == []


def test_without_data_the_quality_is_unknown() -> None:
    (found,) = told(ended(json.dumps({k: v for k, v in REPORT.items() if k not in ("quality", "benchmark")})))
    assert (found["state"], found["quality"]) == ("Built", "")


NO_REPORT = f"Job {build_name(digits(), int8_of(digits()))} ended well but left no report that can be read"
ERROR = json.dumps({"error": {"code": "BadInput", "message": "the model is a picture"}})


@pytest.mark.parametrize(
    ("message", "succeeded", "said"),
    [
        (ERROR, False, "the model is a picture"),
        ("Traceback:\n  something\n", False, "Traceback: something"),
        ("OOMKilled", False, "OOMKilled"),
        ("", False, "the builder left no word"),
        ("[]", False, "[]"),
        ("", True, NO_REPORT),
        ("[]", True, NO_REPORT),
        (json.dumps({**REPORT, "size": "large"}), True, NO_REPORT),
        (json.dumps({**REPORT, "size": 0}), True, NO_REPORT),
        (json.dumps({**REPORT, "digest": "sha256:short"}), True, NO_REPORT),
        (json.dumps({**REPORT, "model": "../../etc/passwd"}), True, NO_REPORT),
        (json.dumps({**REPORT, "quality": {"value": "1.5", "metric": "x"}}), True, NO_REPORT),
        (json.dumps({k: v for k, v in REPORT.items() if k != "libraries"}), True, NO_REPORT),
    ],
)
def test_what_is_no_report_is_a_failure_that_says_what_came(message: str, succeeded: bool, said: str) -> None:
    (found,) = told(ended(message, succeeded=succeeded))
    assert (found["state"], found["reason"], found["message"]) == ("Failed", "BuildFailed", said)
    assert found["provenance"]["job"] == build_name(digits(), int8_of(digits()))


def test_long_words_are_cut_to_what_a_status_holds() -> None:
    (found,) = told(ended("x" * 4000, succeeded=False))
    assert len(found["message"]) == 253

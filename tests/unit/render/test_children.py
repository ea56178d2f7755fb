"""The Deployment, Service and PodDisruptionBudget of an InferenceDeployment, and their names."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from stowage.api.inference_deployment import MAX_NAME_LENGTH, InferenceDeployment
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.template import Template
from stowage.placement.snapshot import Placement
from stowage.render.children import (
    address,
    deployment,
    disruption_budget,
    rolls_one_by_one,
    service,
)
from stowage.render.names import (
    clip,
    deployment_name,
    placement_annotations,
    placement_hash,
    placement_of,
    runtime_revision,
    spec_hash,
)

from .builders import (
    BF16,
    CATALOG,
    CLASSIC,
    FETCHER,
    LANGUAGE,
    UID,
    any_type,
    candidate,
    choose,
    pool,
    workload,
)

LABEL_VALUE = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
OURS = {
    "app.kubernetes.io/managed-by": "stowage",
    "app.kubernetes.io/instance": "chat",
    "stowage.dev/inference-deployment": "chat",
}
OWNER = {
    "apiVersion": "stowage.dev/v1alpha1",
    "kind": "InferenceDeployment",
    "name": "chat",
    "uid": UID,
    "controller": True,
    "blockOwnerDeletion": True,
}
PLACEMENT = Placement("bf16", "vllm", "l4", "nvidia-l4", 1)
HASH = "33646f77"


def rendered(given: InferenceDeployment, replicas: int = 1, **rules: Any) -> dict[str, Any]:
    made = candidate(given, pool("nvidia-l4"), rules=any_type(**rules))
    return deployment(choose(made, replicas), FETCHER)


def test_the_deployment_around_the_pod() -> None:
    found = rendered(workload(), 3)
    template = found["spec"].pop("template")
    hashes = {
        key: found["metadata"]["annotations"].pop(f"stowage.dev/{key}")
        for key in ("spec-hash", "template-hash")
    }
    assert all(re.fullmatch("[0-9a-f]{8}", value) for value in hashes.values())
    assert found == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": f"chat-{HASH}",
            "namespace": "shop",
            "labels": {**OURS, "stowage.dev/placement": HASH},
            "annotations": {
                "stowage.dev/variant": "bf16",
                "stowage.dev/runtime": "vllm",
                "stowage.dev/pool": "l4",
                "stowage.dev/accelerator-class": "nvidia-l4",
                "stowage.dev/devices-per-replica": "1",
                "stowage.dev/runtime-revision": runtime_revision(CATALOG.runtimes["vllm"]),
            },
            "ownerReferences": [OWNER],
        },
        "spec": {
            "replicas": 3,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 1860,
            "selector": {
                "matchLabels": {"stowage.dev/inference-deployment": "chat", "stowage.dev/placement": HASH}
            },
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        },
    }
    assert found["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


@pytest.mark.parametrize("when_full", ["Wait", "Replace"])
def test_a_roll_adds_first_unless_it_must_go_one_by_one(when_full: str) -> None:
    given = workload(disruption={"whenFull": when_full})
    one = choose(candidate(given, pool("nvidia-l4")))
    ways = [deployment(one, FETCHER), deployment(one, FETCHER, missing=2)]
    assert [each["spec"]["strategy"]["rollingUpdate"] for each in ways] == [
        {"maxSurge": 1, "maxUnavailable": 0},
        {"maxSurge": 0, "maxUnavailable": 2},
    ]
    assert [rolls_one_by_one(each) for each in ways] == [False, True]


def test_kubernetes_waits_longer_than_the_start_may_take() -> None:
    found = rendered(workload(), fallback={"startTimeout": "2h"})["spec"]
    probe = found["template"]["spec"]["containers"][0]["startupProbe"]
    assert found["progressDeadlineSeconds"] == 7260
    assert found["progressDeadlineSeconds"] > (probe["failureThreshold"] - 1) * probe["periodSeconds"]


@pytest.mark.parametrize(
    ("model", "port"),
    [
        (LANGUAGE, 8000),
        (CLASSIC, 8080),
        ({**CLASSIC, "protocol": "TensorFlowServing"}, 8501),
        ({**LANGUAGE, "protocol": "V2"}, 8080),
    ],
)
def test_the_service(model: dict[str, Any], port: int) -> None:
    given = workload(model=model)
    assert service(given) == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "chat", "namespace": "shop", "labels": OURS, "ownerReferences": [OWNER]},
        "spec": {
            "selector": {"stowage.dev/inference-deployment": "chat"},
            "ports": [{"name": "http", "port": port, "targetPort": "serve", "protocol": "TCP"}],
        },
    }
    assert address(given) == f"http://chat.shop.svc:{port}"


@pytest.mark.parametrize("runtime", CATALOG.runtimes.values(), ids=lambda r: r.name)
def test_every_pod_has_the_port_that_the_service_targets(runtime: InferenceRuntime) -> None:
    cases = {
        "llama-cpp": ("gguf", "nvidia-l4", LANGUAGE),
        "mlserver": ("sklearn", "cpu-x86-amx-int8", CLASSIC),
        "sglang": ("safetensors", "nvidia-l4", LANGUAGE),
        "tensorflow-serving": ("savedmodel", "nvidia-l4", {**CLASSIC, "protocol": "TensorFlowServing"}),
        "onnx-server": ("onnx", "cpu-x86-amx-int8", CLASSIC),
        "openvino-model-server": ("openvino", "cpu-x86-amx-int8", CLASSIC),
        "triton": ("onnx", "nvidia-l4", CLASSIC),
        "vitis-ai": ("xmodel", "amd-alveo-u250", CLASSIC),
        "vllm": ("safetensors", "nvidia-l4", LANGUAGE),
    }
    form, accelerator, model = cases[runtime.name]
    precision = "fp32" if runtime.name in ("mlserver", "tensorflow-serving") else "int8"
    variant = {**BF16, "precision": precision, "format": form, "size": "26Mi"}
    given = workload([variant], model=model)
    one = candidate(given, pool(accelerator, 8), runtimes=[runtime])
    (server,) = deployment(choose(one), FETCHER)["spec"]["template"]["spec"]["containers"]
    (port,) = service(given)["spec"]["ports"]
    assert port["targetPort"] in [p["name"] for p in server["ports"]]
    assert len({p["containerPort"] for p in server["ports"]}) == len(server["ports"])


@pytest.mark.parametrize(
    ("disruption", "least"), [({}, 1), ({"minAvailable": 3}, 3), ({"minAvailable": 0}, 0)]
)
def test_the_disruption_budget(disruption: dict[str, int], least: int) -> None:
    assert disruption_budget(workload(disruption=disruption)) == {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "chat", "namespace": "shop", "labels": OURS, "ownerReferences": [OWNER]},
        "spec": {
            "minAvailable": least,
            "selector": {"matchLabels": {"stowage.dev/inference-deployment": "chat"}},
        },
    }


def test_the_longest_name_still_fits() -> None:
    given = workload(name="a" * MAX_NAME_LENGTH)
    found = rendered(given)
    names = [found["metadata"]["name"], service(given)["metadata"]["name"]]
    labels = [
        *found["metadata"]["labels"].values(),
        *found["spec"]["template"]["metadata"]["labels"].values(),
    ]
    assert all(LABEL_VALUE.fullmatch(name) for name in names)
    assert all(len(value) <= 63 for value in labels)


# Identity


def test_the_hash_never_changes() -> None:
    """It is in names of Deployments: another one would move every model server with an upgrade."""
    assert placement_hash(PLACEMENT) == HASH
    assert deployment_name(workload(), PLACEMENT) == f"chat-{HASH}"


@pytest.mark.parametrize("field", ["variant", "runtime", "pool", "accelerator_class", "devices"])
def test_the_hash_depends_on_each_part_of_the_placement(field: str) -> None:
    change: dict[str, Any] = {field: 2 if field == "devices" else "other"}
    other = replace(PLACEMENT, **change)
    assert placement_hash(other) != HASH


def test_parts_dont_run_into_each_other() -> None:
    assert placement_hash(Placement("a", "bc", "p", "c", 1)) != placement_hash(
        Placement("ab", "c", "p", "c", 1)
    )


def test_and_on_nothing_else() -> None:
    many = candidate(workload(replicas=5, priorityClassName="high"), pool("nvidia-l4", 2))
    assert placement_hash(many.placement) == HASH


def test_the_annotations_say_the_placement() -> None:
    assert placement_of(placement_annotations(PLACEMENT)) == PLACEMENT


@pytest.mark.parametrize("broken", [{"stowage.dev/pool": None}, {"stowage.dev/devices-per-replica": "two"}])
def test_annotations_that_dont_say_it(broken: dict[str, str | None]) -> None:
    merged = {**placement_annotations(PLACEMENT), **broken}
    assert placement_of({k: v for k, v in merged.items() if v is not None}) is None


EDITS: list[tuple[dict[str, Any], bool]] = [
    ({}, False),
    ({"replicas": 7}, False),
    ({"policy": "cheapest"}, False),
    ({"requirements": {"minQuality": "0.9"}}, False),
    ({"disruption": {"whenFull": "Replace"}}, False),
    ({"paused": True}, False),
    ({"runtimeUpgrade": "Automatic"}, False),
    ({"template": {"labels": {}, "terminationGracePeriodSeconds": 60}}, False),
    ({"priorityClassName": "high"}, True),
    ({"template": {"env": [{"name": "A", "value": "1"}]}}, True),
    ({"template": {"extraArguments": ["--seed=1"]}}, True),
    ({"model": {**LANGUAGE, "name": "other"}}, True),
    ({"variants": [{**BF16, "uri": "oci://example.com/llama:2"}]}, True),
    ({"variants": [{**BF16, "credentials": {"secretName": "hub"}}]}, True),
]


@pytest.mark.parametrize(("edit", "changes"), EDITS)
def test_an_edit_that_pods_depend_on_changes_the_spec_hash(edit: dict[str, Any], changes: bool) -> None:
    assert (spec_hash(workload(**edit)) != spec_hash(workload())) == changes


def test_whatever_changes_the_pod_changes_the_spec_hash() -> None:
    """Otherwise the edit would stay pinned away."""
    before = rendered(workload())["metadata"]["annotations"]
    for edit, _ in EDITS:
        after = rendered(workload(**edit))["metadata"]["annotations"]
        if after["stowage.dev/template-hash"] != before["stowage.dev/template-hash"]:
            assert after["stowage.dev/spec-hash"] != before["stowage.dev/spec-hash"], edit


class LaterTemplate(Template):
    """The template of a later version, which has one field more."""

    host_network: bool = False
    """Something new."""


def test_a_field_that_a_later_version_adds_is_no_edit() -> None:
    """It would restart every model server."""
    later = LaterTemplate.model_validate(workload().spec.template.to_wire())
    spec = workload().spec.model_copy(update={"template": later})
    assert spec_hash(workload().model_copy(update={"spec": spec})) == spec_hash(workload())
    used = spec.model_copy(update={"template": later.model_copy(update={"host_network": True})})
    assert spec_hash(workload().model_copy(update={"spec": used})) != spec_hash(workload())


def test_a_runtimes_revision_changes_with_its_spec_alone() -> None:
    vllm = CATALOG.runtimes["vllm"]
    renamed = vllm.model_copy(update={"metadata": vllm.metadata.model_copy(update={"labels": {"a": "b"}})})
    changed = vllm.model_copy(update={"spec": vllm.spec.model_copy(update={"formats": ["gguf"]})})
    assert runtime_revision(renamed) == runtime_revision(vllm) != runtime_revision(changed)


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("a bcd", 3, "a…"), ("", 3, ""), ("abcd", 1, "…")],
)
def test_clip(text: str, length: int, expected: str) -> None:
    assert clip(text, length) == expected

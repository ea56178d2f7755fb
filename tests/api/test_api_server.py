"""The CustomResourceDefinitions on a real API server."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from devcluster.cluster import LocalCluster
from stowage.api.crds import custom_resource_definitions
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.parse import parse

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).parents[2] / "crds"
MODEL = {"name": "llama", "task": "text-generation"}
VARIANT = {
    "name": "bf16",
    "precision": "bf16",
    "format": "safetensors",
    "uri": "hf://org/model",
    "size": "15Gi",
}
SERVER = {
    "name": "cuda",
    "image": "example.com/server:1",
}
MINIMAL: dict[str, dict[str, Any]] = {
    "InferenceDeployment": {"model": MODEL, "variants": [VARIANT]},
    "PlacementPolicy": {},
    "AcceleratorClass": {"type": "GPU", "vendor": "NVIDIA", "resourceName": "nvidia.com/gpu"},
    "InferenceRuntime": {
        "formats": ["safetensors"],
        "protocols": [{"name": "OpenAI", "port": 8000}],
        "supports": [SERVER],
        "probes": {"ready": {"path": "/health", "port": 8000}},
    },
    "AcceleratorPool": {"nodeSelector": {"pool": "l4"}, "acceleratorClass": "nvidia-l4"},
}
NESTED: dict[str, dict[str, Any]] = {
    "InferenceDeployment": {
        **MINIMAL["InferenceDeployment"],
        "variants": [
            {**VARIANT, "profiles": [{"acceleratorClass": "nvidia-l4"}], "quantization": {"scheme": "awq"}},
        ],
        "requirements": {"throughput": {"requestsPerSecond": "12"}},
        "template": {"topologySpreadConstraints": [{"topologyKey": "topology.kubernetes.io/zone"}]},
    },
    "PlacementPolicy": {"tiers": [{"name": "first"}], "moveBack": {}, "fallback": {"after": "30s"}},
    "AcceleratorClass": {
        **MINIMAL["AcceleratorClass"],
        "memoryLabels": [{"key": "nvidia.com/gpu.memory"}],
        "provenance": {},
        "sharing": [{"strategyLabel": "nvidia.com/gpu.sharing-strategy"}],
    },
    "AcceleratorPool": {
        **MINIMAL["AcceleratorPool"],
        "provisionable": {"maxNodes": 1, "devicesPerNode": 1},
    },
}


def _manifest(kind: str, spec: dict[str, Any], name: str) -> dict[str, Any]:
    scope = {"namespace": "default"} if kind == "InferenceDeployment" else {}
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name, **scope},
        "spec": copy.deepcopy(spec),
    }


def _create(cluster: LocalCluster, manifest: dict[str, Any]) -> dict[str, Any]:
    answer = cluster.kubectl("create", "-o", "json", "-f", "-", input=json.dumps(manifest))
    stored: dict[str, Any] = json.loads(answer.stdout)
    return stored


def _get(cluster: LocalCluster, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.kubectl("get", *arguments, "-o", "json").stdout)
    return found


def _full(value: Any) -> Any:
    """The value without empty lists and maps, which the API server doesn't store unless they are written."""
    if isinstance(value, dict):
        kept = {key: _full(each) for key, each in value.items()}
        return {key: each for key, each in kept.items() if each not in ({}, [])}
    return [_full(each) for each in value] if isinstance(value, list) else value


def test_created_without_a_warning(api_cluster: LocalCluster) -> None:
    # In another group, so that they are new to the server: it warns of a schema when it first sees it.
    texts = [path.read_text().replace("stowage.dev", "unseen.example") for path in CRDS.glob("*.yaml")]
    manifests = "---\n".join(texts)
    answer = api_cluster.kubectl("create", "--dry-run=server", "-f", "-", input=manifests)
    assert answer.stderr == ""
    assert len(answer.stdout.splitlines()) == 5


def test_established_and_structural(api_cluster: LocalCluster) -> None:
    for crd in custom_resource_definitions().values():
        conditions = _get(api_cluster, "crd", crd["metadata"]["name"])["status"]["conditions"]
        assert {each["type"]: each["status"] for each in conditions} == {
            "NamesAccepted": "True",
            "Established": "True",
        }


def test_rules_leave_room_in_the_cost_budget(api_cluster: LocalCluster) -> None:
    """With lists of twice the length they still fit, so that a later field doesn't break all."""
    for crd in custom_resource_definitions().values():
        longer = json.dumps(_doubled(crd))
        api_cluster.kubectl(
            "apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-", input=longer
        )


def _doubled(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: each * 2 if key == "maxItems" and isinstance(each, int) else _doubled(each)
            for key, each in value.items()
        }
    return [_doubled(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("field", "lines"),
    [
        (
            "infd.spec.variants",
            ("The artefacts of the model, one for each precision or format.", "-required-"),
        ),
        ("infd.spec.variants.size", ("Size of the weights as stored.",)),
        ("infd.spec.variants.profiles", ("What was measured for this variant on one class of accelerator.",)),
        ("infd.status.placements", ("Where it is placed.",)),
        ("plp.spec.goal", ("What is best within a tier", "ENUM: Cheapest LowestLatency")),
        ("accel.spec.memory", ("Nominal memory of one device.",)),
        ("infrt.spec.supports", ("How the runtime runs on one kind of accelerator.",)),
        ("apool.spec.costPerHour", ("Price of one node per hour.",)),
    ],
)
def test_explained(field: str, lines: tuple[str, ...], api_cluster: LocalCluster) -> None:
    text = " ".join(api_cluster.kubectl("explain", field).stdout.split())
    for line in lines:
        assert line in text


@pytest.mark.parametrize(
    ("specs", "kind"),
    [*(("minimal", kind) for kind in MINIMAL), *(("nested", kind) for kind in NESTED)],
)
def test_defaults_are_those_of_the_models(specs: str, kind: str, api_cluster: LocalCluster) -> None:
    table = MINIMAL if specs == "minimal" else NESTED
    manifest = _manifest(kind, table[kind], f"defaults-{specs}")
    parsed = parse(manifest)
    stored = _create(api_cluster, manifest)
    assert _full(parsed.to_wire()["spec"]) == _full(stored["spec"])
    assert parse(stored).to_wire()["spec"] == parsed.to_wire()["spec"]


def test_a_policy_needs_no_spec(api_cluster: LocalCluster) -> None:
    manifest = _manifest("PlacementPolicy", {}, "bare")
    del manifest["spec"]
    assert _create(api_cluster, manifest)["spec"]["fallback"]["provisioningTimeout"] == "10m"


def test_scale(api_cluster: LocalCluster) -> None:
    _create(api_cluster, _manifest("InferenceDeployment", MINIMAL["InferenceDeployment"], "scaled"))
    path = "/apis/stowage.dev/v1alpha1/namespaces/default/inferencedeployments/scaled/scale"
    scale = json.loads(api_cluster.kubectl("get", "--raw", path).stdout)
    assert (scale["spec"], scale["status"]) == ({"replicas": 1}, {"replicas": 0})
    api_cluster.kubectl("scale", "infd/scaled", "--replicas=3")
    assert _get(api_cluster, "infd", "scaled")["spec"]["replicas"] == 3
    status = {"status": {"replicas": 2, "selector": "stowage.dev/deployment=scaled"}}
    api_cluster.kubectl(
        "patch", "infd", "scaled", "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
    scale = json.loads(api_cluster.kubectl("get", "--raw", path).stdout)
    assert scale["status"] == {"replicas": 2, "selector": "stowage.dev/deployment=scaled"}


@pytest.mark.parametrize("size", ["15Gi", "8500Mi", "1e10", "1.5Gi", 16106127360])
def test_quantities_are_text_or_whole_numbers(size: str | int, api_cluster: LocalCluster) -> None:
    manifest = _manifest(
        "InferenceDeployment", {"model": MODEL, "variants": [{**VARIANT, "size": size}]}, "q"
    )
    answer = api_cluster.kubectl(
        "create", "--dry-run=server", "-o", "json", "-f", "-", input=json.dumps(manifest)
    )
    stored = json.loads(answer.stdout)
    assert stored["spec"]["variants"][0]["size"] == size
    parsed = parse(stored)
    assert isinstance(parsed, InferenceDeployment)
    assert parsed.spec.variants[0].size == str(size)


def test_server_side_apply_merges_variants_by_name(api_cluster: LocalCluster) -> None:
    def apply(manager: str, variants: list[dict[str, Any]], model: dict[str, Any]) -> None:
        manifest = _manifest("InferenceDeployment", {"model": model, "variants": variants}, "merged")
        api_cluster.kubectl(
            "apply", "--server-side", f"--field-manager={manager}", "-f", "-", input=json.dumps(manifest)
        )

    fp8 = {**VARIANT, "name": "fp8", "precision": "fp8"}
    apply("team", [VARIANT], MODEL)
    apply("tuner", [fp8], MODEL)
    apply("tuner", [{**fp8, "profiles": [{"acceleratorClass": "nvidia-l4"}]}], MODEL)
    variants = _get(api_cluster, "infd", "merged")["spec"]["variants"]
    assert [each["name"] for each in variants] == ["bf16", "fp8"]
    assert variants[1]["profiles"] == [{"acceleratorClass": "nvidia-l4", "devices": 1}]
    apply("tuner", [], MODEL)
    assert [each["name"] for each in _get(api_cluster, "infd", "merged")["spec"]["variants"]] == ["bf16"]


def test_protocol_stays_once_set(api_cluster: LocalCluster) -> None:
    def patch(model: dict[str, Any], *, check: bool) -> str:
        body = json.dumps({"spec": {"model": model}})
        answer = api_cluster.kubectl("patch", "infd", "spoken", "--type=merge", "-p", body, check=check)
        return answer.stderr

    _create(api_cluster, _manifest("InferenceDeployment", MINIMAL["InferenceDeployment"], "spoken"))
    patch({"protocol": "OpenAI"}, check=True)
    patch({"name": "renamed"}, check=True)
    sentence = (
        "protocol can't be changed, since clients speak it; put back the old one, "
        "or create another InferenceDeployment"
    )
    for other in ("V2", None):
        refused = patch({"protocol": other}, check=False)
        assert sentence in refused
        assert "spec.model.protocol" in refused


def test_columns(api_cluster: LocalCluster) -> None:
    _create(api_cluster, _manifest("InferenceDeployment", MINIMAL["InferenceDeployment"], "shown"))
    status = {
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Serving",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }
        ],
        "summary": {
            "accelerator": "1 x nvidia-l4",
            "variant": "bf16",
            "pool": "l4-spot",
            "replicas": "1/1",
            "costPerHour": "0.71",
        },
    }
    api_cluster.kubectl(
        "patch", "infd", "shown", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )
    head, row = api_cluster.kubectl("get", "infd", "shown").stdout.splitlines()
    assert head.split() == [
        "NAME", "READY", "ACCELERATOR", "VARIANT", "POOL", "REPLICAS", "COST/H", "REASON", "AGE",
    ]  # fmt: skip
    assert row.split()[:-1] == [
        "shown", "True", "1", "x", "nvidia-l4", "bf16", "l4-spot", "1/1", "0.71", "Serving",
    ]  # fmt: skip


def test_columns_of_the_other_kinds(api_cluster: LocalCluster) -> None:
    for kind, spec in MINIMAL.items():
        if kind != "InferenceDeployment":
            _create(api_cluster, _manifest(kind, spec, "columns"))
    shown = {
        short: api_cluster.kubectl("get", short, "columns").stdout.splitlines()[1].split()[1:-1]
        for short in ("plp", "accel", "infrt", "apool")
    }
    assert shown == {
        "plp": ["false", "BestFit"],
        "accel": ["GPU", "NVIDIA", "nvidia.com/gpu"],
        "infrt": ['["safetensors"]'],
        "apool": ["nvidia-l4"],
    }
    listed = api_cluster.kubectl("get", "stowage", "-A", "-o", "name").stdout
    assert "placementpolicy.stowage.dev/columns" in listed


def test_status_is_a_subresource(api_cluster: LocalCluster) -> None:
    manifest = _manifest("InferenceDeployment", MINIMAL["InferenceDeployment"], "no-status")
    stored = _create(api_cluster, {**manifest, "status": {"replicas": 5}})
    assert stored["status"]["observedGeneration"] == -1  # the default, as kstatus needs it
    assert stored["status"].get("replicas", 0) == 0


def test_committed_yaml_is_the_generated_object() -> None:
    for name, crd in custom_resource_definitions().items():
        assert yaml.safe_load((CRDS / name).read_text()) == crd

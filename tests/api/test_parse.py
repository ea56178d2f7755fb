"""Reading objects."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.parse import KINDS, InvalidObject, parse
from stowage.api.placement_policy import PlacementPolicy

MANIFEST: dict[str, Any] = {
    "apiVersion": "stowage.dev/v1alpha1",
    "kind": "InferenceDeployment",
    "metadata": {"name": "chat", "namespace": "shop"},
    "spec": {
        "model": {"name": "llama", "task": "chat"},
        "variants": [
            {
                "name": "a",
                "precision": "bf16",
                "format": "safetensors",
                "uri": "hf://org/model",
                "size": "15Gi",
            },
        ],
    },
}


def _with(**changes: object) -> dict[str, Any]:
    return {**copy.deepcopy(MANIFEST), **changes}


def test_the_kind_chooses_the_model() -> None:
    assert list(KINDS) == [
        "InferenceDeployment", "PlacementPolicy", "AcceleratorClass", "InferenceRuntime", "AcceleratorPool",
    ]  # fmt: skip
    assert isinstance(parse(MANIFEST), InferenceDeployment)
    policy = parse(
        {"apiVersion": "stowage.dev/v1alpha1", "kind": "PlacementPolicy", "metadata": {"name": "p"}}
    )
    assert isinstance(policy, PlacementPolicy)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (
            _with(apiVersion="stowage.dev/v1"),
            "InferenceDeployment shop/chat: apiVersion: found 'stowage.dev/v1'; write stowage.dev/v1alpha1",
        ),
        (
            _with(kind="InferenceDeploy"),
            "InferenceDeploy shop/chat: kind: found 'InferenceDeploy'; did you mean InferenceDeployment?",
        ),
        (
            _with(kind="Pod"),
            "Pod shop/chat: kind: found 'Pod'; write one of InferenceDeployment, PlacementPolicy, "
            "AcceleratorClass, InferenceRuntime, AcceleratorPool",
        ),
        ({}, "object without a name: apiVersion: found None; write stowage.dev/v1alpha1"),
        (
            _with(metadata={"namespace": "shop"}),
            "InferenceDeployment shop: metadata.name: missing; write it",
        ),
        (
            _with(metadata={"name": "chat", "labels": {"app.kubernetes.io/version": 1.5}}),
            "InferenceDeployment chat: metadata.labels[app.kubernetes.io/version]: "
            "found 1.5; write it in quotes",
        ),
        (
            _with(spec="chat"),
            'InferenceDeployment shop/chat: spec: found "chat"; write an object with the fields model, '
            "variants, requirements, replicas, policy, priorityClassName, disruption, runtimeUpgrade, "
            "paused, template",
        ),
        (
            _with(spec={**MANIFEST["spec"], "variants": {"name": "a"}}),
            "InferenceDeployment shop/chat: spec.variants: found an object; write a list",
        ),
        (
            _with(spec={**MANIFEST["spec"], "policy": "x" * 500}),
            f'InferenceDeployment shop/chat: spec.policy: found "{"x" * 55}...; write at most 63 characters',
        ),
        (
            _with(spec={**MANIFEST["spec"], "template": {"labels": {"a b": "c"}}}),
            "InferenceDeployment shop/chat: spec.template.labels.a b: "
            'found "a b"; write the key of a label or taint, such as team or nvidia.com/gpu.product',
        ),
    ],
)
def test_message(manifest: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidObject) as caught:
        parse(manifest)
    assert str(caught.value) == message


def test_several_problems_are_counted_and_kept() -> None:
    manifest = _with(spec={**MANIFEST["spec"], "replicas": -1, "paused": "no", "policy": 5})
    with pytest.raises(InvalidObject) as caught:
        parse(manifest)
    assert str(caught.value) == (
        "InferenceDeployment shop/chat: spec.replicas: found -1; write 0 or more (and 2 more)"
    )
    assert len(caught.value.problems) == 3


def test_unknown_fields_are_ignored_only_when_lenient() -> None:
    manifest = _with(status={"future": 1})
    manifest["spec"]["variants"][0]["future"] = {"a": 1}
    with pytest.raises(InvalidObject, match=r"spec\.variants\[0\]\.future: unknown field"):
        parse(manifest)
    parsed = parse(manifest, lenient=True)
    assert isinstance(parsed, InferenceDeployment)
    assert parsed.spec == InferenceDeployment.model_validate(MANIFEST).spec


def test_nulls_are_absent_fields() -> None:
    manifest = _with(status=None)
    manifest["spec"] |= {"policy": None, "replicas": None, "template": {"labels": None}}
    assert parse(manifest) == parse(MANIFEST)


def test_kubernetes_own_metadata_is_ignored() -> None:
    metadata = {**MANIFEST["metadata"], "managedFields": [{"manager": "kubectl"}], "ownerReferences": []}
    assert parse(_with(metadata=metadata)) == parse(MANIFEST)


def test_whole_numbers_are_quantities() -> None:
    manifest = copy.deepcopy(MANIFEST)
    manifest["spec"]["variants"][0]["size"] = 16106127360
    parsed = parse(manifest)
    assert isinstance(parsed, InferenceDeployment)
    assert parsed.spec.variants[0].size == "16106127360"


def test_what_is_written_reads_back() -> None:
    parsed = parse(MANIFEST)
    assert parse(parsed.to_wire()) == parsed

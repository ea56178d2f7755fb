"""Names, labels and annotations of what Stowage makes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from stowage.api.inference_deployment import InferenceDeployment, InferenceDeploymentSpec
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.meta import API_VERSION, FIELD_MANAGER, GROUP, Model
from stowage.api.variant import Variant
from stowage.placement.builds import build_inputs
from stowage.placement.snapshot import Placement
from stowage.render.memo import once

MANAGED_BY = "app.kubernetes.io/managed-by"
OWNER_LABEL = f"{GROUP}/inference-deployment"
PLACEMENT_LABEL = f"{GROUP}/placement"
SELECTOR = f"{MANAGED_BY}={FIELD_MANAGER}"
"""Selects all that Stowage makes."""

VARIANT = f"{GROUP}/variant"
RUNTIME = f"{GROUP}/runtime"
RUNTIME_REVISION = f"{GROUP}/runtime-revision"
POOL = f"{GROUP}/pool"
ACCELERATOR_CLASS = f"{GROUP}/accelerator-class"
DEVICES = f"{GROUP}/devices-per-replica"
BUILD_LABEL = f"{GROUP}/build"
"""On pods that build: the InferenceDeployment that they build for."""
BUILD_INPUTS = f"{GROUP}/build-inputs"
SPEC_HASH = f"{GROUP}/spec-hash"
TEMPLATE_HASH = f"{GROUP}/template-hash"

Object = dict[str, Any]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def placement_hash(placement: Placement) -> str:
    """Eight characters that stand for (variant, runtime, pool, class, devices per replica)."""
    parts = (
        placement.variant,
        placement.runtime,
        placement.pool,
        placement.accelerator_class,
        str(placement.devices),
    )
    return _digest("\0".join(parts))


def deployment_name(workload: InferenceDeployment, placement: Placement) -> str:
    """Name of the Deployment that serves the placement."""
    return f"{workload.name}-{placement_hash(placement)}"


def build_name(workload: InferenceDeployment, variant: Variant) -> str:
    """Name of the Job that builds the variant: another one for whatever else the result depends on."""
    return f"{workload.name}-{_digest(chr(0).join(('build', variant.name, build_inputs(workload, variant))))}"


@once
def runtime_revision(runtime: InferenceRuntime) -> str:
    """Eight characters that change whenever the runtime's spec does."""
    return _digest(json.dumps(_said(runtime.spec), sort_keys=True))


def spec_hash(workload: InferenceDeployment) -> str:
    """Eight characters that change with the part of the spec that pods depend on.

    Replicas, policy, requirements and disruption are no part of a pod.
    """
    return _spec_hash(workload.spec)


@once
def _spec_hash(spec: InferenceDeploymentSpec) -> str:
    parts = [_said(spec.model), [_said(v) for v in spec.variants], _said(spec.template)]
    return _digest(json.dumps([*parts, spec.priority_class_name], sort_keys=True))


def _said(model: Model) -> Object:
    """What an object says beyond defaults. A field that a later version adds, with a default, must not
    look like an edit: that would restart every model server."""
    return model.model_dump(by_alias=True, exclude_defaults=True, mode="json")


def template_hash(template: Object) -> str:
    """Eight characters that change with anything in a rendered pod template."""
    return _digest(json.dumps(template, sort_keys=True))


def clip(text: str, length: int) -> str:
    """The text in at most so many characters; what is cut off is shown by an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def owner_labels(workload: InferenceDeployment) -> dict[str, str]:
    """Labels of every child."""
    return {
        MANAGED_BY: FIELD_MANAGER,
        "app.kubernetes.io/instance": workload.name,
        OWNER_LABEL: workload.name,
    }


def owner_reference(workload: InferenceDeployment) -> Object:
    """The reference by which Kubernetes removes children with their owner."""
    return {
        "apiVersion": API_VERSION,
        "kind": workload.kind,
        "name": workload.name,
        "uid": workload.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def placement_annotations(placement: Placement) -> dict[str, str]:
    """What a Deployment says of the placement it serves, so that a lost status loses nothing."""
    return {
        VARIANT: placement.variant,
        RUNTIME: placement.runtime,
        POOL: placement.pool,
        ACCELERATOR_CLASS: placement.accelerator_class,
        DEVICES: str(placement.devices),
    }


def placement_of(annotations: Mapping[str, str]) -> Placement | None:
    """The placement that a Deployment serves; None where its annotations don't say."""
    try:
        return Placement(
            variant=annotations[VARIANT],
            runtime=annotations[RUNTIME],
            pool=annotations[POOL],
            accelerator_class=annotations[ACCELERATOR_CLASS],
            devices=int(annotations[DEVICES]),
        )
    except (KeyError, ValueError):
        return None

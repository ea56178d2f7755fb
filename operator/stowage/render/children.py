"""The objects that serve an InferenceDeployment: Deployments, one Service, one PodDisruptionBudget."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.quantity import parse_duration
from stowage.placement.decision import Chosen
from stowage.render.fetcher import fetch_seconds
from stowage.render.names import (
    OWNER_LABEL,
    PLACEMENT_LABEL,
    RUNTIME_REVISION,
    SPEC_HASH,
    TEMPLATE_HASH,
    Object,
    deployment_name,
    owner_labels,
    owner_reference,
    placement_annotations,
    placement_hash,
    runtime_revision,
    spec_hash,
    template_hash,
)
from stowage.render.pod import SERVE_PORT, pod_template

SERVICE_PORTS = {"OpenAI": 8000, "V2": 8080, "TensorFlowServing": 8501}
"""One fixed port a protocol, so that pods of two runtimes can stand behind one Service."""


def _metadata(workload: InferenceDeployment, name: str) -> Object:
    return {
        "name": name,
        "namespace": workload.metadata.namespace,
        "labels": owner_labels(workload),
        "ownerReferences": [owner_reference(workload)],
    }


def rolls_one_by_one(body: Mapping[str, Any]) -> bool:
    """Whether a live Deployment rolls without a pod more."""
    found = body.get("spec", {}).get("strategy", {}).get("rollingUpdate", {})
    return bool(found.get("maxSurge") == 0)


def strategy(missing: int = 0) -> Object:
    """How a Deployment rolls: with a pod more first, or with so many missing."""
    return {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 0 if missing else 1, "maxUnavailable": missing},
    }


def deployment(chosen: Chosen, fetcher_image: str, *, missing: int = 0) -> Object:
    """The Deployment of one placement.

    Args:
        fetcher_image: of what fetches models, where the policy names none.
        missing: so many pods may be missing in a roll in place, since no device is spare. 0: it adds a
            pod first and never goes below what is wanted.
    """
    candidate, placement = chosen.candidate, chosen.as_placed
    workload = candidate.demand.workload
    metadata = _metadata(workload, deployment_name(workload, placement))
    metadata["labels"][PLACEMENT_LABEL] = placement_hash(placement)
    template = pod_template(candidate, placement, fetcher_image)
    metadata["annotations"] = {
        **placement_annotations(placement),
        RUNTIME_REVISION: runtime_revision(candidate.runtime),
        SPEC_HASH: spec_hash(workload),
        TEMPLATE_HASH: template_hash(template),
    }
    patience = int(parse_duration(candidate.demand.policy.spec.fallback.start_timeout))
    patience += fetch_seconds(candidate)
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": chosen.replicas,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": patience + 60,
            "selector": {
                "matchLabels": {OWNER_LABEL: workload.name, PLACEMENT_LABEL: placement_hash(placement)}
            },
            "strategy": strategy(missing),
            "template": template,
        },
    }


def service(workload: InferenceDeployment) -> Object:
    """The Service over all placements."""
    protocol = workload.spec.model.wire_protocol
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(workload, workload.name),
        "spec": {
            "selector": {OWNER_LABEL: workload.name},
            "ports": [
                {
                    "name": "http",
                    "port": SERVICE_PORTS[protocol],
                    "targetPort": SERVE_PORT,
                    "protocol": "TCP",
                }
            ],
        },
    }


def disruption_budget(workload: InferenceDeployment) -> Object:
    """The PodDisruptionBudget over all placements."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": _metadata(workload, workload.name),
        "spec": {
            "minAvailable": workload.spec.disruption.min_available,
            "selector": {"matchLabels": {OWNER_LABEL: workload.name}},
        },
    }


def address(workload: InferenceDeployment) -> str:
    """Where clients reach the model inside the cluster."""
    port = SERVICE_PORTS[workload.spec.model.wire_protocol]
    return f"http://{workload.name}.{workload.metadata.namespace}.svc:{port}"

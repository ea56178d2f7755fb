"""Real candidates for the tests: nodes of the catalog's classes, found and checked by the engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import InferenceDeploymentStatus
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.parse import parse
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.quantity import GIB
from stowage.api.reasons import Code
from stowage.catalog import load_catalog
from stowage.placement.candidates import Candidate, enumerate_candidates, measure
from stowage.placement.checks import RUNS, SUITS, failures
from stowage.placement.decision import Chosen, Decision, Verdict
from stowage.placement.discovery import discover
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Node, Pool, Snapshot

CATALOG = load_catalog()
ARCH = "kubernetes.io/arch"
FETCHER = "stowage/model-fetcher:1"
UID = "0b5a5ab0-0000-4000-8000-000000000000"

LABELS: Mapping[str, dict[str, str]] = {
    "amd-alveo-u250": {},
    "amd-mi300x": {"amd.com/gpu.device-id": "74a1"},
    "aws-inferentia2": {
        "node.kubernetes.io/instance-type": "inf2.24xlarge",
        "eks.amazonaws.com/nodegroup": "inf2",
    },
    "cpu-generic": {},
    "cpu-x86-amx-int8": {
        f"feature.node.kubernetes.io/cpu-cpuid.{name}": "true" for name in ("AMXTILE", "AMXINT8", "AMXBF16")
    },
    "cpu-x86-avx512-vnni": {
        f"feature.node.kubernetes.io/cpu-cpuid.{name}": "true" for name in ("AVX512F", "AVX512VNNI")
    },
    "google-tpu-v5e": {
        "cloud.google.com/gke-nodepool": "tpus",
        "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
        "cloud.google.com/gke-tpu-topology": "2x2",
    },
    "intel-gaudi3": {"habana.ai/product.name": "Intel-Gaudi-3-128GB"},
    "nvidia-a100-80gb": {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB"},
    "nvidia-h100-80gb-sxm": {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"},
    "nvidia-l4": {
        "cloud.google.com/gke-nodepool": "l4",
        "cloud.google.com/gke-accelerator": "nvidia-l4",
    },
    "nvidia-t4": {"nvidia.com/gpu.product": "Tesla-T4"},
}
"""Labels by which a node of a class is recognised, as its provider sets them; of others, the class's own."""

SHELLS = {"amd-alveo-u250": "amd.com/xilinx_u250_gen3x16_base_4-0"}
"""What nodes publish of classes that have only a pattern."""


def labels_of(accelerator: str) -> dict[str, str]:
    """Labels of a node with the class's own resource."""
    if accelerator in LABELS:
        return LABELS[accelerator]
    match = next((m for m in CATALOG.classes[accelerator].spec.match if m.resource_name is None), None)
    if match is None:
        return {}
    required = {
        e.key: next(iter(e.values), "true") for e in match.match_expressions if e.operator in ("In", "Exists")
    }
    return {**match.match_labels, **required}


LANGUAGE: dict[str, Any] = {
    "name": "llama",
    "task": "text-generation",
    "parameters": 8030000000,
    "attention": {"layers": 32, "kvHeads": 8, "headDimension": 128, "contextLength": 8192},
}
CLASSIC: dict[str, Any] = {
    "name": "resnet50",
    "task": "image-classification",
    "inference": {"flops": 4100000000, "activationMemory": "100Mi"},
}
BF16: dict[str, Any] = {
    "name": "bf16",
    "precision": "bf16",
    "format": "safetensors",
    "uri": "oci://example.com/llama:1",
    "size": "15Gi",
}


def node(
    accelerator: str, devices: int = 8, *, name: str = "n1", labels: Mapping[str, str] | None = None
) -> Node:
    """A large node with so many devices of a class; for a CPU class, so many cores."""
    entry = CATALOG.classes[accelerator].spec
    amounts = {"cpu": 192_000, "memory": 800 * GIB, "ephemeral-storage": 4000 * GIB, "pods": 110}
    amounts[entry.resource_name or SHELLS[accelerator]] = devices * (1000 if entry.type == "CPU" else 1)
    found = {ARCH: "amd64", **(labels_of(accelerator) if labels is None else labels)}
    return Node(name, found, (), amounts, amounts)


def pool(
    accelerator: str,
    devices: int = 8,
    *,
    labels: Mapping[str, str] | None = None,
    classes: Iterable[AcceleratorClass] = (),
) -> Pool:
    """The pool that one node of the class makes."""
    known = {**CATALOG.classes, **{c.name: c for c in classes}}
    found = discover([node(accelerator, devices, labels=labels)], known.values(), [])
    assert found.problems == ()
    (made,) = found.pools
    assert made.accelerator_class.name == accelerator
    return made


def declared_pool(spec: Mapping[str, Any], name: str = "declared") -> Pool:
    """The pool that an AcceleratorPool declares before it has a node."""
    declaration = parse(_object("AcceleratorPool", {"name": name}, spec))
    assert isinstance(declaration, AcceleratorPool)
    (made,) = discover([], CATALOG.classes.values(), [declaration]).pools
    return made


def workload(
    variants: Sequence[Mapping[str, Any]] = (BF16,),
    *,
    name: str = "chat",
    model: Mapping[str, Any] = LANGUAGE,
    status: InferenceDeploymentStatus | None = None,
    generation: int = 1,
    **spec: Any,
) -> InferenceDeployment:
    """An InferenceDeployment as the API server has it."""
    metadata = {"name": name, "namespace": "shop", "uid": UID, "generation": generation}
    made = parse(
        _object("InferenceDeployment", metadata, {"model": dict(model), "variants": list(variants), **spec})
    )
    assert isinstance(made, InferenceDeployment)
    return made.model_copy(update={"status": status})


def policy(**spec: Any) -> PlacementPolicy:
    """A PlacementPolicy."""
    made = parse(_object("PlacementPolicy", {"name": "policy"}, {"allowCPU": True, **spec}))
    assert isinstance(made, PlacementPolicy)
    return made


def any_type(**spec: Any) -> PlacementPolicy:
    """A policy that includes every kind of device, CPUs too."""
    kinds = ["GPU", "TPU", "FPGA", "NPU", "CPU"]
    return policy(tiers=[{"name": "any", "accelerators": {"types": kinds}}], **spec)


def runtime(spec: Mapping[str, Any], name: str = "server") -> InferenceRuntime:
    """A model server of the platform team's own."""
    made = parse(_object("InferenceRuntime", {"name": name}, spec))
    assert isinstance(made, InferenceRuntime)
    return made


def _object(kind: str, metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": kind,
        "metadata": dict(metadata),
        "spec": dict(spec),
    }


def candidate(
    given: InferenceDeployment,
    where: Pool,
    *,
    rules: PlacementPolicy | None = None,
    runtimes: Iterable[InferenceRuntime] = tuple(CATALOG.runtimes.values()),
) -> Candidate:
    """The one way to serve the workload there that passes every check, by the runtime preferred."""
    demand = Demand(given, rules or any_type())
    snapshot = Snapshot((where,), tuple(runtimes), used={})
    able = [c for c in enumerate_candidates(snapshot, demand) if not failures(c, RUNS)]
    able = [m for c in able if not failures(m := measure(c), SUITS)]
    top = max((c.runtime.spec.preference for c in able), default=0)
    able = [c for c in able if c.runtime.spec.preference == top]
    assert len(able) == 1, [c.placement.id for c in able]
    return able[0]


def choose(one: Candidate, replicas: int = 1) -> Chosen:
    """The candidate as chosen anew."""
    return Chosen(one, replicas, one.placement)


def decision(
    *chosen: Chosen,
    verdicts: Sequence[Verdict] = (),
    wanted: int | None = None,
    outcome: Reason | None = None,
    replaces: bool = False,
) -> Decision:
    """A decision; unless said otherwise, all that is wanted is placed."""
    count = sum(c.replicas for c in chosen) if wanted is None else wanted
    told = {replace(v.candidate.placement, devices=0): () if v.feasible else v.reasons for v in verdicts}
    return Decision(
        tuple(chosen),
        tuple(verdicts),
        count,
        outcome or Reason(Code.PLACED, "all placed"),
        replaces,
        fails=told.get,
    )

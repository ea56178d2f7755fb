"""Small builders: objects with everything that a test doesn't speak of left at a plain value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from devcluster.fleet import load_fleet
from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.parse import parse
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.quantity import GIB, parse_bytes, parse_count, parse_millis
from stowage.catalog import load_catalog
from stowage.placement.candidates import Candidate, enumerate_candidates, measure
from stowage.placement.decide import decide
from stowage.placement.decision import Chosen, Decision
from stowage.placement.discovery import Discovery, discover
from stowage.placement.dynamic import NO_DEVICES, Devices
from stowage.placement.snapshot import Amounts, Demand, Holding, Node, Placement, Snapshot, Taint

SAMPLES = Path(__file__).parents[3] / "manifests" / "samples"
GPU, TPU = "nvidia.com/gpu", "google.com/tpu"
GKE_POOL = "cloud.google.com/gke-nodepool"
ARCHITECTURE = "kubernetes.io/arch"
KIND = "example.com/device"
"""The label by which the classes of these tests are recognised."""

Spec = dict[str, Any]

CHAT: Spec = {
    "name": "llama-8b",
    "task": "text-generation",
    "parameters": 8_000_000_000,
    "attention": {"layers": 32, "kvHeads": 8, "headDimension": 128, "contextLength": 8192},
}
"""Its KV cache takes 2 x 32 x 8 x 128 x 2 bytes = 128 KiB a token, 1 GiB a context."""
CLASSIFIER: Spec = {
    "name": "resnet50",
    "task": "image-classification",
    "inference": {"flops": 4_000_000_000, "activationMemory": "100Mi"},
}


def _object(kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> Any:
    return parse(
        {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": dict(spec),
        }
    )


def accelerator(name: str, labels: Mapping[str, str] | None = None, **spec: Any) -> AcceleratorClass:
    """A GPU of 16 GiB, 100 TFLOPS of bf16 and 1000 GB/s that a label of its own name identifies."""
    defaults: Spec = {
        "type": "GPU",
        "vendor": "NVIDIA",
        "resourceName": GPU,
        "match": [{"provider": "test", "matchLabels": {KIND: name}}],
        "taints": [GPU],
        "memory": "16Gi",
        "memoryBandwidth": "1000",
        "precisions": [{"name": "bf16", "peak": "100"}, {"name": "fp16", "peak": "100"}],
        "powerWatts": "100",
    }
    merged = {k: v for k, v in {**defaults, **spec}.items() if v is not None}
    found: AcceleratorClass = _object("AcceleratorClass", name, merged, labels=dict(labels or {}))
    return found


def cpu_class(name: str = "cpu", **spec: Any) -> AcceleratorClass:
    """A CPU that every node has unless a device is found."""
    defaults: Spec = {
        "type": "CPU",
        "vendor": "Any",
        "resourceName": "cpu",
        "match": None,
        "taints": None,
        "memory": None,
        "memoryBandwidth": "4",
        "precisions": [{"name": "bf16", "peak": "1"}, {"name": "int8", "peak": "2"}],
        "powerWatts": None,
    }
    return accelerator(name, **{**defaults, **spec})


def runtime(name: str = "server", supports: Sequence[Spec] | None = None, **spec: Any) -> InferenceRuntime:
    """A server of safetensors and onnx on every accelerator and CPU, in all precisions."""
    every: Spec = {
        "precisions": ["fp32", "fp16", "bf16", "fp8", "int8"],
        "weightOnly": [{"weights": "int4", "activations": ["fp16", "bf16"], "schemes": ["awq"]}],
        "deviceCounts": [1, 2, 4, 8],
        "image": "example.com/server:1",
    }
    defaults: Spec = {
        "formats": ["safetensors", "onnx"],
        "protocols": [{"name": "OpenAI", "port": 8000}, {"name": "V2", "port": 8001}],
        "loads": ["hf"],
        "supports": [
            {"name": "devices", **every},
            {"name": "cpu", "accelerators": {"types": ["CPU"]}, **every},
        ],
        "probes": {"ready": {"path": "/health", "port": 8000}},
    }
    if supports is not None:
        defaults["supports"] = [{"name": f"s{i}", **every, **s} for i, s in enumerate(supports)]
    found: InferenceRuntime = _object("InferenceRuntime", name, {**defaults, **spec})
    return found


def variant(name: str = "bf16", **spec: Any) -> Spec:
    defaults: Spec = {
        "precision": "bf16",
        "format": "safetensors",
        "uri": "oci://example.com/m:1",
        "size": "8Gi",
    }
    return {"name": name, **defaults, **spec}


def workload(
    variants: Sequence[Spec] | None = None,
    model: Spec | None = None,
    name: str = "chat",
    namespace: str = "shop",
    **spec: Any,
) -> InferenceDeployment:
    """A chat model of 8 GiB in bf16, one replica."""
    content = {"model": model or CHAT, "variants": list(variants or [variant()]), **spec}
    found: InferenceDeployment = _object("InferenceDeployment", name, content, namespace=namespace)
    return found


def policy(name: str = "test", **spec: Any) -> PlacementPolicy:
    found: PlacementPolicy = _object("PlacementPolicy", name, spec)
    return found


def tier(name: str, **accelerators: Any) -> Spec:
    return {"name": name, "accelerators": accelerators}


def declared(name: str, selector: Mapping[str, str], accelerator_class: str, **spec: Any) -> AcceleratorPool:
    content = {"nodeSelector": dict(selector), "acceleratorClass": accelerator_class, **spec}
    found: AcceleratorPool = _object("AcceleratorPool", name, content)
    return found


def priced(pool: str, accelerator_class: str, cost: str) -> AcceleratorPool:
    """The price of a node of a GKE pool."""
    return declared(f"price-{pool}", {GKE_POOL: pool}, accelerator_class, costPerHour=cost)


def quantities(**texts: str | int) -> dict[str, int]:
    """cpu in cores, memory and storage as Quantities; other names by ``_`` for their device."""
    readers = {"cpu": parse_millis, "memory": parse_bytes, "storage": parse_bytes}
    names = {"storage": "ephemeral-storage", "gpu": GPU, "tpu": TPU}
    return {names.get(k, k): readers.get(k, parse_count)(v) for k, v in texts.items()}


def node(
    name: str,
    kind: str | None = None,
    pool: str | None = None,
    labels: Mapping[str, str] | None = None,
    taints: Iterable[str] = (),
    ready: bool = True,
    cordoned: bool = False,
    **texts: str | int,
) -> Node:
    """A node of 64 cores and 512 GiB; with a ``kind`` of device, four of them unless ``gpu`` says."""
    amounts = quantities(**{"cpu": "64", "memory": "512Gi", "storage": "1Ti", "pods": 110, **texts})
    if kind is not None and not any("/" in r for r in amounts):
        amounts[GPU] = 4
    every = {ARCHITECTURE: "amd64", **(labels or {})}
    if kind is not None:
        every[KIND] = kind
    if pool is not None:
        every[GKE_POOL] = pool
    marks = tuple(Taint(key, "", "NoSchedule") for key in taints)
    return Node(name, every, marks, amounts, dict(amounts), ready, cordoned)


def snapshot(
    nodes: Iterable[Node],
    classes: Iterable[AcceleratorClass],
    pools: Iterable[AcceleratorPool] = (),
    runtimes: Iterable[InferenceRuntime] | None = None,
    used: Mapping[str, Amounts] | None = None,
    holdings: Iterable[Holding] = (),
    devices: Devices = NO_DEVICES,
) -> Snapshot:
    found = discover(nodes, classes, pools, devices)
    servers = tuple(runtimes) if runtimes is not None else (runtime(),)
    return Snapshot(found.pools, servers, used or {}, tuple(holdings))


def candidate(seen: Snapshot, wanted: Demand, pool: str | None = None) -> Candidate:
    """The measured candidate of the first variant and runtime on the pool, or the only one."""
    found = [c for c in enumerate_candidates(seen, wanted) if pool in (None, c.pool.name)]
    assert found, f"no candidate on {pool}"
    return measure(found[0])


def placed(decision: Decision) -> list[tuple[str, int]]:
    """What was chosen, in short."""
    return [(c.as_placed.id, c.replicas) for c in decision.placements]


def verdicts(decision: Decision) -> list[tuple[str, bool, list[str]]]:
    """What was not chosen, in short: id, whether feasible, the codes."""
    return [
        (v.candidate.placement.id, v.feasible, [r.code.value for r in v.reasons]) for v in decision.verdicts
    ]


def holding(chosen: Chosen, bound: Sequence[str] = (), owner: tuple[str, str] = ("shop", "chat")) -> Holding:
    """The Deployment that a decision leads to, with some of its pods on nodes."""
    placement = chosen.as_placed
    name = f"{owner[1]}-{placement.variant}-{placement.pool}-{placement.devices}"
    return Holding(owner, name, placement, chosen.candidate.requests, chosen.replicas, tuple(bound))


def bind(seen: Snapshot, *holdings: Holding) -> Snapshot:
    """The snapshot with these Deployments, and their bound pods counted as used."""
    used: dict[str, dict[str, int]] = {n: dict(a) for n, a in seen.used.items()}
    for one in holdings:
        for name in one.bound:
            amounts = used.setdefault(name, {})
            for resource, amount in {**one.requests, "pods": 1}.items():
                amounts[resource] = amounts.get(resource, 0) + amount
    return replace(seen, used=used, holdings=(*seen.holdings, *holdings))


def someone(
    pool: str, accelerator_class: str, requests: Amounts, replicas: int, bound: Sequence[str] = ()
) -> Holding:
    """A Deployment of another InferenceDeployment."""
    at = Placement("other", "server", pool, accelerator_class, requests.get(GPU, 1))
    return Holding(("else", "other"), f"other-{pool}-{replicas}", at, requests, replicas, tuple(bound))


@lru_cache(maxsize=1)
def samples() -> tuple[Any, ...]:
    """The objects of manifests/samples."""
    documents = (d for f in sorted(SAMPLES.glob("*.yaml")) for d in yaml.safe_load_all(f.read_text()))
    return tuple(parse(d) for d in documents if d is not None)


def sample(name: str) -> Demand:
    """A sample InferenceDeployment with its policy."""
    found: InferenceDeployment = next(
        s for s in samples() if s.kind == "InferenceDeployment" and s.name == name
    )
    rules = found.spec.policy or "accelerators-first"
    return Demand(found, next(s for s in samples() if s.kind == "PlacementPolicy" and s.name == rules))


def fleet_nodes() -> list[Node]:
    """The nodes of the demo's fleet."""
    found: list[Node] = []
    for group in load_fleet():
        for body in group.nodes():
            status, spec = body["status"], body["spec"]
            found.append(
                Node(
                    body["metadata"]["name"],
                    body["metadata"]["labels"],
                    tuple(Taint(t["key"], t.get("value", ""), t["effect"]) for t in spec["taints"]),
                    _amounts(status["allocatable"]),
                    _amounts(status["capacity"]),
                    cordoned=spec["unschedulable"],
                )
            )
    return found


def _amounts(texts: Mapping[str, str]) -> dict[str, int]:
    readers = {"cpu": parse_millis, "memory": parse_bytes, "ephemeral-storage": parse_bytes}
    return {name: readers.get(name, parse_count)(text) for name, text in texts.items()}


@lru_cache(maxsize=1)
def fleet() -> Discovery:
    """The demo fleet's pools, with the embedded classes and the samples' prices."""
    pools = [s for s in samples() if s.kind == "AcceleratorPool"]
    return discover(fleet_nodes(), load_catalog().classes.values(), pools)


def fleet_snapshot() -> Snapshot:
    return Snapshot(fleet().pools, tuple(load_catalog().runtimes.values()), {})


def gib(count: float) -> int:
    return int(count * GIB)


def choose(seen: Snapshot, wanted: InferenceDeployment, rules: PlacementPolicy | None = None) -> Decision:
    """A first decision."""
    return decide(seen, Demand(wanted, rules or policy()), ())

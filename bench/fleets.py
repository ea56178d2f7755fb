"""Fleets and deployments to measure with, the same for the same seed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.accelerator_pool import AcceleratorPool
from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.parse import parse
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.quantity import GIB
from stowage.catalog import load_catalog
from stowage.placement.discovery import discover
from stowage.placement.snapshot import Demand, Node, Snapshot, Taint

SEED = 20260
POOL = "cloud.google.com/gke-nodepool"
KIND = "bench.example.com/class"
"""The label by which the fleets' classes are recognised: what the catalog goes by differs from class to
class, and is measured in the discovery of the demo's fleet."""

Machine = tuple[str, int, int, int, str]
MACHINES: tuple[Machine, ...] = (
    ("nvidia-l4", 1, 12, 48, "0.71"),
    ("nvidia-l4", 4, 48, 192, "4.00"),
    ("nvidia-l4", 8, 96, 384, "8.00"),
    ("nvidia-t4", 1, 8, 30, "0.55"),
    ("nvidia-t4", 4, 48, 192, "3.91"),
    ("nvidia-a10g", 1, 8, 32, "1.21"),
    ("nvidia-a10g", 4, 48, 192, "5.67"),
    ("nvidia-l40s", 4, 48, 384, "10.49"),
    ("nvidia-l40s", 8, 192, 1536, "30.13"),
    ("nvidia-a100-40gb", 8, 96, 1152, "29.39"),
    ("nvidia-a100-80gb", 4, 48, 680, "20.28"),
    ("nvidia-a100-80gb", 8, 96, 1360, "40.55"),
    ("nvidia-h100-80gb-sxm", 8, 208, 1872, "88.25"),
    ("nvidia-h200", 8, 192, 2048, "84.80"),
    ("nvidia-b200", 8, 224, 3968, "113.93"),
    ("amd-mi300x", 8, 96, 1850, "62.40"),
    ("amd-mi325x", 8, 128, 2304, "70.00"),
    ("intel-gaudi3", 8, 128, 1024, "60.00"),
    ("google-tpu-v5e", 8, 224, 384, "9.60"),
    ("google-tpu-v6e-trillium", 8, 180, 1440, "21.60"),
    ("aws-inferentia2", 6, 96, 384, "6.49"),
    ("aws-trainium1", 16, 128, 512, "21.50"),
    ("intel-flex-170", 2, 32, 128, "1.80"),
    ("cpu-x86-amx-int8", 44, 44, 176, "2.37"),
    ("cpu-x86-avx512-vnni", 32, 32, 128, "1.55"),
)
"""Class, devices of a node (of a CPU: cores), cores, GiB and price of a node: as clouds sell them."""

SIZES: tuple[tuple[str, int, int, int, int], ...] = (
    ("8b", 8_030_000_000, 32, 8, 15),
    ("14b", 14_700_000_000, 48, 8, 28),
    ("32b", 32_500_000_000, 64, 8, 62),
    ("70b", 70_600_000_000, 80, 8, 132),
)
"""Name, parameters, layers, heads of keys and values, GiB in 16 bits."""


@dataclass(frozen=True)
class Fleet:
    """A cluster without pods, and what its pools cost."""

    nodes: tuple[Node, ...]
    classes: tuple[AcceleratorClass, ...]
    declared: tuple[AcceleratorPool, ...]

    def snapshot(self) -> Snapshot:
        """What a decision sees of it."""
        found = discover(self.nodes, self.classes, self.declared)
        return Snapshot(found.pools, tuple(load_catalog().runtimes.values()), {})


def fleet(pools: int, nodes: int, machines: tuple[Machine, ...] = MACHINES) -> Fleet:
    """So many nodes in so many pools, the machines in turn; every third pool is spot capacity."""
    random = Random(SEED)
    found: list[Node] = []
    prices: list[AcceleratorPool] = []
    for number in range(pools):
        name, devices, cores, memory, price = machines[number % len(machines)]
        pool, spot = f"pool-{number:03}", number % 3 == 0
        share = 0.4 if spot else 1.0
        prices.append(_price(pool, name, f"{float(price) * share * random.uniform(0.9, 1.1):.2f}"))
        count = nodes // pools + (number < nodes % pools)
        found += [_node(f"{pool}-{i:05}", pool, name, devices, cores, memory, spot) for i in range(count)]
    return Fleet(tuple(found), _classes(machines), tuple(prices))


def _node(name: str, pool: str, kind: str, devices: int, cores: int, memory: int, spot: bool) -> Node:
    known = load_catalog().classes[kind]
    labels = {POOL: pool, KIND: kind, "kubernetes.io/arch": "amd64", "kubernetes.io/hostname": name}
    if spot:
        labels["cloud.google.com/gke-spot"] = "true"
    amounts = {
        "cpu": cores * 1000 - 500,
        "memory": memory * GIB * 95 // 100,
        "ephemeral-storage": 2000 * GIB,
        "pods": 110,
    }
    taints: tuple[Taint, ...] = ()
    if known.spec.type != "CPU":
        amounts[known.spec.resource_name or ""] = devices
        taints = tuple(Taint(key, "present", "NoSchedule") for key in known.spec.taints[:1])
    return Node(name, labels, taints, amounts, dict(amounts))


@lru_cache(maxsize=2)
def _classes(machines: tuple[Machine, ...]) -> tuple[AcceleratorClass, ...]:
    """The classes of the machines, each recognised by one label."""
    match = {"provider": "bench", "matchLabels": {}}
    found = []
    for name in sorted({m[0] for m in machines}):
        known = load_catalog().classes[name].to_wire()
        known["spec"]["match"] = [{**match, "matchLabels": {KIND: name}}]
        found.append(parse(known))
    return tuple(found)  # type: ignore[arg-type]


def _price(pool: str, kind: str, cost: str) -> AcceleratorPool:
    found: Any = _object(
        "AcceleratorPool",
        pool,
        {"nodeSelector": {POOL: pool}, "acceleratorClass": kind, "costPerHour": cost},
    )
    return found  # type: ignore[no-any-return]


def _object(kind: str, name: str, spec: dict[str, Any], **metadata: str) -> Any:
    metadata = {"name": name, **metadata}
    return parse({"apiVersion": "stowage.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec})


@lru_cache(maxsize=1)
def policies() -> tuple[PlacementPolicy, ...]:
    """One of each kind that a platform team writes."""
    spot = [
        {"name": "spot", "accelerators": {"capacityTypes": ["spot"]}},
        {"name": "rest", "accelerators": {}},
    ]
    types = [
        {"name": "gpus", "accelerators": {"types": ["GPU"]}},
        {"name": "others", "accelerators": {"types": ["TPU", "NPU"]}},
    ]
    return (
        _object("PlacementPolicy", "cheapest", {"goal": "Cheapest", "allowCPU": True}),
        _object("PlacementPolicy", "spot-first", {"goal": "Cheapest", "tiers": spot}),
        _object("PlacementPolicy", "best-fit", {"goal": "BestFit", "tiers": types}),
        _object("PlacementPolicy", "quickest", {"goal": "LowestLatency", "split": "Allowed"}),
    )


def deployment(number: int, variants: int) -> InferenceDeployment:
    """The deployment of this number, with its first so many variants of ten."""
    random = Random(SEED + number)
    name, parameters, layers, heads, size = random.choice(SIZES)
    size += random.randint(0, 3)
    requirements: dict[str, Any] = {}
    if number % 2:
        requirements["latency"] = {"timeToFirstToken": "2s", "timePerOutputToken": "150ms"}
    if number % 3 == 0:
        requirements["throughput"] = {
            "requestsPerSecond": str(random.randint(1, 12)), "inputTokens": 512, "outputTokens": 128,
        }  # fmt: skip
    attention = {"layers": layers, "kvHeads": heads, "headDimension": 128, "contextLength": 8192}
    spec = {
        "model": {
            "name": name, "task": "text-generation", "parameters": parameters, "attention": attention,
        },
        "variants": _variants(size)[:variants],
        "requirements": requirements,
        "replicas": random.randint(1, 4),
    }  # fmt: skip
    found: InferenceDeployment = _object("InferenceDeployment", f"app-{number:05}", spec, namespace="bench")
    return found


def _variants(size: int) -> list[dict[str, Any]]:
    half, quarter = f"{size * 512 + 400}Mi", f"{size * 256 + 800}Mi"
    weights = {"weights": "int4", "activations": "fp16"}
    plain: tuple[tuple[str, str, str, str, str, dict[str, Any]], ...] = (
        ("bf16", "bf16", "safetensors", f"{size}Gi", "1.0", {}),
        ("fp8", "fp8", "safetensors", half, "0.998", {}),
        ("awq", "int4", "safetensors", quarter, "0.990", {"scheme": "awq", **weights}),
        ("fp16", "fp16", "safetensors", f"{size}Gi", "0.999", {}),
        ("int8", "int8", "safetensors", half, "0.995", {"scheme": "compressed-tensors"}),
        ("gptq", "int4", "safetensors", quarter, "0.988", {"scheme": "gptq", **weights}),
        ("gguf", "int4", "gguf", quarter, "0.985", {"scheme": "gguf", **weights}),
        ("fnuz", "fp8", "safetensors", half, "0.997", {"dialect": "fnuz"}),
        ("fp32", "fp32", "safetensors", f"{size * 2}Gi", "1.0", {}),
        ("openvino", "int8", "openvino", half, "0.994", {}),
    )
    return [
        {
            "name": name, "precision": precision, "format": form, "uri": f"oci://example.com/models/{name}:1",
            "size": weight, "quality": quality, **({"quantization": how} if how else {}),
        }
        for name, precision, form, weight, quality, how in plain
    ]  # fmt: skip


def demand(number: int, variants: int = 3) -> Demand:
    """The deployment with the policy of its number."""
    known = policies()
    return Demand(deployment(number, variants), known[number % len(known)])

"""Every check: where it fails, with which code and which whole sentence."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.reasons import Code
from stowage.placement import checks
from stowage.placement.checks import Check
from stowage.placement.dynamic import NO_DEVICES, DeviceCount, Devices, DeviceSlice
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Node

from .builders import (
    CLASSIFIER,
    GKE_POOL,
    Spec,
    accelerator,
    candidate,
    cpu_class,
    node,
    policy,
    priced,
    runtime,
    snapshot,
    tier,
    variant,
    workload,
)

TOPOLOGY = "example.com/topology"
AWQ = {"scheme": "awq", "weights": "int4", "activations": "fp16"}
SHARING = [{"strategyLabel": "example.com/sharing"}]


@dataclass(frozen=True)
class Case:
    """What differs from a candidate that passes every check."""

    check: Check
    expected: tuple[Code, str] | None
    device: Spec = field(default_factory=dict)
    node: Spec = field(default_factory=dict)
    variant: Spec = field(default_factory=dict)
    model: Spec | None = None
    runtime: Spec = field(default_factory=dict)
    support: Spec | None = None
    policy: Spec = field(default_factory=dict)
    asked: Spec = field(default_factory=dict)
    replicas: int = 1
    price: str | None = None
    cpu: bool = False
    devices: Devices = NO_DEVICES


def reason(case: Case) -> Reason | None:
    device: AcceleratorClass = (
        cpu_class("gpu", **case.device) if case.cpu else accelerator("gpu", **case.device)
    )
    one: Node = node(
        "n", None if case.cpu else "gpu", "pool", **{"gpu": 4, **case.node} if not case.cpu else case.node
    )
    servers = [runtime(supports=[case.support] if case.support else None, **case.runtime)]
    prices = [priced("pool", "gpu", case.price)] if case.price else []
    wanted = workload([variant(**case.variant)], case.model, requirements=case.asked, replicas=case.replicas)
    rules = policy(**{"allowCPU": case.cpu, **case.policy})
    seen = snapshot([one], [device], prices, servers, devices=case.devices)
    return case.check(candidate(seen, Demand(wanted, rules)))


GPU_TIER, SPOT = tier("gpus", types=["GPU"]), tier("spot", capacityTypes=["spot"])
FP8 = {"name": "fp8", "precision": "fp8"}
NATIVE_FP8 = {"precisions": [{"name": "fp8", "peak": "200", "dialect": "fnuz"}]}

HTTPS = {"format": "onnx", "uri": "https://host/a/net.onnx"}
FILES = {"fileFormats": ["onnx"]}
CASES = {
    "tier: CPU is off": Case(
        checks.tier,
        (Code.CPU_NOT_ALLOWED, "policy test doesn't set allowCPU"),
        cpu=True,
        policy={"allowCPU": False, "tiers": [tier("c", types=["CPU"])]},
    ),
    "tier: CPU is on": Case(checks.tier, None, cpu=True),
    "tier: a tier without types means no CPU": Case(
        checks.tier,
        (Code.EXCLUDED_BY_POLICY, "no tier of policy test includes on-demand gpu"),
        cpu=True,
        policy={"tiers": [tier("all")]},
    ),
    "tier: none includes it": Case(
        checks.tier,
        (Code.EXCLUDED_BY_POLICY, "no tier of policy test includes on-demand gpu"),
        policy={"tiers": [SPOT]},
    ),
    "tier: a later one does": Case(checks.tier, None, policy={"tiers": [SPOT, GPU_TIER]}),
    "tier: excluded by name": Case(
        checks.tier,
        (Code.EXCLUDED_BY_POLICY, "no tier of policy test includes on-demand gpu"),
        policy={"tiers": [tier("t", excludeClasses=["gpu"])]},
    ),
    "tier: nominal memory": Case(
        checks.tier,
        (Code.EXCLUDED_BY_POLICY, "no tier of policy test includes on-demand gpu"),
        policy={"tiers": [tier("t", minMemory="20Gi")]},
    ),
    "tier: node labels": Case(
        checks.tier, None, policy={"tiers": [tier("t", nodeSelector={GKE_POOL: "pool"})]}
    ),
    "protocol": Case(
        checks.protocol,
        (Code.PROTOCOL_MISMATCH, "server speaks V2, the model's clients OpenAI"),
        runtime={"protocols": [{"name": "V2", "port": 8000}]},
    ),
    "protocol: default by task": Case(
        checks.protocol, None, model=CLASSIFIER, runtime={"protocols": [{"name": "V2", "port": 8000}]}
    ),
    "format": Case(
        checks.artefact_format,
        (Code.FORMAT_NOT_SUPPORTED, "server loads safetensors, onnx, not gguf"),
        variant={"format": "gguf"},
    ),
    "format: known": Case(checks.artefact_format, None, variant={"format": "onnx"}),
    "uri": Case(
        checks.uri_scheme,
        (
            Code.UNSUPPORTED_SCHEME,
            "server loads a folder of safetensors, and s3:// with this path is one file; write"
            " s3://bucket/folder/",
        ),
        variant={"uri": "s3://bucket/model"},
    ),
    "uri: a folder of a bucket": Case(checks.uri_scheme, None, variant={"uri": "s3://bucket/model/"}),
    "uri: a hub's model, for a server that doesn't know hubs": Case(
        checks.uri_scheme, None, variant={"uri": "hf://org/net"}, runtime={"loads": []}
    ),
    "uri: one file is fetched": Case(checks.uri_scheme, None, variant=HTTPS, runtime=FILES),
    "uri: with a query": Case(
        checks.uri_scheme, None, variant={**HTTPS, "uri": "https://host/a/net.onnx?sig=a/b"}, runtime=FILES
    ),
    "uri: a folder can't be fetched": Case(
        checks.uri_scheme,
        (
            Code.UNSUPPORTED_SCHEME,
            "server loads a folder of onnx, and https:// with this path is one file; store the variant as pvc://"
            " or oci://",
        ),
        variant=HTTPS,
    ),
    "uri: a file of a hub, for a server that doesn't know hubs": Case(
        checks.uri_scheme,
        None,
        variant={**HTTPS, "uri": "hf://org/net/a/net.onnx"},
        runtime={**FILES, "loads": []},
    ),
    "uri: a file of a bucket": Case(
        checks.uri_scheme, None, variant={**HTTPS, "uri": "gs://bucket/net.onnx"}, runtime=FILES
    ),
    "uri: no file": Case(
        checks.uri_scheme,
        (
            Code.UNSUPPORTED_SCHEME,
            "the uri of bf16 ends in '..'; it must end in a file's name of letters, digits and ._+=@-",
        ),
        variant={**HTTPS, "uri": "https://host/a/%2e%2e#net.onnx"},
        runtime=FILES,
    ),
    "uri: a Secret of the tenant's choice": Case(
        checks.uri_scheme,
        (
            Code.UNSUPPORTED_SCHEME,
            "credentials of bf16 are for servers that fetch by themselves; leave them out: the Secret of a"
            " store is named by policy test (fetch.stores)",
        ),
        variant={**HTTPS, "credentials": {"secretName": "root"}},
        runtime=FILES,
    ),
    "uri: of a store": Case(
        checks.uri_scheme,
        None,
        variant=HTTPS,
        runtime=FILES,
        policy={"fetch": {"otherStores": "Never", "stores": [{"uri": "https://host/a/"}]}},
    ),
    "uri: of none": Case(
        checks.uri_scheme,
        (
            Code.UNSUPPORTED_SCHEME,
            "policy test lets models be fetched from the stores of its fetch.stores only",
        ),
        variant={**HTTPS, "uri": "https://host.evil.example/a/net.onnx"},
        runtime=FILES,
        policy={"fetch": {"otherStores": "Never", "stores": [{"uri": "https://host/"}]}},
    ),
    "uri: a server that fetches https itself": Case(
        checks.uri_scheme, None, variant={"uri": "https://host/"}, runtime={"loads": ["https"]}
    ),
    "uri: the server fetches it": Case(checks.uri_scheme, None, variant={"uri": "hf://organisation/model"}),
    "uri: a volume": Case(checks.uri_scheme, None, variant={"uri": "pvc://claim/path"}),
    "accelerator": Case(
        checks.accelerator,
        (Code.ACCELERATOR_NOT_SUPPORTED, "server doesn't run on gpu"),
        support={"accelerators": {"types": ["TPU"]}},
    ),
    "accelerator: no CPU by omission": Case(
        checks.accelerator,
        (Code.ACCELERATOR_NOT_SUPPORTED, "server doesn't run on gpu"),
        cpu=True,
        support={"accelerators": {}},
    ),
    "architecture": Case(
        checks.architecture,
        (Code.ARCHITECTURE_MISMATCH, "example.com/server:1 exists for amd64, the nodes of pool are arm64"),
        node={"labels": {"kubernetes.io/arch": "arm64"}},
    ),
    "architecture: both": Case(
        checks.architecture,
        None,
        node={"labels": {"kubernetes.io/arch": "arm64"}},
        support={"architectures": ["amd64", "arm64"]},
    ),
    "hardware binding": Case(
        checks.hardware_binding,
        (Code.HARDWARE_BOUND, "variant bf16 was made for other hardware than gpu"),
        variant={"accelerators": {"classes": ["other"]}},
    ),
    "hardware binding: this hardware": Case(
        checks.hardware_binding, None, variant={"accelerators": {"classes": ["gpu"]}}
    ),
    "native precision": Case(
        checks.native_precision, (Code.PRECISION_NOT_NATIVE, "fp8 is not native on gpu"), variant=FP8
    ),
    "native precision: of the arithmetic, not of the weights": Case(
        checks.native_precision, None, variant={"precision": "int4", "quantization": AWQ}
    ),
    "runtime precision": Case(
        checks.runtime_precision,
        (Code.PRECISION_NOT_SUPPORTED, "server doesn't serve bf16 on gpu"),
        support={"precisions": ["fp16"]},
    ),
    "runtime precision: weight-only": Case(
        checks.runtime_precision,
        (
            Code.PRECISION_NOT_SUPPORTED,
            "server doesn't serve int4 weights with fp16 activations by gptq on gpu",
        ),
        variant={"precision": "int4", "quantization": {**AWQ, "scheme": "gptq"}},
    ),
    "runtime precision: weight-only, known": Case(
        checks.runtime_precision, None, variant={"precision": "int4", "quantization": AWQ}
    ),
    "runtime precision: scheme": Case(
        checks.runtime_precision,
        (Code.PRECISION_NOT_SUPPORTED, "server doesn't serve modelopt of fp8 on gpu"),
        variant={**FP8, "quantization": {"scheme": "modelopt"}},
        support={"schemes": ["fp8"]},
    ),
    "dialect": Case(
        checks.dialect,
        (
            Code.DIALECT_MISMATCH,
            "the variant's fp8 is ocp, gpu computes fnuz, and server doesn't convert",
        ),
        device=NATIVE_FP8,
        variant=FP8,
    ),
    "dialect: the server converts": Case(
        checks.dialect, None, device=NATIVE_FP8, variant=FP8, support={"dialects": ["ocp", "fnuz"]}
    ),
    "dialect: the same": Case(
        checks.dialect, None, device=NATIVE_FP8, variant={**FP8, "quantization": {"dialect": "fnuz"}}
    ),
    "shared device": Case(
        checks.shared_device,
        (Code.SHARED_DEVICE, "devices of pool.shared are shared; policy test doesn't set sharedDevices"),
        device={"sharing": SHARING},
        node={"labels": {"example.com/sharing": "time-slicing"}},
    ),
    "shared device: allowed": Case(
        checks.shared_device,
        None,
        device={"sharing": SHARING},
        node={"labels": {"example.com/sharing": "time-slicing"}},
        policy={"sharedDevices": True},
    ),
    "memory of its own that nobody knows": Case(
        checks.known_memory,
        (Code.UNKNOWN_MEMORY, "memory of gpu isn't known; override the class"),
        device={"memory": None},
    ),
    "memory of the node": Case(checks.known_memory, None, device={"memory": None, "hostMemory": True}),
    "precisions that nobody knows": Case(
        checks.native_precision,
        (Code.PRECISION_NOT_NATIVE, "what gpu computes isn't known; override the class"),
        device={"precisions": []},
    ),
    "topology": Case(
        checks.topology,
        (Code.MULTI_HOST_TOPOLOGY, "a slice of topology 4x4 spans 4 hosts of 4 devices"),
        device={"topologyLabel": TOPOLOGY},
        node={"labels": {TOPOLOGY: "4x4"}},
    ),
    "requestable": Case(
        checks.requestable,
        (
            Code.DYNAMIC_ONLY,
            "only DRA (gpu.example.com) publishes the 8 devices of a node of pool.gpus; set"
            " spec.extendedResourceName of DeviceClass gpus",
        ),
        device={"dra": {"driver": "gpu.example.com", "deviceClass": "gpus"}},
        node={"gpu": 0},
        devices=Devices((DeviceSlice("n", "gpu.example.com", "n", 1, (DeviceCount(8),)),)),
    ),
    "topology: one host": Case(
        checks.topology, None, device={"topologyLabel": TOPOLOGY}, node={"labels": {TOPOLOGY: "2x2"}}
    ),
    "memory": Case(
        checks.memory,
        (
            Code.INSUFFICIENT_MEMORY,
            "needs 29.1 GiB, each of 4 gpu offers 13.4 GiB usable: 15.6 GiB short",
        ),
        variant={"size": "99Gi"},
    ),
    "memory: fits": Case(checks.memory, None),
    "devices: the server joins too many": Case(
        checks.devices_per_node,
        (Code.TOO_FEW_DEVICES, "one replica needs 8 devices on one node, pool has 4"),
        support={"deviceCounts": [8, 16]},
    ),
    "devices: the heads can't be split": Case(
        checks.devices_per_node,
        (
            Code.TOO_FEW_DEVICES,
            "server can't split the model over the 4 devices of a node (usable counts: none)",
        ),
        support={"deviceCounts": [3]},
    ),
    "devices: only the whole node": Case(
        checks.devices_per_node,
        (
            Code.TOO_FEW_DEVICES,
            "server can't split the model over the 4 devices of a node (usable counts: none)",
        ),
        device={"wholeNode": True},
        support={"deviceCounts": [1, 8]},
    ),
    "devices: cores": Case(
        checks.devices_per_node,
        (Code.TOO_FEW_DEVICES, "one replica needs 8 cores on one node, pool has 7"),
        cpu=True,
        node={"cpu": "7910m"},
        support={"accelerators": {"types": ["CPU"]}, "deviceCounts": [8]},
    ),
    "quality": Case(
        checks.quality,
        (Code.QUALITY_TOO_LOW, "quality of bf16 is 0.98, at least 0.99 is asked"),
        variant={"quality": "0.98"},
        asked={"minQuality": "0.99"},
    ),
    "quality: equal": Case(checks.quality, None, variant={"quality": "0.990"}, asked={"minQuality": "0.99"}),
    "latency": Case(
        checks.latency,
        (Code.LATENCY_TOO_HIGH, "estimated time to first token is 164 ms on 1 device, at most 100ms"),
        support={"deviceCounts": [1]},
        asked={"latency": {"timeToFirstToken": "100ms"}},
    ),
    "latency: the most devices come nearest": Case(
        checks.latency,
        (Code.LATENCY_TOO_HIGH, "estimated time to first token is 41 ms on 4 devices, at most 40ms"),
        asked={"latency": {"timeToFirstToken": "40ms"}},
    ),
    "latency: more devices are quick enough": Case(
        checks.latency, None, asked={"latency": {"timeToFirstToken": "100ms"}}
    ),
    "latency: measured": Case(
        checks.latency,
        (Code.LATENCY_TOO_HIGH, "measured time per output token is 51 ms on 1 device, at most 50ms"),
        support={"deviceCounts": [1]},
        variant={"profiles": [{"acceleratorClass": "gpu", "timePerOutputToken": "51ms"}]},
        asked={"latency": {"timePerOutputToken": "50ms"}},
    ),
    "latency: equal": Case(
        checks.latency,
        None,
        variant={"profiles": [{"acceleratorClass": "gpu", "latency": "50ms"}]},
        asked={"latency": {"request": "50ms"}},
    ),
    "latency: unknown": Case(
        checks.latency,
        (Code.UNKNOWN_PERFORMANCE, "no figure for latency on gpu; give a profile"),
        device={"memoryBandwidth": None},
        asked={"latency": {"request": "1s"}},
    ),
    "throughput": Case(
        checks.throughput,
        (Code.UNKNOWN_PERFORMANCE, "no figure for requests per second on gpu; give a profile"),
        device={"memoryBandwidth": None},
        asked={"throughput": {"requestsPerSecond": "1"}},
    ),
    "throughput: known": Case(checks.throughput, None, asked={"throughput": {"requestsPerSecond": "1"}}),
    "budget": Case(
        checks.budget,
        (Code.OVER_BUDGET, "3 replicas cost 1.50 per hour, at most 1.49 is allowed"),
        replicas=3,
        price="2",
        asked={"maxCostPerHour": "1.49"},
    ),
    "budget: one replica": Case(
        checks.budget,
        (Code.OVER_BUDGET, "1 replica costs 0.50 per hour, at most 0.4 is allowed"),
        price="2",
        asked={"maxCostPerHour": "0.4"},
    ),
    "budget: equal, in decimals": Case(checks.budget, None, price="3.36", asked={"maxCostPerHour": "0.84"}),
    "budget: equal, in thirds": Case(
        checks.budget, None, replicas=3, price="2", node={"gpu": 3}, asked={"maxCostPerHour": "2"}
    ),
    "budget: unknown price": Case(
        checks.budget,
        (Code.UNKNOWN_PRICE, "no price of pool is known; create an AcceleratorPool with costPerHour"),
        asked={"maxCostPerHour": "1"},
    ),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_check(case: Case) -> None:
    found = reason(case)
    assert (found and (found.code, found.message)) == case.expected


def test_every_check_has_a_case_that_fails() -> None:
    failing = {case.check for case in CASES.values() if case.expected}
    elsewhere = {checks.built}  # test_builds.py
    assert failing | elsewhere == {*checks.RUNS, *checks.SUITS}


def test_all_reasons_are_kept_in_the_order_of_the_chain() -> None:
    seen = snapshot([node("n", "gpu", "pool")], [accelerator("gpu")])
    wanted = workload([variant(format="gguf", uri="s3://bucket/model", precision="fp8")])
    found = checks.failures(candidate(seen, Demand(wanted, policy())), checks.RUNS)
    assert [r.code for r in found] == [
        Code.FORMAT_NOT_SUPPORTED,
        Code.UNSUPPORTED_SCHEME,
        Code.PRECISION_NOT_NATIVE,
    ]

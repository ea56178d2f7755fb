"""What others got wrong, and what their users still ask for: one test for each that placement can get wrong.

Names say the lesson; the threads are those of the list that the project was started from.
"""

from __future__ import annotations

import pytest

from stowage.api.reasons import Code
from stowage.catalog import load_catalog
from stowage.placement.decide import decide
from stowage.placement.decision import Decision
from stowage.placement.discovery import discover
from stowage.placement.failure import Observed, PodState, Times, judge
from stowage.placement.reasons import Reason
from stowage.placement.recognition import classes_by_resource, recognise
from stowage.placement.snapshot import Demand, Node, Snapshot

from .builders import (
    CHAT,
    GKE_POOL,
    GPU,
    KIND,
    TPU,
    Spec,
    accelerator,
    bind,
    choose,
    cpu_class,
    declared,
    fleet_snapshot,
    holding,
    node,
    placed,
    policy,
    priced,
    runtime,
    sample,
    snapshot,
    tier,
    variant,
    verdicts,
    workload,
)

PRODUCT, INSTANCE = "nvidia.com/gpu.product", "node.kubernetes.io/instance-type"
A100 = node("n", labels={PRODUCT: "NVIDIA-A100-SXM4-80GB"}, gpu=8)
T4 = node("n", labels={PRODUCT: "Tesla-T4"}, gpu=1)
MI300X = node("n", labels={"amd.com/gpu.device-id": "74a1"}, **{"amd.com/gpu": 8})
FP8 = variant("fp8", precision="fp8", size="8Gi")
SMALL, LARGE = accelerator("small"), accelerator("large", memory="80Gi")


def catalog_snapshot(*nodes: Node) -> Snapshot:
    """Nodes as the embedded catalog sees them."""
    catalog = load_catalog()
    return Snapshot(discover(nodes, catalog.classes.values(), []).pools, tuple(catalog.runtimes.values()), {})


NO_NODE = Reason(Code.UNSCHEDULABLE, "no node took its pods")


def reasons_of(decision: Decision, server: str = "vllm") -> list[str]:
    return [r.message for v in decision.verdicts if v.candidate.runtime.name == server for r in v.reasons]


# --- Wanted, and not built anywhere.


def test_fallback_changes_variant_image_resources_and_pool_together() -> None:
    """kubeai#428, kubeai#256, modelplane#287, Nebula#14, llm-d-autoscaling#1331."""
    servers = [
        runtime("gpus", supports=[{"accelerators": {"types": ["GPU"]}, "image": "example.com/cuda:1"}]),
        runtime("cpus", supports=[{"accelerators": {"types": ["CPU"]}, "image": "example.com/cpu:1"}]),
    ]
    seen = snapshot([node("g", "large", "g"), node("c", None, "c")], [LARGE, cpu_class()], runtimes=servers)
    wanted = workload([variant("bf16", size="40Gi"), variant("int8", precision="int8", size="4Gi")])
    demand = Demand(
        wanted, policy(allowCPU=True, tiers=[tier("gpu", types=["GPU"]), tier("cpu", types=["CPU"])])
    )
    first = decide(seen, demand, ()).placements[0]
    second = decide(seen, demand, (first.as_placed,), {first.as_placed.id: NO_NODE}).placements[0]
    steps = [
        (c.as_placed.id, c.candidate.support and c.candidate.support.image, GPU in c.candidate.requests)
        for c in (first, second)
    ]
    assert steps == [
        ("bf16/gpus/g/1", "example.com/cuda:1", True),
        ("int8/cpus/c/1", "example.com/cpu:1", False),
    ]


GROWS = declared("d", {GKE_POOL: "big"}, "large", provisionable={"maxNodes": 1, "devicesPerNode": 4})
TIERS = policy(tiers=[tier("first", classes=["large"]), tier("second", classes=["small"])])


def test_fallback_when_the_cloud_is_out_of_stock_is_not_the_same_again() -> None:
    """kueue#2560, ray#53636."""
    seen = snapshot([node("s", "small", "s")], [SMALL, LARGE], [GROWS])
    demand = Demand(workload(), TIERS)
    failed = decide(seen, demand, ()).placements[0].as_placed
    again = decide(seen, demand, (), {failed.id: NO_NODE})
    assert (failed.pool, placed(again)) == ("big", [("bf16/server/s/1", 1)])


def test_what_waits_for_a_node_is_not_failed_over_early() -> None:
    """nebula-operator#556: the pending pod is what makes the autoscaler add the node."""
    seen = snapshot([node("s", "small", "s")], [SMALL, LARGE], [GROWS])
    demand = Demand(workload(), TIERS)
    first = decide(seen, demand, ()).placements[0]
    later = decide(bind(seen, holding(first)), demand, (first.as_placed,))
    assert placed(later) == [(first.as_placed.id, 1)]


@pytest.mark.parametrize("name", ["giant", "chat", "detector"])
def test_one_is_always_told_why(name: str) -> None:
    """LLMKube#78, kserve#4454, kserve#5113, kserve#3632, seldon-core#4861."""
    decision = decide(fleet_snapshot(), sample(name), ())
    assert decision.outcome.message
    assert all(r.message for v in decision.verdicts for r in v.reasons or [None])  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ({}, []),
        ({"tiers": [tier("c", types=["CPU"])]}, []),
        ({"allowCPU": True, "tiers": [tier("g", types=["GPU"])]}, []),
        ({"allowCPU": True}, [("bf16/server/cpu-64x/1", 1)]),
    ],
)
def test_no_cpu_in_silence_and_cpu_when_asked_for(rules: Spec, expected: list[tuple[str, int]]) -> None:
    """LLMKube#1385, triton server#7628, kubeai#256, kubeai#460."""
    seen = snapshot([node("c")], [cpu_class()])
    assert placed(choose(seen, workload(), policy(**rules))) == expected


@pytest.mark.parametrize(
    ("full", "expected"), [("Wait", ([], False)), ("Replace", ([("new/server/g/4", 1)], True))]
)
def test_a_rollout_on_a_full_cluster_does_not_deadlock(
    full: str, expected: tuple[list[tuple[str, int]], bool]
) -> None:
    """LLMKube#192, kserve#4618, seldon-operator#74."""
    seen = snapshot([node("g", "small", "g")], [SMALL])
    old = choose(seen, workload([variant("old", size="40Gi")])).placements[0]
    changed = workload([variant("new", size="40Gi")], disruption={"whenFull": full})
    decision = decide(bind(seen, holding(old, ["g"])), Demand(changed, policy()), (old.as_placed,))
    assert (placed(decision), decision.replaces) == expected


def test_the_cheapest_hardware_that_fits_without_naming_it() -> None:
    """kaito#242."""
    nodes = [node("s", "small", "s"), node("l", "large", "l")]
    prices = [priced("s", "small", "1"), priced("l", "large", "9")]
    seen = snapshot(nodes, [SMALL, LARGE], prices, runtimes=[runtime(supports=[{"deviceCounts": [1]}])])
    found = [
        placed(choose(seen, workload([variant(size=size)]), policy(goal="Cheapest")))
        for size in ("8Gi", "40Gi")
    ]
    assert found == [[("bf16/server/s/1", 1)], [("bf16/server/l/1", 1)]]


@pytest.mark.parametrize(
    ("least", "pools"), [("9Gi", ["l", "s"]), ("16Gi", ["l", "s"]), ("20Gi", ["l"]), ("100Gi", [])]
)
def test_device_memory_as_a_requirement_is_compared_as_a_number(least: str, pools: list[str]) -> None:
    """kserve#947; "9Gi" is more than "80Gi" only as text."""
    seen = snapshot([node("s", "small", "s"), node("l", "large", "l")], [SMALL, LARGE])
    decision = choose(seen, workload(), policy(tiers=[tier("t", minMemory=least)]))
    others = [v.candidate.pool.name for v in decision.verdicts if v.feasible]
    assert sorted([*others, *(c.as_placed.pool for c in decision.placements)]) == pools


def test_resource_names_of_other_vendors_are_first_class() -> None:
    """LLMKube#395, kserve#3963, aibrix#2574, dynamo#10072: no enum of devices, no release for a new one."""
    new = accelerator(
        "abacus",
        type="Other",
        vendor="Acme",
        resourceName="acme.example/abacus",
        taints=["acme.example/abacus"],
    )
    seen = snapshot([node("n", "abacus", **{"acme.example/abacus": 2})], [new])
    decision = choose(seen, workload())
    assert placed(decision) == [("bf16/server/abacus-2x/1", 1)]
    assert {r: n for r, n in decision.placements[0].candidate.requests.items() if "/" in r} == {
        "acme.example/abacus": 1
    }


def test_energy_is_a_goal() -> None:
    """llm-d-planner#70."""
    thirsty = accelerator("thirsty", powerWatts="700")
    seen = snapshot([node("a", "thirsty", "a"), node("b", "small", "b")], [thirsty, SMALL])
    assert placed(choose(seen, workload(), policy(goal="LowestEnergy"))) == [("bf16/server/b/1", 1)]


def test_a_quantized_variant_must_be_good_enough() -> None:
    """semantic-router#3225."""
    poor = variant("poor", size="2Gi", quality="0.97")
    wanted = workload([poor], requirements={"minQuality": "0.99"})
    decision = choose(snapshot([node("s", "small", "s")], [SMALL]), wanted)
    assert (placed(decision), decision.outcome.code) == ([], Code.NO_CANDIDATE)


# --- Bugs to not repeat.


def recognised(one: Node) -> tuple[list[str], tuple[str, ...]]:
    found = recognise(one, classes_by_resource(load_catalog().classes.values()))
    return [c.name for c in found.classes], found.unknown


@pytest.mark.parametrize("product", ["NVIDIA-L40", "", "L4", "nvidia-l4", "NVIDIA-L4-MIG"])
def test_products_are_not_matched_by_substring(product: str) -> None:
    assert recognised(node("n", labels={PRODUCT: product}, gpu=1)) == ([], (GPU,))


def test_a_devices_memory_is_not_the_nodes() -> None:
    seen = snapshot([node("s", "small", "s", gpu=1, memory="2Ti")], [SMALL])
    decision = choose(seen, workload([variant(size="40Gi")]))
    assert verdicts(decision) == [("bf16/server/s/1", False, ["InsufficientMemory"])]


def test_first_available_looks_at_what_is_available() -> None:
    seen = snapshot([node("a", "small", "a"), node("b", "small", "b")], [SMALL], used={"a": {GPU: 4}})
    assert placed(choose(seen, workload(), policy(goal="FirstAvailable"))) == [("bf16/server/b/1", 1)]


def test_a_pool_without_nodes_that_can_grow_is_not_taken_for_zero() -> None:
    """llm-d-autoscaling#1299."""
    assert placed(choose(snapshot([], [LARGE], [GROWS]), workload())) == [("bf16/server/big/1", 1)]


def test_an_unknown_accelerator_name_is_reported() -> None:
    """llm-d-autoscaling#995."""
    found = discover([], [SMALL], [priced("p", "h1000", "1")])
    assert found.problems == ("AcceleratorPool price-p: acceleratorClass 'h1000' doesn't exist",)


def test_no_candidate_means_no_pod_at_all() -> None:
    seen = snapshot([node("s", "small", "s")], [SMALL])
    decision = choose(seen, workload(), policy(tiers=[tier("t", types=["TPU"])]))
    assert (decision.placements, decision.outcome.code) == ((), Code.NO_CANDIDATE)


def test_images_belong_to_runtime_and_accelerator() -> None:
    images = [
        decision.placements[0].candidate.support.image.partition(":")[0]  # type: ignore[union-attr]
        for one in (A100, MI300X)
        for decision in [choose(catalog_snapshot(one), workload())]
    ]
    assert images == ["vllm/vllm-openai", "vllm/vllm-openai-rocm"]


@pytest.mark.parametrize("one", [A100, MI300X])
def test_a_pod_asks_for_exactly_one_accelerator_resource(one: Node) -> None:
    requests = choose(catalog_snapshot(one), workload()).placements[0].candidate.requests
    devices = {r: n for r, n in requests.items() if "/" in r}
    assert len(devices) == 1
    assert all(n >= 1 for n in devices.values())


def test_a_count_of_devices_is_never_zero() -> None:
    """kubeai#531: zero gave a pod every GPU of the node."""
    seen = snapshot([node("s", "small", "s", gpu=0), node("t", "small", "t")], [SMALL])
    assert {p.name for p in seen.pools} == {"t"}
    assert choose(seen, workload()).placements[0].candidate.requests[GPU] == 1


def test_the_planned_variant_is_pinned() -> None:
    """NeMo-Retriever#2689."""
    chosen = choose(snapshot([node("s", "small", "s")], [SMALL]), workload()).placements[0]
    assert chosen.candidate.variant.name == chosen.as_placed.variant == "bf16"


def test_the_optimiser_does_not_flap_between_equals() -> None:
    """aibrix#637."""
    seen = snapshot([node("a", "small", "a"), node("b", "small", "b")], [SMALL])
    demand = Demand(workload(), policy())
    chosen = decide(seen, demand, ()).placements[0]
    for free in (4, 1):
        busy = snapshot(seen.pools[0].nodes + seen.pools[1].nodes, [SMALL], used={"a": {GPU: 4 - free}})
        later = decide(bind(busy, holding(chosen, ["a"])), demand, (chosen.as_placed,))
        assert placed(later) == [(chosen.as_placed.id, 1)]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(
            node(
                "n",
                labels={"amd.com/gpu.device-id": "74a5", "amd.com/gpu.product-name": "x"},
                **{"amd.com/gpu": 8},
            ),
            (["amd-mi325x"], ()),
            id="an MI325X is no MI300X",
        ),
        pytest.param(
            node(
                "n",
                labels={
                    "karpenter.k8s.aws/instance-gpu-name": "l4",
                    "karpenter.k8s.aws/instance-gpu-memory": "2861",
                    INSTANCE: "g6f.large",
                    "kubernetes.io/arch": "amd64",
                },
            ),
            ([], ()),
            id="a g6f has labels of a GPU, and no GPU",
        ),
        pytest.param(
            node(
                "n",
                labels={
                    "karpenter.k8s.aws/instance-gpu-name": "a100",
                    "karpenter.k8s.aws/instance-gpu-memory": "40960",
                },
                gpu=8,
            ),
            (["nvidia-a100-40gb"], ()),
            id="an A100 of 40 GB is none of 80",
        ),
    ],
)
def test_labels_that_mislead(one: Node, expected: tuple[list[str], tuple[str, ...]]) -> None:
    assert recognised(one) == expected


@pytest.mark.parametrize(("taints", "count"), [((), 1), ((GPU,), 1), ((GPU, "team"), 0)])
def test_tolerations_follow_live_taints(taints: tuple[str, ...], count: int) -> None:
    """GKE taints GPU pools only where a pool without GPUs existed already."""
    seen = snapshot([node("s", "small", "s", taints=taints)], [SMALL])
    assert len(placed(choose(seen, workload()))) == count


TOPOLOGY = {
    "cloud.google.com/gke-tpu-accelerator": "tpu-v5-lite-podslice",
    "cloud.google.com/gke-tpu-topology": "4x4",
    GKE_POOL: "t",
}


@pytest.mark.parametrize(
    ("one", "spec", "message"),
    [
        pytest.param(T4, variant(), "bf16 is not native on nvidia-t4", id="bf16 on a T4"),
        pytest.param(A100, FP8, "fp8 is not native on nvidia-a100-80gb", id="native fp8 on an A100"),
        pytest.param(
            node("n", labels=TOPOLOGY, **{TPU: 4}),
            variant(),
            "a slice of topology 4x4 spans 4 hosts of 4 devices",
            id="a TPU slice over several hosts",
        ),
    ],
)
def test_what_the_hardware_can_not_do_is_refused_with_the_reason(one: Node, spec: Spec, message: str) -> None:
    decision = choose(catalog_snapshot(one), workload([spec]))
    assert decision.placements == ()
    assert message in reasons_of(decision)


def test_ocp_fp8_on_an_mi300_only_where_the_server_converts() -> None:
    plain = runtime("plain", supports=[{"dialects": ["ocp"]}])
    seen = catalog_snapshot(MI300X)
    both = Snapshot(seen.pools, (*seen.runtimes, plain), {})
    decision = choose(both, workload([FP8]))
    assert placed(decision) == [("fp8/vllm/amd-mi300x-8x/1", 1)]
    assert reasons_of(decision, "plain") == [
        "the variant's fp8 is ocp, amd-mi300x computes fnuz, and plain doesn't convert"
    ]


def test_a_fallback_never_changes_the_protocol() -> None:
    other = runtime("other", protocols=[{"name": "V2", "port": 8000}])
    seen = snapshot([node("s", "small", "s")], [SMALL], runtimes=[runtime(), other])
    demand = Demand(workload(model={**CHAT, "protocol": "OpenAI"}), policy())
    decision = decide(seen, demand, (), {"bf16/server/s/1": NO_NODE})
    assert (placed(decision), verdicts(decision)) == (
        [],
        [("bf16/server/s/1", False, ["InBackoff"]), ("bf16/other/s/0", False, ["ProtocolMismatch"])],
    )


def test_a_slow_start_is_no_failure() -> None:
    """Whether something failed is said by whoever watches pods; what only starts slowly is kept."""
    seen = snapshot([node("s", "small", "s"), node("l", "large", "l")], [SMALL, LARGE])
    demand = Demand(workload(), policy())
    chosen = decide(seen, demand, ()).placements[0]
    assert placed(decide(bind(seen, holding(chosen)), demand, (chosen.as_placed,))) == [
        (chosen.as_placed.id, 1)
    ]


def test_other_peoples_pods_change_no_text() -> None:
    demand = sample("chat")
    quiet = decide(fleet_snapshot(), demand, ())
    busy_nodes = {n.name: {"cpu": 1000, "pods": 3} for p in fleet_snapshot().pools for n in p.nodes}
    assert (
        decide(Snapshot(fleet_snapshot().pools, fleet_snapshot().runtimes, busy_nodes), demand, ()) == quiet
    )


@pytest.mark.parametrize(("major", "newer"), [("9", False), ("10", True), ("12", True), ("8", False)])
def test_a_compute_capability_is_compared_as_a_number(major: str, newer: bool) -> None:
    """As text "10" comes before "9"."""
    expression = {"key": "nvidia.com/gpu.compute.major", "operator": "Gt", "values": ["9"]}
    match = [{"provider": "test", "matchLabels": {KIND: "modern"}, "matchExpressions": [expression]}]
    modern = accelerator("modern", match=match)
    one = node("n", "modern", labels={"nvidia.com/gpu.compute.major": major})
    assert bool(snapshot([one], [modern]).pools) is newer


TIMES = Times(after=60, provisioning=600, start=1800)
REFUSED = Observed((), refused="exceeded quota: gpus", refused_since=1000.0)


@pytest.mark.parametrize(("after", "failed"), [(59, False), (60, True)])
def test_a_quota_that_lets_no_pod_be_made_is_a_failure(after: float, failed: bool) -> None:
    """There is no pod then that could be Unschedulable."""
    verdict = judge(REFUSED, TIMES, 1000.0 + after, 0.0)
    assert isinstance(verdict, Reason) is failed
    if isinstance(verdict, Reason):
        assert (verdict.code, "exceeded quota: gpus" in verdict.message) == (Code.PODS_REFUSED, True)


@pytest.mark.parametrize(("after", "failed"), [(1799, False), (1800, True)])
def test_a_slow_model_load_fails_only_after_the_start_timeout(after: float, failed: bool) -> None:
    loading = PodState(node="n", since=1000.0, running=True)
    assert isinstance(judge(Observed((loading,)), TIMES, 1000.0 + after, 0.0), Reason) is failed

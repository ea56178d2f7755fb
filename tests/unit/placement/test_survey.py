"""Asked in bulk, candidates are what they are when each is asked by itself."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowage.api.parse import parse
from stowage.placement import faults
from stowage.placement.candidates import Candidate, enumerate_candidates, measure
from stowage.placement.capacity import Capacity
from stowage.placement.checks import MEASURED, RUNS, SUITS, UNMEASURED, failures
from stowage.placement.decide import decide
from stowage.placement.decision import Verdict
from stowage.placement.offers import Offers
from stowage.placement.order import HOPELESS, rank
from stowage.placement.sizing import Sizing
from stowage.placement.snapshot import Demand, Pool, Snapshot
from stowage.placement.survey import Survey

from .builders import accelerator, cpu_class, policy, runtime, variant, workload
from .strategies import GOALS, TIERS, demands, examples

CLASSES = [
    accelerator("small"),
    accelerator("large", memory="80Gi", memoryBandwidth="3000", wholeNode=True),
    accelerator("fast", precisions=[{"name": "fp8", "peak": "900", "dialect": "fnuz"}, {"name": "bf16"}]),
    accelerator("blank", memory=None),
    cpu_class("cpu"),
]
RUNTIMES = [
    runtime("any"),
    runtime("arm", supports=[{"architectures": ["arm64"], "deviceCounts": [1, 2]}]),
    runtime("some", supports=[{"accelerators": {"classes": ["fast"]}, "dialects": ["ocp", "fnuz"]}]),
    runtime("v2", protocols=[{"name": "V2", "port": 8001}], formats=["onnx"]),
]
AWQ = {"scheme": "awq", "weights": "int4", "activations": "fp16"}
VARIANTS = [
    variant("bf16", size="20Gi"),
    variant("fp8", precision="fp8", size="10Gi", quality="0.98"),
    variant("fnuz", precision="fp8", size="10Gi", quantization={"dialect": "fnuz"}),
    variant(
        "awq", precision="int4", quantization={"scheme": "awq", "weights": "int4", "activations": "fp16"}
    ),
    variant("spot", accelerators={"capacityTypes": ["spot"]}),
    variant("here", accelerators={"nodeSelector": {"zone": "a"}}),
    variant("strange", format="gguf", uri="s3://bucket/x"),
]
FIELDS = {
    "accelerator_class": CLASSES,
    "capacity_type": ["spot", "on-demand"],
    "architecture": ["amd64", "arm64"],
    "devices_per_node": [1, 2, 4, 8],
    "device_memory": [None, 16 * 2**30, 80 * 2**30],
    "node_memory": [8 * 2**30, 64 * 2**30],
    "labels": [{"zone": "a"}, {"zone": "b"}],
    "topology": ["", "2x4"],
    "shared": [False, True],
    "cost_per_hour": [None, Decimal("1.5"), Decimal(2), Decimal(9)],
    "published": ["", "vendor.example.com/part", "dra/device"],
    "cpu_per_device": [0, 2000],
}
"""What pools may differ in."""
BASE = Pool(
    "p", CLASSES[0], (), (), True, "on-demand", "amd64", 4, 16 * 2**30, 64 * 2**30, {"zone": "a"},
    cost_per_hour=Decimal(2),
)  # fmt: skip


@st.composite
def pools(draw: st.DrawFn) -> tuple[Pool, ...]:
    """Pools that are alike but for a thing or two."""
    found: dict[tuple[str, str], Pool] = {}
    some = st.sampled_from([*sorted(FIELDS), *2 * ["device_memory", "node_memory", "cost_per_hour"]])
    base = replace(BASE, **{f: draw(st.sampled_from(FIELDS[f])) for f in draw(st.sets(some, max_size=3))})  # type: ignore[arg-type]
    for name in ("p", "p-a", "p.a", "q", "r")[: draw(st.integers(0, 5))]:
        changed = draw(st.sets(some, max_size=2))
        pool = replace(base, name=name, **{f: draw(st.sampled_from(FIELDS[f])) for f in sorted(changed)})  # type: ignore[arg-type]
        found[pool.key] = pool
    return tuple(found.values())


def wanted(demand: Demand, names: list[int], goal: str, tiers: int) -> Demand:
    """The demand over these variants and this goal."""
    chosen = [VARIANTS[i] for i in names]
    spec = demand.workload.to_wire()
    spec["spec"]["variants"] = chosen
    policy = demand.policy.to_wire()
    policy["spec"].update({"goal": goal, "tiers": TIERS[tiers], "allowCPU": True})
    return Demand(parse(spec), parse(policy))  # type: ignore[arg-type]


scenes = st.builds(
    wanted,
    demands(),
    st.lists(st.integers(0, len(VARIANTS) - 1), min_size=1, max_size=4, unique=True),
    st.sampled_from(GOALS),
    st.integers(0, len(TIERS) - 1),
)


def one_by_one(seen: Snapshot, demand: Demand) -> Iterator[Candidate | Verdict]:
    """Every candidate asked every question."""
    for plain in enumerate_candidates(seen, demand):
        reasons = failures(plain, RUNS)
        measured = plain if reasons else measure(plain)
        reasons = reasons or failures(measured, SUITS)
        yield Verdict(measured, False, reasons) if reasons else measured


def nearness(verdict: Verdict) -> tuple[object, ...]:
    """As ``Survey.rejected`` says: what can run first, then the fewest reasons, then the least short."""
    c, fit = verdict.candidate, verdict.candidate.fit
    short = max(1.0, fit.needed / fit.usable) if fit is not None and fit.usable > 0 else 1.0
    return bool(failures(c, RUNS)), len(verdict.reasons), short, c.placement.id, c.pool.key


@examples
@given(pools(), scenes)
def test_in_bulk_as_one_by_one(found: tuple[Pool, ...], demand: Demand) -> None:
    seen = Snapshot(tuple(sorted(found, key=lambda p: p.key)), tuple(RUNTIMES), {})
    survey = Survey(seen, demand)
    each = list(one_by_one(seen, demand))
    able = [c for c in each if isinstance(c, Candidate)]
    rejected = [v for v in each if isinstance(v, Verdict)]
    assert list(survey.able()) == sorted(able, key=lambda c: rank(c, Capacity(0, 0, 0), 1))
    assert list(survey.rejected()) == sorted(rejected, key=nearness)
    places = [c.placement for c in able]
    assert survey.at(places) == able


@examples
@given(pools(), scenes)
def test_no_candidate_is_better_than_the_bound_of_its_offer(found: tuple[Pool, ...], demand: Demand) -> None:
    seen = Snapshot(tuple(sorted(found, key=lambda p: p.key)), tuple(RUNTIMES), {})
    groups = seen.grouping.groups(demand)
    sizings = [Sizing(demand.workload, v) for v in demand.workload.spec.variants]
    for group in groups:
        for offer in Offers(faults.Faults(seen, demand, groups), group, sizings).wanted:
            suiting = [worth[0] for entry in offer.entries[0] for worth, *_ in entry.ranked()]
            assert offer.at_best() <= min(suiting, default=HOPELESS)


@pytest.mark.parametrize("name", sorted(FIELDS))
@pytest.mark.parametrize("goal", ["Cheapest", "BestFit"])
def test_pools_that_differ_in_one_thing_are_told_apart(name: str, goal: str) -> None:
    cpu = replace(BASE, name="c", accelerator_class=CLASSES[-1], device_memory=None, devices_per_node=8)
    found = [
        replace(base, name=f"{base.name}{i}", **{name: value})
        for base in (BASE, cpu)
        for i, value in enumerate(FIELDS[name])
    ]
    seen = Snapshot((BASE, cpu, *found), tuple(RUNTIMES), {})
    every = Demand(workload(VARIANTS, requirements={"maxCostPerHour": "3"}), policy(goal=goal, allowCPU=True))
    free = Demand(workload(VARIANTS), policy(goal=goal, sharedDevices=True))
    for demand in (every, free):
        survey, each = Survey(seen, demand), list(one_by_one(seen, demand))
        able = [c for c in each if isinstance(c, Candidate)]
        rejected = [v for v in each if isinstance(v, Verdict)]
        assert list(survey.able()) == sorted(able, key=lambda c: rank(c, Capacity(0, 0, 0), 1))
        assert list(survey.rejected()) == sorted(rejected, key=nearness)


def test_every_check_is_in_one_part() -> None:
    runs = (*faults.OF_RUNTIME, *faults.OF_BINDING, *faults.OF_ARITHMETIC)
    assert (len(runs), set(runs)) == (len(RUNS), set(RUNS))
    assert sorted(map(repr, (*UNMEASURED, *MEASURED))) == sorted(map(repr, SUITS))


@pytest.mark.parametrize("looked_at", [0, 1, 4, 100_000])
def test_a_decision_leaves_nothing_for_the_garbage_collector(looked_at: int) -> None:
    """A fleet makes thousands of them in a minute, each with its candidates and a snapshot."""
    found = [replace(BASE, name=f"p{number}") for number in range(8)]
    seen = Snapshot(tuple(found), tuple(RUNTIMES), {})
    demand = Demand(workload(VARIANTS), policy())
    gc.collect()
    gc.disable()
    try:
        decision = decide(seen, demand, ())
        list(islice(decision.verdicts, looked_at))
        del decision
        assert gc.collect() == 0
    finally:
        gc.enable()

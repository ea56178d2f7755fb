"""How it decides: the page's commands print what it shows, and its arithmetic is the engine's."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from stowage.cli.world import load_world
from stowage.placement import fit, roofline
from stowage.placement.candidates import Candidate, measure

from .console import ROOT, Shown, lines_of, matches, run, shown

PAGES = [ROOT / "docs/deciding.md", ROOT / "docs/plan.md"]
TEXT = PAGES[0].read_text()
COMMANDS = [one for page in PAGES for one in shown(page.read_text()) if one.runs]
KIND = {"a GPU": "gpu-chat", "a TPU": "tpu", "an FPGA": "fpga", "an NPU": "npu", "a CPU": "cpu",
        "an IPU": "ipu.yaml", "several devices": "gpu-chat-70b", "nowhere": "nowhere"}  # fmt: skip


@pytest.mark.parametrize("one", COMMANDS, ids=lambda one: one.arguments[-1])
def test_a_command_prints_what_the_page_shows(one: Shown) -> None:
    ended = run(one.arguments)
    assert ended.stderr == ""
    assert matches(one.output, lines_of(ended.stdout)), f"run make generate; found:\n{ended.stdout}"
    assert ended.returncode == (2 if "nowhere" in one.command else 0)


@pytest.mark.parametrize("kind", KIND)
def test_there_is_an_example_for(kind: str) -> None:
    assert any(f"/{KIND[kind]}" in one.command for one in shown(TEXT))


def test_an_elision_stands_for_any_lines() -> None:
    assert matches(("a", "...", "d"), ["a", "b", "c", "d"])
    assert matches(("a", "..."), ["a"])
    assert not matches(("a", "...", "d"), ["a", "b"])
    assert not matches(("a",), ["a", "b"])


CONSTANTS = {
    "usable share of a device's memory": fit.USABLE_SHARE,
    "loaded weights / stored weights": fit.WEIGHTS_OVERHEAD,
    "largest share of split weights / mean": fit.IMBALANCE,
    "reserve of a language model, GiB a device": round(fit.LANGUAGE_RESERVE / 2**30, 3),
    "reserve of a classic model, GiB a device": round(fit.CLASSIC_RESERVE / 2**30, 3),
    "share of the peak that servers reach": roofline.COMPUTE_EFFICIENCY,
    "share of the bandwidth that servers reach": roofline.BANDWIDTH_EFFICIENCY,
}


def test_the_figures_are_those_of_the_engine() -> None:
    rows = re.findall(r"^\| ([^|]+) \| ([0-9.]+) \|", TEXT, re.M)
    assert {name: float(value) for name, value in rows} == CONSTANTS


UNITS = {
    "KiB": 2.0**10, "MiB": 2.0**20, "GiB": 2.0**30, "B": 1.0, "TFLOPS": 1e12, "TOPS": 1e12, "GB/s": 1e9,
    "ms": 1e-3, "s": 1.0, "J": 1.0, "requests/s": 1.0, "per hour": 1.0,
}  # fmt: skip
NUMBER = re.compile(
    rf"(\d[\d.]*(?:e\d+)?)(?: ({'|'.join(sorted(map(re.escape, UNITS), key=len, reverse=True))})\b)?"
)


def value_of(text: str) -> float:
    """What an expression of the page comes to, in base units."""
    plain = NUMBER.sub(lambda m: repr(float(m[1]) * UNITS.get(m[2] or "B", 1.0)), text).replace(" x ", " * ")
    assert re.fullmatch(r"(?:[-+*/(),. e\d]|max|ceil)+", plain), text
    return float(eval(plain, {"__builtins__": {}}, {"max": max, "ceil": math.ceil}))


@dataclass(frozen=True)
class Sum:
    """One line of arithmetic: what it is of, and expressions that must be equal, the last one plain."""

    example: str
    label: str
    parts: tuple[str, ...]


def sums() -> Iterator[Sum]:
    for block in re.findall(r"^```text\n(.*?)^```", TEXT, re.S | re.M):
        head, *lines = block.splitlines()
        for line in lines:
            label, *parts = (part.strip() for part in line.split(" = "))
            yield Sum(head, label, tuple(parts))


SUMS = list(sums())


@pytest.mark.parametrize("one", SUMS, ids=lambda one: f"{one.example} {one.label}")
def test_both_sides_are_equal(one: Sum) -> None:
    shown_value = value_of(one.parts[-1])
    for part in one.parts[:-1]:
        # What goes in is rounded to three digits, and so is what comes out.
        assert value_of(part) == pytest.approx(shown_value, rel=0.01), part


@cache
def candidate(example: str) -> Candidate:
    """The engine's own candidate, on as many devices as the example says."""
    match = re.fullmatch(r"(\S+): (\S+) on (\S+), (\d+) (?:devices?|cores?)", example)
    assert match is not None, example
    name, variant, pool, devices = match.groups()
    world, _ = load_world([str(ROOT / "manifests/samples")], str(ROOT / "docs/examples/fleet.yaml"), None)
    (planned,) = world.plan(w for w in world.workloads() if w.name == name)
    assert planned.decision is not None
    decision = planned.decision
    every = [c.candidate for c in decision.placements] + [v.candidate for v in decision.verdicts]
    found = next(c for c in every if c.variant.name == variant and c.pool.name == pool and c.devices)
    return found if found.devices == int(devices) else measure(found, int(devices))


def engine(one: Candidate) -> dict[str, float | None]:
    """What the engine found, by the label that the page gives it."""
    spec, what = one.demand.workload.spec, one.estimate
    load = spec.requirements.throughput
    tokens = (load.output_tokens if load else roofline.DEFAULT_OUTPUT_TOKENS) if spec.model.attention else 0
    rate, first, each = what.requests_per_second, what.time_to_first_token, what.time_per_output_token
    batch = None
    if rate is not None and what.latency is not None:
        # From rate = batch / (batch x first + tokens x each); a classic model has one pass only.
        language = first is not None and each is not None
        batch = rate * tokens * each / (1 - rate * first) if language else rate * what.latency  # type: ignore[operator]
    assert one.fit is not None
    return {
        "needed": one.fit.needed,
        "usable": one.fit.usable,
        "batch": batch,
        "first token": first,
        "each token": each,
        "latency": what.latency,
        "alone": what.latency_alone,
        "rate": rate,
        "energy": what.joules_per_request,
        "replicas": one.replicas,
        "cost": float(one.total_cost) if one.total_cost is not None else None,
    }


@pytest.mark.parametrize("one", SUMS, ids=lambda one: f"{one.example} {one.label}")
def test_the_engine_says_the_same(one: Sum) -> None:
    found = engine(candidate(one.example))
    if one.label in found:
        assert value_of(one.parts[-1]) == pytest.approx(found[one.label], rel=0.005)


def test_most_of_the_arithmetic_is_the_engines() -> None:
    checked = [one for one in SUMS if one.label in engine(candidate(one.example))]
    assert {one.label for one in checked} == set(engine(candidate(SUMS[0].example)))
    assert len(checked) > 40


def test_the_wrong_figure_would_be_found() -> None:
    assert value_of("8.47 GiB + 1.00 GiB + 2.3 GiB") == pytest.approx(11.77 * 2**30)
    assert value_of("max(2, ceil(6 / 5.03))") == 2
    assert value_of("2 x 8.03e9 x 512 / 121 TFLOPS") == pytest.approx(0.068, rel=0.01)
    assert value_of("0.84 per hour") == 0.84
    assert Path(PAGES[0]).exists()

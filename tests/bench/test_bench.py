"""The benchmark runs, measures what it says, and comes out the same. How fast it is isn't judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import fleets, report
from bench.scenarios import SMALL, Result, every, fleet, hold, run
from stowage.placement.decide import decide
from stowage.placement.snapshot import Snapshot


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return run(every(SMALL), ())


def test_every_scenario_says_what_came_out(results: list[Result]) -> None:
    assert {name.split(":")[0] for name in (r.name for r in results)} == set(every(SMALL))
    facts = {r.name: r.facts for r in results if r.facts}
    assert facts["decide: the choice"] == {"candidates": 10 * 9 * 4}
    assert facts["discover: all nodes"] == {"nodes": 50, "pools": 10}
    assert facts["fleet: 40 deployments"]["placed"] == 40
    assert facts["status: the first"] == {"lines": 16}
    assert all(r.milliseconds and min(r.milliseconds) >= 0 for r in results)


def test_the_fleet_comes_out_the_same_each_time(results: list[Result]) -> None:
    again = fleet(SMALL)[-1].facts
    before = next(r.facts for r in results if r.name == "fleet: 40 deployments")
    assert {k: v for k, v in again.items() if k != "peak MiB"} == {
        k: v for k, v in before.items() if k != "peak MiB"
    }


def test_the_fleet_decided_with_a_snapshot_handed_on_is_the_one_decided_anew() -> None:
    seen = fleets.fleet(10, 30).snapshot()
    for number in range(40):
        demand = fleets.demand(number)
        decision = decide(seen, demand, ())
        anew = Snapshot(seen.pools, seen.runtimes, seen.used, seen.holdings)
        assert decide(anew, demand, ()).placements == decision.placements
        seen = hold(seen, demand, decision)
    assert len(seen.holdings) >= 30


def test_results_are_kept_and_compared_with_the_last_of_the_machine(
    results: list[Result], tmp_path: Path
) -> None:
    made = report.record(results)
    assert report.last(tmp_path, made["machine"]) is None
    path = report.save(made, tmp_path)
    assert json.loads(path.read_text()) == report.last(tmp_path, made["machine"]) == made
    assert report.last(tmp_path, "another") is None
    slower = {**made, "yardstick": made["yardstick"] / 2}
    name = "fleet: 40 deployments"
    assert report.ratio(name, slower, made) == pytest.approx(2)
    assert report.ratio(name, made, None) is None
    console = Console(record=True, width=120)
    report.show(slower, made, console)
    assert "x 2.00" in console.export_text()

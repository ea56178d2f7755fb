"""The benchmark runs, measures what it says, and comes out the same. How fast it is isn't judged here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from rich.console import Console

from bench import catalogue, fleets, plots, report
from bench.book import Book
from bench.scenarios import SMALL, Result, every, fleet, hold
from stowage.placement.decide import decide
from stowage.placement.snapshot import Snapshot


@pytest.fixture(scope="module")
def results() -> list[Result]:
    book = Book(lambda _: None)
    catalogue.run(tuple(every(SMALL)), catalogue.SMALL, book)
    assert book.failures == {}
    return book.results


def test_every_scenario_says_what_came_out(results: list[Result]) -> None:
    assert {name.split(":")[0] for name in (r.name for r in results)} == set(every(SMALL))
    facts = {r.name: r.facts for r in results if r.facts}
    assert facts["decide: the choice"] == {"candidates": 10 * 9 * 4}
    assert facts["discover: all nodes"] == {"nodes": 50, "pools": 10}
    assert facts["decisions: 40 deployments"]["placed"] == 40
    assert facts["status: the first"] == {"lines": 16}
    assert all(r.milliseconds and min(r.milliseconds) >= 0 for r in results)


def test_the_fleet_comes_out_the_same_each_time(results: list[Result]) -> None:
    again = fleet(SMALL)[-1].facts
    before = next(r.facts for r in results if r.name == "decisions: 40 deployments")
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
    assert json.loads(path.read_text()) == made
    known = report.last(tmp_path, made["machine"])
    assert known is not None
    assert known["results"].keys() == made["results"].keys()
    assert report.last(tmp_path, "another") is None
    slower = {**made, "yardstick": made["yardstick"] / 2}
    name = "decisions: 40 deployments"
    assert report.ratio(name, slower, made) == pytest.approx(2)
    assert report.ratio(name, made, None) is None
    console = Console(record=True, width=120)
    report.show(slower, made, console)
    assert "x 2.00" in console.export_text()
    row = next(line for line in report.markdown(slower, made).splitlines() if name in line)
    assert row.startswith(f"| {name} | cpu | 40 |")
    assert "| x 2.00 | 40 placed," in row


def test_a_run_of_one_scenario_is_compared_with_the_last_that_had_it(
    results: list[Result], tmp_path: Path
) -> None:
    whole = {**report.record(results), "at": "2026-01-01T00:00:00Z", "yardstick": 1.0}
    part = {**report.record(results[:1]), "at": "2026-01-02T00:00:00Z", "yardstick": 2.0}
    for each in (whole, part):
        report.save(each, tmp_path)
    before = report.last(tmp_path, whole["machine"])
    assert before is not None
    assert before["results"].keys() == whole["results"].keys()
    name = results[-1].name
    assert report.ratio(name, {**whole, "yardstick": 0.5}, before) == pytest.approx(2)


def test_one_that_fails_takes_nothing_of_the_others_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> None:
        raise ValueError("too large")

    monkeypatch.setitem(catalogue.ALONE, "single", breaks)
    lines: list[str] = []
    book = Book(lines.append)
    catalogue.run(("single", "status"), catalogue.SMALL, book)
    assert [r.name for r in book.results] == ["status: the first", "status: nothing changed"]
    assert book.failures == {"single": "ValueError: too large"}
    assert any("single FAILED" in line for line in lines)
    assert "Failed: single: ValueError: too large" in report.markdown(report.record((), book.failures), None)


def test_a_result_of_which_nothing_came_is_named_and_loses_no_other() -> None:
    book = Book(lambda _: None)
    book.keep(Result("nobody got ready", ()), Result("all decided", (1.0,)))
    assert [each.name for each in book.results] == ["all decided"]
    assert book.failures == {"nobody got ready": "ValueError: nothing was measured"}


def test_what_there_is_no_time_for_is_left_out_and_said_so() -> None:
    book = Book(lambda _: None, minutes=0)
    catalogue.run(("status", "curve"), catalogue.SMALL, book)
    assert book.results == []
    why = "left out: of 0 minutes for the run too few were left"
    assert book.failures == {"status": why, "curve": why}


def test_pictures_are_drawn_of_what_was_measured(results: list[Result], tmp_path: Path) -> None:
    spread = Result("storm: 3 on 4 nodes, until ready", (1.0, 2.0, 3.0), clock="wall")
    samples = {"resident MiB": (99.0, 100.0), "CPU ms a second": (3.0, 2.0)}
    steady = Result("fleet: steady", (3.0, 2.0), {"s": 4}, clock="wall", series=samples)
    drawn = plots.draw([*results, spread, steady], tmp_path)
    assert sorted(path.name for path in drawn) == ["curve.svg", "fleet.svg", "storm.svg"]
    assert all(path.read_text().startswith("<?xml") for path in drawn)

"""The scenarios of the large cluster, in a small one: they work, and count what they say."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from bench.book import Book
from bench.catalogue import PHASES
from bench.fleets import POOL
from bench.live import campaign, fleet, storm
from bench.live.curve import curve
from bench.live.following import Following, Row
from bench.live.machines import Machines
from bench.live.sizes import SMALL
from bench.live.storm import Placed
from bench.scenarios import Result
from devcluster.audit import AuditLog


@pytest.fixture(scope="module")
def results() -> dict[str, Result]:
    """Of all scenarios, in one cluster, by the beginning of their names."""
    book = Book()
    asyncio.run(campaign.run(SMALL, PHASES, PHASES, book))
    assert book.failures == {}
    size = f"{SMALL.deployments} on {SMALL.nodes} nodes"
    return {one.name.replace(f": {size}", "").replace(f", {size}", ""): one for one in book.results}


@pytest.mark.cluster
def test_everything_is_placed_and_then_nothing_is_written(results: dict[str, Result]) -> None:
    placed = results["fleet, all at once"].facts
    assert (placed["placed"], placed["ready"]) == (SMALL.deployments, SMALL.deployments)
    steady = results["fleet: steady, CPU ms a second"].facts
    assert steady["writes"] == 0
    assert steady["foreign pods"] == SMALL.foreign_pods
    assert steady["heartbeats a second"] > 0
    assert steady["requests of the churn a second"] > 0


@pytest.mark.cluster
def test_edits_of_policies_are_counted(results: dict[str, Result]) -> None:
    same, other = (results[f"policy edit that {what}"].facts for what in ("changes nothing", "touches all"))
    assert (same["touched"], same["moves"]) == (0, 0)
    assert (other["touched"], other["moves"]) == (SMALL.deployments, 0)


@pytest.mark.cluster
def test_a_restart_writes_nothing_and_a_standby_takes_over(results: dict[str, Result]) -> None:
    assert results["restart, until ready"].facts["writes"] == 0
    over = results["fail-over, SIGKILL to the other's first write"]
    assert 0 < over.facts["s to the Lease"] <= over.total / 1e3 + 0.1


@pytest.mark.cluster
def test_whoever_lost_its_place_in_the_storm_has_another(results: dict[str, Result]) -> None:
    facts = results["storm, until decided"].facts
    assert facts["affected"] == facts["decided"] > 0
    assert facts["moves"] >= facts["moves at the least"] > 0
    assert facts["without a place"] == 0
    assert results["storm, until ready"].facts["ready"] == facts["affected"]


@pytest.mark.cluster
def test_the_curve_is_measured() -> None:
    book = Book()
    curve(SMALL, book)
    assert book.failures == {}
    burst, start = book.results
    assert len(burst.milliseconds) == SMALL.curve[0]
    assert start.facts["deployments"] == SMALL.curve[0]


def test_the_fleet_has_the_classes_and_pools_that_it_says() -> None:
    made = fleet.fleet(100, 5000)
    assert (len(made.nodes), len(made.declared), len(made.classes)) == (5000, 100, 20)
    gone = fleet.reclaimed(made)
    assert sum(node.labels[POOL] in gone for node in made.nodes) == 1250
    assert gone == fleet.reclaimed(fleet.fleet(100, 5000))


def test_pods_go_where_they_fit() -> None:
    made = fleet.fleet(2, 4)
    machines = Machines()
    for one in made.nodes:
        machines.put(fleet.node(one))
    wanted = {"key": POOL, "operator": "In", "values": ["pool-001"]}
    term = {"nodeSelectorTerms": [{"matchExpressions": [wanted]}]}
    spec = {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}}
    needs = {"nvidia.com/gpu": 3, "cpu": 1000}
    assert [machines.take(spec, needs) for _ in range(3)] == ["pool-001-00000", "pool-001-00001", ""]
    machines.give_back("pool-001-00000", needs)
    machines.remove("pool-001-00001")
    assert [machines.take(spec, needs) for _ in range(2)] == ["pool-001-00000", ""]


def test_moves_are_counted_against_the_least(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    names = ("a-2", "b-2", "c-3", "c-1")
    log.write_text("".join(json.dumps(_written(name)) + "\n" for name in names))
    before = {
        "a-1": Placed("a", "gone"),
        "b-1": Placed("b", "stays"),
        "c-1": Placed("c", "gone"),
        "c-2": Placed("c", "stays"),
        "d-1": Placed("d", "gone"),
    }
    after = {**before, "a-2": Placed("a", "stays"), "b-2": Placed("b", "stays"), "c-3": Placed("c", "stays")}
    counted = storm.moves(before, after, AuditLog(log), {"gone"})
    assert counted == {"moves": 3, "moves at the least": 1, "without a place": 1}


def _written(name: str) -> dict[str, object]:
    return {
        "stage": "ResponseComplete",
        "user": {"username": "operator"},
        "userAgent": "stowage/1",
        "verb": "patch",
        "objectRef": {"resource": "deployments", "name": name},
        "responseStatus": {"code": 200},
    }


def test_rows_tell_what_changed_and_when() -> None:
    seen = Following()
    columns = [{"name": name} for name in ("Name", "Ready", "Pool", "Reason")]

    def table(*cells: str | None) -> dict[str, object]:
        return {"rows": [{"cells": list(cells), "object": {"metadata": {"name": cells[0]}}}]}

    seen.take("ADDED", {"columnDefinitions": columns, **table("chat", None, None, None)})
    seen.take("MODIFIED", table("chat", "False", "l4-spot +1", "Starting"))
    seen.take("MODIFIED", table("chat", "False", "l4-spot +1", "Starting"))
    seen.take("ADDED", table("other", "True", "t4", "Serving"))
    assert seen.rows["chat"] == Row("False", "l4-spot +1", "Starting")
    assert seen.rows["chat"].first_pool == "l4-spot"
    assert [(name, row.ready) for _, name, row in seen.changes] == [
        ("chat", ""),
        ("chat", "False"),
        ("other", "True"),
    ]
    start = seen.changes[0][0]
    found = seen.moments(["chat"], start, lambda _, row: row.ready == "False")
    assert found == {"chat": seen.changes[1][0] - start}
    seen.take("DELETED", table("chat", "False", "l4-spot +1", "Starting"))
    assert list(seen.rows) == ["other"]

"""What each function of the metrics adds to what is exposed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from stowage.observe import metrics
from stowage.observe.metrics import MoveCause

Case = tuple[Callable[[], Any], str, dict[str, str]]
CASES: list[Case] = [
    (
        lambda: metrics.decided("placed", "Placed"),
        "stowage_decisions_total",
        {"outcome": "placed", "reason": "Placed"},
    ),
    (lambda: metrics.decided("placed", "Placed", 0.2), "stowage_decision_duration_seconds_count", {}),
    (lambda: metrics.moved(MoveCause.MOVE_BACK), "stowage_moves_total", {"cause": "move_back"}),
    (lambda: metrics.served(3), "stowage_apply_to_ready_seconds_count", {}),
    (
        lambda: metrics.wrote("apply", "deployments.apps", "ok"),
        "stowage_writes_total",
        {"verb": "apply", "resource": "deployments.apps", "result": "ok"},
    ),
    (lambda: metrics.repaired("nodes", 1), "stowage_resync_repairs_total", {"resource": "nodes"}),
    (lambda: metrics.watch_restarted("pods"), "stowage_watch_restarts_total", {"resource": "pods"}),
    (lambda: metrics.event("dropped"), "stowage_events_total", {"result": "dropped"}),
]  # fmt: skip


@pytest.mark.parametrize(("happens", "name", "labels"), CASES, ids=[name for _, name, _ in CASES])
def test_each_thing_that_happens_is_counted_once(
    happens: Callable[[], Any], name: str, labels: dict[str, str]
) -> None:
    before = metrics.REGISTRY.get_sample_value(name, labels) or 0.0
    happens()
    assert metrics.REGISTRY.get_sample_value(name, labels) == before + 1


def test_leader() -> None:
    for is_leader in (True, False):
        metrics.leading(is_leader)
        assert metrics.REGISTRY.get_sample_value("stowage_leader") == int(is_leader)


@pytest.mark.parametrize(("told", "served"), [((), {"*"}), (("shop", "search"), {"shop", "search"})])
def test_a_leader_says_over_which_namespaces_it_decides(told: tuple[str, ...], served: set[str]) -> None:
    metrics.serves(told)
    assert serving() == dict.fromkeys(served, 0)
    metrics.leading(True)
    assert serving() == dict.fromkeys(served, 1)
    metrics.leading(False)
    assert serving() == dict.fromkeys(served, 0)


def serving() -> dict[str, float]:
    (family,) = [each for each in metrics.REGISTRY.collect() if each.name == "stowage_serves"]
    return {sample.labels["served"]: sample.value for sample in family.samples}


def test_what_is_exposed_is_the_text_format() -> None:
    text = metrics.expose().decode()
    assert "# HELP stowage_build_info " in text
    assert "# TYPE stowage_moves_total counter" in text

"""Moving back: by the policy's rule, make before break, and so many at a time."""

from __future__ import annotations

import time

import pytest
from tests.cluster.harness import BF16, TEST_LABEL, Object, Stage, eventually
from tests.cluster.test_moves import TIERS, WAIT, never_below, tiers

pytestmark = pytest.mark.cluster


def accelerator(stage: Stage, name: str = "chat") -> str:
    """The class of the placement that doesn't drain."""
    placements = (stage.infd(name).get("status") or {}).get("placements", ())
    return next((p["acceleratorClass"] for p in placements if not p.get("draining")), "")


def moves(stage: Stage) -> list[str]:
    """Objects of which two Deployments exist."""
    owners = [d["metadata"]["labels"]["stowage.dev/inference-deployment"] for d in stage.items("deployments")]
    return sorted({name for name in owners if owners.count(name) > 1})


def price(stage: Stage, group: str, accelerator_class: str, cost: str) -> Object:
    pool = f"{stage.namespace}-{group}"
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "AcceleratorPool",
        "metadata": {"name": pool, "labels": {TEST_LABEL: stage.namespace}},
        "spec": {
            "nodeSelector": {"cloud.google.com/gke-nodepool": pool},
            "acceleratorClass": accelerator_class,
            "costPerHour": cost,
        },
    }


def test_it_moves_back_to_an_earlier_tier_once_that_lasts(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    better = f"{stage.pool('a100-80', 1)}-1"
    stage.kubectl("cordon", better)
    rules = {"tiers": tiers(), "moveBack": {"after": "6s"}}
    stage.apply(stage.policy(**rules), stage.workload(variants=[BF16]))
    stage.wait_ready()
    assert accelerator(stage) == TIERS["l4"]
    pods = stage.pod_names()
    with never_below(stage, 1, begin=1):
        for _ in range(4):  # comes and goes, never for six seconds
            stage.kubectl("uncordon", better)
            time.sleep(1.0)
            stage.kubectl("cordon", better)
            time.sleep(0.5)
        assert stage.pod_names() == pods
        stage.kubectl("uncordon", better)
        eventually(lambda: accelerator(stage), lambda found: found == TIERS["a100"], WAIT)
        stage.wait_ready(seconds=WAIT)
        eventually(stage.pod_names, lambda found: len(found) == 1 and found != pods, WAIT)


def test_a_price_edit_moves_so_many_at_a_time(stage: Stage) -> None:
    stage.pool("l4-spot", 6)
    stage.pool("a100-80", 3)
    names = [f"many-{number}" for number in range(12)]
    rules = {
        "goal": "Cheapest",
        "moveBack": {"after": "1s", "minimumGain": "0.2"},
        "disruption": {"maxConcurrentMoves": "20%"},
    }
    late = {"annotations": {"simulation.example.com/ready-after": "1s"}}
    stage.apply(
        price(stage, "l4-spot", TIERS["l4"], "2"),
        price(stage, "a100-80", TIERS["a100"], "80"),
        stage.policy(**rules),
    )
    try:
        stage.apply(*(stage.workload(name, variants=[BF16], template=late) for name in names))
        stage.wait_ready(*names, seconds=WAIT)
        assert {accelerator(stage, name) for name in names} == {TIERS["l4"]}
        stage.apply(price(stage, "a100-80", TIERS["a100"], "1"))
        seen: list[int] = []

        def done() -> bool:
            seen.append(len(moves(stage)))
            at = [p["acceleratorClass"] for each in stage.items("infd") for p in each["status"]["placements"]]
            return at == [TIERS["a100"]] * len(names)

        eventually(done, seconds=2 * WAIT)
        assert 1 <= max(seen) <= 2, seen
    finally:
        stage.kubectl("delete", "apool", f"--selector={TEST_LABEL}={stage.namespace}")


def test_without_move_back_nothing_moves_by_itself(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(tiers=tiers()), stage.workload(variants=[BF16]))
    stage.wait_ready()
    pods = stage.pod_names()
    stage.pool("a100-80", 1)
    time.sleep(3.0)
    assert stage.pod_names() == pods
    assert accelerator(stage) == TIERS["l4"]

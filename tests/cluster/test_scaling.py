"""Scaling: by whoever owns replicas, over one pool or several, in the midst of a move."""

from __future__ import annotations

import pytest
from tests.cluster.harness import BF16, Object, Stage, eventually
from tests.cluster.test_moves import OTHER, TIERS, WAIT, never_below, settled, tiers

pytestmark = pytest.mark.cluster


def spread(stage: Stage) -> dict[str, int]:
    """Replicas by class, of what doesn't drain."""
    placements = (stage.infd().get("status") or {}).get("placements", ())
    return {p["acceleratorClass"]: p["replicas"] for p in placements if not p.get("draining")}


def test_a_scale_up_spills_and_a_scale_down_leaves_the_last_tier_first(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    stage.pool("a100-80", 1)
    a100, l4 = TIERS["a100"], TIERS["l4"]
    stage.apply(stage.policy(tiers=tiers(), split="Allowed"), stage.workload(variants=[BF16], replicas=2))
    stage.wait_ready()
    devices = int(
        stage.get("node", f"{stage.namespace}-a100-80-1")["status"]["allocatable"]["nvidia.com/gpu"]
    )
    assert spread(stage) == {a100: 2}
    with never_below(stage, 2, begin=2):
        stage.kubectl("scale", "infd", "chat", f"--replicas={devices + 3}")
        stage.wait_ready(seconds=WAIT)
        assert spread(stage) == {a100: devices, l4: 3}
        stage.kubectl("scale", "infd", "chat", f"--replicas={devices + 1}")
        eventually(lambda: spread(stage), lambda found: found == {a100: devices, l4: 1}, WAIT)
        stage.kubectl("scale", "infd", "chat", "--replicas=2")
        eventually(lambda: spread(stage), lambda found: found == {a100: 2}, WAIT)
        stage.wait_ready(seconds=WAIT)
    eventually(stage.pods, lambda pods: len(pods) == 2, WAIT)


def test_scaling_in_mid_move_goes_to_the_new_placement(stage: Stage) -> None:
    stage.pool("l4-spot", 3)
    late: Object = {"annotations": {"simulation.example.com/ready-after": "2s"}}
    stage.apply(stage.policy(), stage.workload(replicas=2, template=late))
    stage.wait_ready()
    with never_below(stage, 2, begin=2):
        stage.patch("infd/chat", {"spec": {"variants": [OTHER]}})
        eventually(lambda: len(stage.deployments()) == 2)
        stage.kubectl("scale", "infd", "chat", "--replicas=3")
        settled(stage, "llama-other", 3)

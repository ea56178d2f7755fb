"""Which policy is the default, and what two of them say."""

from __future__ import annotations

import pytest
from tests.cluster.harness import TEST_LABEL, Object, Stage, eventually

pytestmark = pytest.mark.cluster


def policy(stage: Stage, name: str, *, default: bool) -> Object:
    made = stage.policy(default=default)
    made["metadata"]["name"] = f"{stage.namespace}-{name}"
    return made


def ready(stage: Stage, name: str) -> tuple[str, str]:
    found = stage.get("plp", f"{stage.namespace}-{name}")
    (each,) = found.get("status", {}).get("conditions") or [{"status": "", "reason": ""}]
    return each["status"], each["reason"]


def test_two_defaults_both_say_so_and_the_oldest_is_used(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    first = policy(stage, "first", default=True)
    second = policy(stage, "second", default=True)
    for tier in second["spec"]["tiers"]:
        tier["accelerators"]["nodeSelector"] = {TEST_LABEL: "nowhere"}
    stage.apply(first)
    eventually(lambda: ready(stage, "first"), lambda found: found == ("True", "Settled"))
    stage.apply(second)
    for name in ("first", "second"):
        eventually(lambda name=name: ready(stage, name), lambda found: found == ("False", "DefaultConflict"))
    stage.apply(stage.workload(policy=None))
    stage.wait_ready()
    stage.apply(policy(stage, "second", default=False))
    for name in ("first", "second"):
        eventually(lambda name=name: ready(stage, name), lambda found: found == ("True", "Settled"))

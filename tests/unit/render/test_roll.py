"""How a Deployment rolls in place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from stowage.placement.snapshot import Placement
from stowage.render.roll import BLOCKED, SURGE, Roll, roll
from stowage.render.transition import Serving

from .builders import workload

AT = Placement("bf16", "vllm", "l4", "nvidia-l4", 1)
SETTLED = Serving("chat-a", AT, replicas=2, ready=2, available=2)
ROLLING = replace(SETTLED, ready=0, rolling=True)
ONE_BY_ONE = replace(ROLLING, one_by_one=True, available=1)
OTHER = Serving("chat-b", replace(AT, pool="t4"), replicas=1, ready=1)


@dataclass(frozen=True)
class Case:
    """A Deployment with two pods on nodes and no room for a third."""

    one: Serving
    expected: Roll
    replicas: int = 2
    others: tuple[Serving, ...] = ()
    bound: int = 2
    room: int = 0
    disruption: dict[str, Any] = field(default_factory=dict)


CASES = {
    "it doesn't roll": Case(SETTLED, SURGE),
    "room for a pod more": Case(ROLLING, SURGE, room=1),
    "the pod more is there": Case(ROLLING, SURGE, bound=3),
    "no device is spare": Case(ROLLING, Roll(missing=1)),
    "it stays so until the roll is over": Case(ONE_BY_ONE, Roll(missing=1), room=1),
    "and is as before then": Case(replace(SETTLED, one_by_one=True), SURGE),
    "what has no room anyway is missing besides": Case(
        replace(ROLLING, replicas=3), Roll(missing=2), replicas=3
    ),
    "none may be missing": Case(ROLLING, BLOCKED, disruption={"minAvailable": 2}),
    "unless the object gives way": Case(
        ROLLING, Roll(missing=1), disruption={"minAvailable": 2, "whenFull": "Replace"}
    ),
    "or nothing serves": Case(replace(ROLLING, available=0), Roll(missing=1), disruption={"minAvailable": 2}),
    "or another part serves": Case(ROLLING, Roll(missing=1), others=(OTHER,), disruption={"minAvailable": 2}),
    "one part at a time": Case(ROLLING, BLOCKED, others=(replace(OTHER, rolling=True, one_by_one=True),)),
    "scaled down meanwhile": Case(ONE_BY_ONE, BLOCKED, replicas=1),
    "not seen yet, it begins none": Case(replace(ROLLING, observed=False), SURGE),
    "and goes on with what it began": Case(replace(ONE_BY_ONE, observed=False), Roll(missing=1)),
    "as far as it may": Case(replace(ONE_BY_ONE, observed=False), SURGE, disruption={"minAvailable": 2}),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_roll(case: Case) -> None:
    given = workload(replicas=case.replicas, disruption=case.disruption)
    everything = (case.one, *case.others)
    assert roll(given, case.one, case.replicas, everything, case.bound, case.room) == case.expected

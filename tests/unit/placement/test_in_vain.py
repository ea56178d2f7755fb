"""What found no room needn't look again before there may be some; then it must."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stowage.placement.decide import decide
from stowage.placement.in_vain import InVain
from stowage.placement.snapshot import Amounts, Demand, Snapshot

from .builders import GPU, accelerator, holding, node, policy, snapshot, workload
from .strategies import Scene, demands, examples, scenes
from .test_room import Held, changes

FULL = {GPU: 4, "cpu": 60_000, "pods": 4}
HALF = {GPU: 4, "cpu": 1000, "pods": 1}
"""Cores are free there, devices aren't."""
WANTED = Demand(workload(), policy())


def two_pools(**used: Amounts) -> Snapshot:
    nodes = [node("p0", "a", "p"), node("q0", "a", "q")]
    return snapshot(nodes, [accelerator("a")], used={"p0": FULL, "q0": FULL, **used})


def looked(seen: Snapshot) -> InVain:
    found = decide(seen, WANTED, ()).in_vain
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("used", "expected"),
    [
        pytest.param({}, False, id="nothing"),
        pytest.param({"p0": {}}, True, id="room came"),
        pytest.param({"p0": HALF}, False, id="not of what is missing"),
        pytest.param({"elsewhere": {}}, False, id="on a node of no pool"),
    ],
)
def test_may_it_have_ended(used: Mapping[str, Amounts], expected: bool) -> None:
    seen = two_pools()
    in_vain = looked(seen)
    after = seen.evolve(used)
    assert in_vain.may_have_ended(after) is expected
    assert bool(decide(after, WANTED, ()).placements) is expected
    # What was looked at once and found full isn't counted again.
    assert in_vain.may_have_ended(after) is expected


def test_other_pools_are_another_question() -> None:
    in_vain = looked(two_pools())
    assert in_vain.may_have_ended(two_pools())


def test_who_serves_or_finds_room_is_not_in_vain() -> None:
    free = two_pools(p0={})
    decision = decide(free, WANTED, ())
    assert decision.in_vain is None
    mine = holding(decision.placements[0], ["p0"])
    held = two_pools().evolve({}, {mine.key: mine})
    assert decide(held, WANTED, (mine.placement,)).in_vain is None


@examples
@given(st.data(), scenes(), demands())
def test_passed_over_only_where_there_is_no_room(data: st.DataObject, scene: Scene, demand: Demand) -> None:
    seen = scene.seen()
    in_vain = decide(seen, demand, ()).in_vain
    for _ in range(data.draw(st.integers(1, 4))):
        used, held = data.draw(changes(scene))
        seen = seen.evolve(used, _of_others(held, demand))
        if in_vain is not None and not in_vain.may_have_ended(seen):
            assert not decide(seen, demand, ()).placements
        else:
            in_vain = decide(seen, demand, ()).in_vain


def _of_others(held: Held, demand: Demand) -> Held:
    return {key: one for key, one in held.items() if key[0] != demand.key}

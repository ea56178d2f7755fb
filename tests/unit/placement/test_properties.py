"""What holds for every fleet, policy and workload."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import event, given
from hypothesis import strategies as st

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.reasons import TRANSIENT, Code
from stowage.placement.capacity import slots
from stowage.placement.checks import RUNS, SUITS, failures
from stowage.placement.decide import decide
from stowage.placement.discovery import discover
from stowage.placement.order import GOALS as RULES
from stowage.placement.snapshot import Demand, Holding, Node, Snapshot

from .strategies import (
    CLASSES,
    DECLARED,
    RUNTIMES,
    Scene,
    bind_to,
    demands,
    examples,
    free_of,
    hold,
    nodes,
    scenes,
    schedule,
)


@examples
@given(scenes(), demands(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_seen_changes_nothing(scene: Scene, demand: Demand, random: object) -> None:
    def shuffled(items: Sequence[object]) -> list[object]:
        mixed = list(items)
        random.shuffle(mixed)  # type: ignore[attr-defined]
        return mixed

    seen = scene.seen()
    pools = discover(shuffled(scene.nodes), shuffled(CLASSES), shuffled(DECLARED)).pools  # type: ignore[arg-type]
    other = Snapshot(pools, tuple(shuffled(RUNTIMES)), scene.used, tuple(shuffled(scene.holdings)))  # type: ignore[arg-type]
    assert decide(seen, demand, ()) == decide(other, demand, ())


@examples
@given(scenes(), demands())
def test_what_is_chosen_passes_every_check(scene: Scene, demand: Demand) -> None:
    decision = decide(scene.seen(), demand, ())
    event(decision.outcome.code.value)
    for chosen in decision.placements:
        assert failures(chosen.candidate, (*RUNS, *SUITS)) == ()
        assert chosen.replicas >= 1
    given_out = sum(c.replicas for c in decision.placements if not c.meanwhile)
    assert given_out <= decision.wanted
    assert decision.placed == (given_out == decision.wanted)


@examples
@given(scenes(), demands())
def test_one_candidate_fails_as_its_verdict_says(scene: Scene, demand: Demand) -> None:
    decision = decide(scene.seen(), demand, ())
    assert decision.fails is not None
    for verdict in decision.verdicts:
        room_alone = verdict.feasible or {r.code for r in verdict.reasons} <= TRANSIENT
        expected = () if room_alone else verdict.reasons
        placement = replace(verdict.candidate.placement, devices=0)
        assert decision.fails(placement) == expected
        assert decision.fails(replace(placement, pool="another")) is None


WAITS = {Code.NO_CAPACITY, Code.NO_USABLE_NODE, Code.IN_BACKOFF}
LOST = {Code.LATER_TIER, Code.LESS_ROOM, Code.NOT_BEST, Code.SCALED_TO_ZERO}


@examples
@given(scenes(), demands())
def test_the_better_candidate_never_loses(scene: Scene, demand: Demand) -> None:
    decision = decide(scene.seen(), demand, ())
    if not decision.placements:
        return
    best, key = decision.placements[0].candidate, RULES[demand.policy.spec.goal].key
    event(f"goal {demand.policy.spec.goal}")
    for verdict in decision.verdicts:
        other = verdict.candidate
        has_room = verdict.feasible and verdict.reasons[0].code is not Code.LESS_ROOM
        if has_room and other.tier == best.tier:
            assert key(best) <= key(other)


@examples
@given(scenes(), demands())
def test_every_candidate_is_chosen_or_rejected_by_a_check_that_fails_again(
    scene: Scene, demand: Demand
) -> None:
    seen = scene.seen()
    decision = decide(seen, demand, ())
    every = len(seen.pools) * len(RUNTIMES) * len(demand.workload.spec.variants)
    assert len(decision.placements) + len(decision.verdicts) == every
    for verdict in decision.verdicts:
        assert verdict.reasons
        codes = {r.code for r in verdict.reasons}
        again = failures(verdict.candidate, RUNS) or failures(verdict.candidate, SUITS)
        if verdict.feasible:
            assert (again, codes <= LOST) == ((), True)
        else:
            assert again == verdict.reasons or (codes <= WAITS and again == ())


@examples
@given(scenes(), demands())
def test_the_nearest_is_one_that_is_short_of_room_where_there_is_one(scene: Scene, demand: Demand) -> None:
    """Where nothing is placed, and room alone stands against some candidate, the outcome speaks of that."""
    decision = decide(scene.seen(), demand, ())
    if decision.placements or decision.wanted == 0:
        return
    waits = [v for v in decision.verdicts if v.reasons[0].code in WAITS]
    assert bool(waits) == (decision.outcome.code is Code.NO_CAPACITY)
    if waits:
        assert decision.verdicts[0] == waits[0]
        assert decision.outcome.message.endswith(waits[0].reasons[0].message)


@examples
@given(scenes(reserved=False), st.lists(demands(), min_size=2, max_size=4))
def test_no_device_is_given_twice(scene: Scene, several: list[Demand]) -> None:
    """Decided one after another and reserved, then bound: every replica finds the room it was given."""
    held: list[Holding] = []
    free = free_of(scene.seen())
    coming = {p.name: p.provision.nodes if p.provision else 0 for p in scene.seen().pools}
    for index, one in enumerate(several):
        demand = replace(one, workload=workload_named(one, f"w{index}"))
        seen = scene.seen(*held)
        decision = decide(seen, demand, ())
        assert not decision.replaces
        held += hold(decision, demand.key)
        for chosen in decision.placements:
            pool = chosen.candidate.pool
            waiting = chosen.replicas - len(bind_to(free, chosen, demand))
            if waiting:
                assert pool.provision is not None, f"{waiting} replicas have no room on {pool.name}"
                coming[pool.name] -= -(-waiting // slots(pool.provision.shape, chosen.candidate.requests))
    assert all(left >= 0 for left in coming.values())


def workload_named(demand: Demand, name: str) -> InferenceDeployment:
    metadata = demand.workload.metadata.model_copy(update={"name": name})
    return demand.workload.model_copy(update={"metadata": metadata})


@examples
@given(scenes(reserved=False), demands())
def test_a_scheduler_finds_room_for_what_was_decided(scene: Scene, demand: Demand) -> None:
    seen = scene.seen()
    assert schedule(seen, decide(seen, demand, ()), demand) is not None


@examples
@given(scenes(reserved=False), demands(), nodes("extra"))
def test_a_node_more_never_unplaces(scene: Scene, demand: Demand, extra: Node) -> None:
    before = decide(scene.seen(), demand, ())
    after = decide(scene.seen(nodes=[*scene.nodes, extra]), demand, ())
    assert bool(after.placements) >= bool(before.placements)
    if before.placed and demand.workload.spec.requirements.throughput is None:
        assert after.placed


@examples
@given(scenes(reserved=False), demands(), scenes(reserved=False))
def test_what_serves_stays_whatever_comes(scene: Scene, demand: Demand, news: Scene) -> None:
    """After a decision is carried out, other nodes come; every placement keeps its place."""
    seen = scene.seen()
    first = decide(seen, demand, ())
    bound = schedule(seen, first, demand)
    assert bound is not None
    kept = [h for h in bound if h.bound and len(h.bound) == h.replicas]
    more = [replace(n, name=f"new-{n.name}") for n in news.nodes]
    later = scene.seen(*kept, nodes=[*scene.nodes, *more])
    current = tuple(h.placement for h in kept)
    second = decide(later, demand, current)
    stays = {c.as_placed for c in second.placements}
    if current and demand.policy.spec.split == "Never" and not any(c.meanwhile for c in first.placements):
        assert set(current) == stays
    elif current:
        assert stays & set(current)


@examples
@given(scenes(), demands())
def test_deciding_again_changes_nothing(scene: Scene, demand: Demand) -> None:
    """With what was decided in place, the next decision is the same: nothing flaps."""
    first = decide(scene.seen(), demand, ())
    if first.replaces or any(c.meanwhile for c in first.placements):
        return
    held = hold(first, demand.key)
    current = tuple(c.as_placed for c in first.placements)
    second = decide(scene.seen(*held), demand, current)
    again = [(c.as_placed, c.replicas) for c in second.placements]
    assert sorted(again, key=str) == sorted(((c.as_placed, c.replicas) for c in first.placements), key=str)

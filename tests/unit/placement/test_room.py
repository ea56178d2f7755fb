"""Free room handed on from snapshot to snapshot is that of a snapshot made anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from stowage.placement.capacity import Capacity, Ledger
from stowage.placement.decide import decide
from stowage.placement.snapshot import Amounts, Demand, Holding, HoldingKey, Snapshot

from .builders import GPU
from .strategies import Scene, demands, examples, scenes

SIZES: list[Amounts] = [
    {GPU: 1, "cpu": 4000},
    {GPU: 2, "cpu": 1000},
    {GPU: 4},
    {"cpu": 8000},
    {"memory": 2**36},
]
Held = Mapping[HoldingKey, Holding | None]
ME = ("shop", "chat")


def rooms(seen: Snapshot, owner: tuple[str, str] = ME) -> list[Capacity]:
    """All that can be asked of the room."""
    own = [h.deployment for h in seen.holdings if h.owner == owner]
    ledgers = [Ledger(seen, owner, frozenset(released)) for released in ([], own, own[:1])]
    return [
        ledger.capacity(pool, size, allowed)
        for ledger in ledgers
        for pool in seen.pools
        for size in SIZES
        for allowed in ((), ("team",))
    ]


@st.composite
def changes(draw: st.DrawFn, scene: Scene) -> tuple[Mapping[str, Amounts], Held]:
    """What may happen between two snapshots: pods come and go, Deployments too."""
    names = [n.name for n in scene.nodes] + ["elsewhere"]
    used = {
        name: {GPU: draw(st.integers(0, 5)), "cpu": draw(st.sampled_from([0, 4000, 99_000])), "pods": 1}
        for name in draw(st.lists(st.sampled_from(names), max_size=3, unique=True))
    }
    held: dict[HoldingKey, Holding | None] = {}
    for one in draw(st.lists(st.sampled_from(scene.holdings), max_size=2) if scene.holdings else st.just([])):
        owner = draw(st.sampled_from([one.owner, ME, ("a", "first"), ("zz", "last")]))
        bound = tuple(draw(st.lists(st.sampled_from(names), max_size=2)))
        new = replace(one, owner=owner, replicas=draw(st.integers(0, 4)), bound=bound)
        held[new.key] = draw(st.sampled_from([new, new, None]))
    return used, held


@examples
@given(st.data(), scenes(), demands())
def test_handed_on_as_made_anew(data: st.DataObject, scene: Scene, demand: Demand) -> None:
    kept = scene.seen()
    assert rooms(kept) is not None
    for _ in range(data.draw(st.integers(1, 3))):
        before = rooms(kept)
        following = kept.evolve(*data.draw(changes(scene)))
        assert rooms(kept) == before, "a snapshot never changes"
        kept = following
        anew = Snapshot(kept.pools, kept.runtimes, kept.used, kept.holdings)
        assert rooms(kept) == rooms(anew)
        assert decide(kept, demand, ()).placements == decide(anew, demand, ()).placements


@examples
@given(scenes(), st.sampled_from(SIZES), st.integers(1, 6))
def test_counted_as_far_as_is_enough(scene: Scene, size: Amounts, enough: int) -> None:
    seen = scene.seen()
    for pool in seen.pools:
        every = Ledger(seen, ME, frozenset()).capacity(pool, size, ())
        some = Ledger(seen, ME, frozenset()).capacity(pool, size, (), enough)
        assert some.room(enough) is every.room(enough)
        assert min(enough, some.free) == min(enough, every.free)
        assert min(enough, some.total) == min(enough, every.total)


@examples
@given(scenes(reserved=False), st.lists(st.sampled_from(SIZES), min_size=1, max_size=5))
def test_what_is_taken_is_gone_and_no_more(scene: Scene, sizes: list[Amounts]) -> None:
    """Taken one by one until the pool is full, as many fit as were counted at first."""
    seen = scene.seen()
    for pool in seen.pools:
        if pool.provision is not None:
            continue
        size = sizes[0]
        ledger = Ledger(seen, ME, frozenset())
        count, taken = ledger.capacity(pool, size, ()).free, 0
        while ledger.capacity(pool, size, ()).free:
            ledger.take(pool, size, 1)
            taken += 1
        assert taken == count

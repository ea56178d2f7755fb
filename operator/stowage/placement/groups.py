"""Pools that are alike: what holds of one of them for a demand holds of all."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from decimal import Decimal

from stowage.api.inference_runtime import Support
from stowage.api.placement_policy import PlacementPolicy
from stowage.placement.selectors import selects_pool
from stowage.placement.snapshot import Demand, Pool

Indexed = tuple[int, Pool]
"""A pool and its place among the snapshot's."""
Arithmetic = tuple[str | None, ...]
"""Precision, weights, activations, scheme and dialect of a variant."""
Run = tuple[Indexed, ...]
"""Pools in the order of their candidates' ids."""


@dataclass(eq=False, slots=True)
class Shape:
    """Pools that differ in name, keys, labels, nodes, capacity type and price only. Of these a selector may
    ask for labels and capacity type, and the goal and the budget for the price; no other check, fit or
    estimate looks at them."""

    sample: Pool
    supports: dict[str, Support | None] = field(default_factory=dict)
    """By runtime: how it runs here."""
    faults: dict[Arithmetic, list[int]] = field(default_factory=dict)
    """By arithmetic and runtime: how many checks fail in which a demand has no other part. Both are
    filled as they are asked for."""


@dataclass(frozen=True, eq=False, slots=True)
class PoolGroup:
    """Pools of one shape in one tier of a policy, alike in what a demand's selectors ask for."""

    shape: Shape
    tier: int | None
    runs: tuple[Run, ...]
    """The pools by price, the cheapest first, those without one last."""
    every: Run
    """The same regardless of price."""

    @property
    def sample(self) -> Pool:
        """One of them, to ask about all."""
        return self.every[0][1]


def first_tier(policy: PlacementPolicy, pool: Pool) -> int | None:
    """The first tier that means the pool; a policy without tiers has one with every accelerator."""
    tiers = policy.spec.tiers
    if not tiers:
        return 0
    return next((i for i, t in enumerate(tiers) if selects_pool(t.accelerators, pool)), None)


class Grouping:
    """The pools of a snapshot in groups. What is found is kept: pools, runtimes and policies never change."""

    def __init__(self, pools: tuple[Pool, ...]) -> None:
        shapes: dict[tuple[object, ...], Shape] = {}
        self._shape_of: list[Shape] = []
        for pool in pools:
            key = _shape_key(pool)
            shape = shapes.get(key)
            if shape is None:
                shape = shapes[key] = Shape(pool)
            self._shape_of.append(shape)
        self._pools = pools
        self._by_key: dict[tuple[str, str], Pool] | None = None
        self._groups: dict[tuple[object, ...], tuple[PlacementPolicy, tuple[PoolGroup, ...]]] = {}

    def groups(self, demand: Demand) -> tuple[PoolGroup, ...]:
        """The groups for the demand, in the order of their first pools."""
        bound = [v.accelerators for v in demand.variants if v.accelerators]
        asks = (
            tuple(sorted({k for a in bound for k in a.node_selector})),
            any(a.capacity_types for a in bound),
        )
        policy = demand.policy
        key = id(policy), *asks
        known = self._groups.get(key)
        if known is None or known[0] is not policy:
            if len(self._groups) >= MOST_POLICIES:
                self._groups.clear()
            known = self._groups[key] = policy, self._make(policy, *asks)
        return known[1]

    def pool(self, key: tuple[str, str]) -> Pool | None:
        """The pool of this key."""
        if self._by_key is None:
            self._by_key = {pool.key: pool for pool in self._pools}
        return self._by_key.get(key)

    def _make(
        self, policy: PlacementPolicy, labels: tuple[str, ...], capacity_types: bool
    ) -> tuple[PoolGroup, ...]:
        found: dict[tuple[object, ...], tuple[int | None, list[Indexed]]] = {}
        for index, pool in enumerate(self._pools):
            tier = first_tier(policy, pool)
            asked = [pool.labels.get(k) for k in labels] + ([pool.capacity_type] if capacity_types else [])
            key = id(self._shape_of[index]), tier, *asked
            found.setdefault(key, (tier, []))[1].append((index, pool))
        return tuple(_group(self._shape_of[members[0][0]], tier, members) for tier, members in found.values())


def _group(shape: Shape, tier: int | None, members: list[Indexed]) -> PoolGroup:
    every = sorted(members, key=_by_id)
    prices: dict[Decimal | None, list[Indexed]] = {}
    for member in every:
        prices.setdefault(member[1].cost_per_hour, []).append(member)
    order = sorted(prices, key=lambda p: (p is None, p or 0))
    return PoolGroup(shape, tier, tuple(tuple(prices[p]) for p in order), tuple(every))


def _by_id(member: Indexed) -> tuple[str, int]:
    return f"{member[1].name}/", member[0]


MOST_POLICIES = 256
"""Policies whose groups are kept."""


APART = {
    *("name", "nodes", "keys", "identified_by_keys", "labels", "capacity_type", "cost_per_hour", "provision"),
    *("node_cpu", "node_memory", "accelerator_class"),
}
"""Fields of a pool that make no shape: see ``Shape``; the last two are looked at in their own way."""
_SAME = [f.name for f in fields(Pool) if f.name not in APART]


def _shape_key(pool: Pool) -> tuple[object, ...]:
    in_node = pool.is_cpu or pool.device_memory is None
    memory = pool.node_memory if in_node else 0
    return id(pool.accelerator_class), memory, *(getattr(pool, name) for name in _SAME)

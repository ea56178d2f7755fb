"""Where pods of a pool may go: what is true of nodes whatever runs on them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stowage.placement.capacity import tolerates
from stowage.placement.snapshot import Node, Pool

PoolKey = tuple[str, str]


@dataclass(frozen=True, eq=False, slots=True)
class Landing:
    """The nodes that take new pods of a pool, in the order of names, as reservations fill them."""

    open: tuple[Node, ...]
    """Those of the pool without taints beyond the class's own."""
    tainted: tuple[Node, ...]
    """Those of the pool with others, which a policy may tolerate."""
    elsewhere: tuple[Node, ...]
    """Those of other pools to which pods of this one may go: of the class, with the pool's labels, such as
    those that came for a pool that was declared before it had any."""

    def usable(self, pool: Pool, allowed: Iterable[str]) -> tuple[Node, ...]:
        """Of the tainted ones those of which the policy tolerates all taints."""
        return tuple(n for n in self.tainted if tolerates(pool, n, allowed)) if self.tainted else ()


@dataclass(frozen=True, eq=False, slots=True)
class Region:
    """Pools that share nodes, or whose pods may go to each other's: a reservation in one of them touches
    no pool of another region."""

    pools: dict[PoolKey, Pool]
    landings: dict[PoolKey, Landing]
    nodes: dict[str, Node]


class Terrain:
    """The regions of a cluster's pools."""

    def __init__(self, pools: tuple[Pool, ...]) -> None:
        landings = {p.key: _landing(p, pools) for p in pools}
        self.regions = [
            Region({p.key: p for p in group}, {p.key: landings[p.key] for p in group}, _nodes(group))
            for group in _connected(pools, landings)
        ]
        self.of_pool: dict[PoolKey, int] = {k: i for i, r in enumerate(self.regions) for k in r.pools}
        """The region of a pool."""
        self.of_node: dict[str, int] = {n: i for i, r in enumerate(self.regions) for n in r.nodes}
        """The region of a node."""


def _landing(pool: Pool, pools: Iterable[Pool]) -> Landing:
    own = [n for n in sorted(pool.nodes, key=_name) if n.ready and not n.cordoned]
    tainted = [n for n in own if n.taints and not tolerates(pool, n, ())]
    names = {n.name for n in tainted}
    clean = [n for n in own if n.name not in names] if names else own
    return Landing(tuple(clean), tuple(tainted), _elsewhere(pool, pools))


def _elsewhere(pool: Pool, pools: Iterable[Pool]) -> tuple[Node, ...]:
    if pool.identified_by_keys:
        return ()
    own = {n.name for n in pool.nodes}
    found = [
        n
        for p in pools
        if p.accelerator_class.name == pool.accelerator_class.name and p.key != pool.key
        for n in p.nodes
        if n.name not in own and n.ready and not n.cordoned
        if all(n.labels.get(k) == v for k, v in pool.keys)
    ]
    return tuple(sorted(found, key=_name))


def _connected(pools: tuple[Pool, ...], landings: dict[PoolKey, Landing]) -> list[list[Pool]]:
    """The pools in groups that share no node with each other."""
    group_of: dict[str, list[Pool]] = {}
    groups: dict[int, list[Pool]] = {}
    for pool in pools:
        names = {n.name for n in pool.nodes} | {n.name for n in landings[pool.key].elsewhere}
        joined = {id(g): g for g in (group_of.get(name) for name in names) if g is not None}
        merged = [p for g in joined.values() for p in g] + [pool]
        for old in joined:
            del groups[old]
        groups[id(merged)] = merged
        for member in merged if joined else ():
            for node in (*member.nodes, *landings[member.key].elsewhere):
                group_of[node.name] = merged
        for name in names:
            group_of[name] = merged
    return list(groups.values())


def _nodes(pools: Iterable[Pool]) -> dict[str, Node]:
    return {n.name: n for p in pools for n in p.nodes}


def _name(node: Node) -> str:
    return node.name

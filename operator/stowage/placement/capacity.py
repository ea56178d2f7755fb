"""How many replicas a pool has room for, counted in slots per node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from stowage.placement.snapshot import NONE, Amounts, Holding, Node, Pool, Snapshot

PODS = 110
"""Pods that a node takes where it doesn't say: the kubelet's default."""


class Room(IntEnum):
    """Where a candidate's replicas would go; smaller is better."""

    FREE = 0
    PROVISIONABLE = 1
    PARTIAL = 2
    FULL = 3


@dataclass(frozen=True, slots=True)
class Capacity:
    """Slots of one pool for one size of replica."""

    free: int
    provisionable: int
    usable_nodes: int

    @property
    def total(self) -> int:
        return self.free + self.provisionable

    def room(self, wanted: int) -> Room:
        """Where ``wanted`` further replicas would go."""
        if self.free >= wanted:
            return Room.FREE
        if self.total >= wanted:
            return Room.PROVISIONABLE
        return Room.PARTIAL if self.total > 0 else Room.FULL


def tolerates(pool: Pool, node: Node, allowed: Iterable[str]) -> bool:
    """Whether pods of the pool's class tolerate all taints of the node: the class's own keys and
    those that the policy allows, no others."""
    own = pool.accelerator_class.spec.taints
    return all(t.key in own or t.key in allowed for t in node.taints)


def usable(pool: Pool, node: Node, allowed: Iterable[str]) -> bool:
    """Whether new pods may go to the node."""
    return node.ready and not node.cordoned and tolerates(pool, node, allowed)


def slots(free: Amounts, requests: Amounts) -> int:
    """How often a replica's requests fit into what is free."""
    count = min((free.get(r, 0) // n for r, n in requests.items() if n > 0), default=0)
    return int(max(0, min(count, free.get("pods", PODS))))


class Ledger:
    """Free room by node, less bound pods and other deployments' reservations.

    Made for one decision: what the demand itself holds without a pod is not counted against it. A node
    may be in several pools; its room is counted once.
    """

    def __init__(self, snapshot: Snapshot, owner: tuple[str, str], released: frozenset[str]) -> None:
        """``released``: names of the demand's own Deployments whose pods give way to it."""
        self._used = snapshot.used
        self._free: dict[str, dict[str, int]] = {}
        self._promised: dict[tuple[str, str], int] = {}
        self._freed: dict[str, dict[str, int]] = {}
        holdings = sorted(snapshot.holdings, key=lambda h: (h.owner, h.deployment))
        for holding in holdings:
            if holding.owner == owner and holding.deployment in released:
                self._release(holding)
        others = [h for h in holdings if h.owner != owner and h.reserved]
        pools = {p.key: p for p in snapshot.pools} if others else {}
        for holding in others:
            if holding.pool in pools:
                pool = pools[holding.pool]
                self._reserve(pool, holding.requests, holding.reserved, _landing(pool, pools.values()))

    def capacity(self, pool: Pool, requests: Amounts, allowed: Iterable[str]) -> Capacity:
        """The pool's slots for replicas of these requests."""
        names = [n for n in pool.nodes if usable(pool, n, allowed)]
        provisionable = 0
        if pool.provision is not None:
            nodes = max(0, pool.provision.nodes - self._promised.get(pool.key, 0))
            provisionable = nodes * slots(pool.provision.shape, requests)
        return Capacity(sum(slots(self._on(n), requests) for n in names), provisionable, len(names))

    def take(self, pool: Pool, requests: Amounts, count: int) -> None:
        """Takes the room of replicas that this decision itself gives the pool."""
        self._reserve(pool, requests, count, _by_name(pool.nodes))

    def _on(self, node: Node) -> dict[str, int]:
        """What is free on the node; negative where more is used than there is."""
        if node.name not in self._free:
            used, freed = self._used.get(node.name, NONE), self._freed.get(node.name, NONE)
            amounts = {"pods": PODS, **node.allocatable}
            self._free[node.name] = {r: n - used.get(r, 0) + freed.get(r, 0) for r, n in amounts.items()}
        return self._free[node.name]

    def _release(self, holding: Holding) -> None:
        for name in holding.bound:
            freed = self._freed.setdefault(name, {})
            for resource, amount in {**holding.requests, "pods": 1}.items():
                freed[resource] = freed.get(resource, 0) + amount

    def _reserve(self, pool: Pool, requests: Amounts, count: int, nodes: Iterable[Node]) -> None:
        """Takes room for replicas that have no pod yet, node by node in the order given.

        Nodes that take no new pods hold no reservation. Whether those with other taints do depends on
        a policy that isn't known here; they come last, but before nodes of other pools, where the
        decision didn't put them. What no node has room for waits for nodes to come.
        """
        own = {n.name for n in pool.nodes}
        ready = [n for n in nodes if n.ready and not n.cordoned]
        left = count
        for node in (n for n in ready if n.name in own and tolerates(pool, n, ())):
            left -= self._place(node, requests, left)
        per_node = slots(pool.provision.shape, requests) if pool.provision else 0
        if left and per_node:
            self._promised[pool.key] = self._promised.get(pool.key, 0) + -(-left // per_node)
        for node in (n for n in ready if n.name in own and not tolerates(pool, n, ())):
            left -= self._place(node, requests, left)
        for node in (n for n in ready if n.name not in own):
            left -= self._place(node, requests, left)

    def _place(self, node: Node, requests: Amounts, most: int) -> int:
        free = self._on(node)
        taken = min(most, slots(free, requests))
        for resource, amount in requests.items():
            free[resource] = free.get(resource, 0) - amount * taken
        free["pods"] -= taken
        return taken


def _landing(pool: Pool, pools: Iterable[Pool]) -> list[Node]:
    """Nodes to which pods of the pool may go: its own, and others of the class with the pool's labels,
    such as those that came for a pool that was declared before it had any."""
    if pool.identified_by_keys:
        return _by_name(pool.nodes)
    others = [
        n
        for p in pools
        if p.accelerator_class.name == pool.accelerator_class.name and p.key != pool.key
        for n in p.nodes
        if all(n.labels.get(k) == v for k, v in pool.keys)
    ]
    return _by_name(pool.nodes) + _by_name(others)


def _by_name(nodes: Iterable[Node]) -> list[Node]:
    return sorted(nodes, key=lambda n: n.name)

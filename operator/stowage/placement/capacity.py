"""How many replicas a pool has room for, counted in slots per node."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from stowage.placement.snapshot import NONE, Amounts, Holding, Node, Pool, Snapshot


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

    def room(self, wanted: int) -> Room:
        """Where ``wanted`` further replicas would go."""
        if self.free >= wanted:
            return Room.FREE
        if self.free + self.provisionable >= wanted:
            return Room.PROVISIONABLE
        return Room.PARTIAL if self.free + self.provisionable > 0 else Room.FULL


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
    return int(max(0, min(count, free.get("pods", 110))))


class Ledger:
    """Free room by node, less bound pods and other deployments' reservations.

    Made for one decision: what the demand itself holds without a pod is not counted against it.
    """

    def __init__(self, snapshot: Snapshot, owner: tuple[str, str], released: frozenset[str]) -> None:
        """``released``: names of the demand's own Deployments whose pods give way to it."""
        self._snapshot = snapshot
        self._owner = owner
        self._released = released
        self._free: dict[str, dict[str, dict[str, int]]] = {}
        self._promised: dict[str, int] = {}

    def capacity(self, pool: Pool, requests: Amounts, allowed: tuple[str, ...]) -> Capacity:
        """The pool's slots for replicas of these requests."""
        free = self._free_of(pool)
        names = [n for n in pool.nodes if usable(pool, n, allowed)]
        provisionable = 0
        if pool.provision is not None:
            nodes = max(0, pool.provision.nodes - self._promised.get(pool.name, 0))
            provisionable = nodes * slots(pool.provision.shape, requests)
        return Capacity(sum(slots(free[n.name], requests) for n in names), provisionable, len(names))

    def _free_of(self, pool: Pool) -> dict[str, dict[str, int]]:
        found = self._free.get(pool.name)
        if found is None:
            found = {n.name: self._node_free(n) for n in pool.nodes}
            for holding in self._snapshot.holdings:
                if holding.owner != self._owner and holding.pool == pool.name:
                    self._promise(pool, holding, reserve(found, holding))
            self._free[pool.name] = found
        return found

    def _promise(self, pool: Pool, holding: Holding, left: int) -> None:
        """Counts the nodes to come that replicas without room on a node wait for."""
        per_node = slots(pool.provision.shape, holding.requests) if pool.provision else 0
        if left and per_node:
            self._promised[pool.name] = self._promised.get(pool.name, 0) + -(-left // per_node)

    def _node_free(self, node: Node) -> dict[str, int]:
        used = self._snapshot.used.get(node.name, NONE)
        free = {r: n - used.get(r, 0) for r, n in node.allocatable.items()}
        for holding in self._snapshot.holdings:
            if holding.deployment in self._released and holding.owner == self._owner:
                for _ in range(holding.bound.count(node.name)):
                    for resource, amount in holding.requests.items():
                        free[resource] = free.get(resource, 0) + amount
        return free


def reserve(free: dict[str, dict[str, int]], holding: Holding) -> int:
    """Takes the room of replicas that have no pod yet, node by node in order of name.

    Returns how many of them no node has room for.
    """
    left = holding.reserved
    for name in sorted(free):
        taken = min(left, slots(free[name], holding.requests))
        for resource, amount in holding.requests.items():
            free[name][resource] = free[name].get(resource, 0) - amount * taken
        free[name]["pods"] = free[name].get("pods", 110) - taken
        left -= taken
        if left == 0:
            break
    return left

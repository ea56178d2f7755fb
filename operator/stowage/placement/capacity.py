"""How many replicas a pool has room for, counted in slots per node."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import IntEnum

from stowage.placement.snapshot import Amounts, Node, Pool, Snapshot

PODS = 110
"""Pods that a node takes where it doesn't say: the kubelet's default."""


UNLIMITED = 10**9
"""More replicas than anybody wants: what a pool of unknown size is tried for."""


class Room(IntEnum):
    """Where a candidate's replicas would go; smaller is better."""

    FREE = 0
    PROVISIONABLE = 1
    UNKNOWN = 2
    """On nodes that an autoscaler may bring, of which nobody knows how many there can be."""
    PARTIAL = 3
    FULL = 4


@dataclass(frozen=True, slots=True)
class Capacity:
    """Slots of one pool for one size of replica."""

    free: int
    provisionable: int
    usable_nodes: int
    unlimited: bool = False
    """Whether an autoscaler may bring nodes beyond, and nobody knows how many."""

    @property
    def total(self) -> int:
        """Replicas that may be given to the pool: unknown isn't zero."""
        return UNLIMITED if self.unlimited else self.free + self.provisionable

    def room(self, wanted: int) -> Room:
        """Where ``wanted`` further replicas would go."""
        if self.free >= wanted:
            return Room.FREE
        if self.total >= wanted:
            return Room.UNKNOWN if self.unlimited else Room.PROVISIONABLE
        return Room.PARTIAL if self.total > 0 else Room.FULL


def tolerates(pool: Pool, node: Node, allowed: Iterable[str]) -> bool:
    """Whether pods of the pool's class tolerate all taints of the node: the class's own keys and
    those that the policy allows, no others."""
    own = pool.accelerator_class.spec.taints
    return all(t.key in own or t.key in allowed for t in node.taints)


def usable(pool: Pool, node: Node, allowed: Iterable[str]) -> bool:
    """Whether new pods may go to the node."""
    return node.ready and not node.cordoned and tolerates(pool, node, allowed)


Free = dict[str, int]
"""What is free on a node by resource; negative where more is used than there is."""


def available(node: Node, used: Amounts) -> Free:
    """What a node offers less what bound pods use."""
    amounts = {"pods": PODS, **node.allocatable}
    return {r: n - used.get(r, 0) for r, n in amounts.items()} if used else amounts


def slots(free: Amounts, requests: Amounts) -> int:
    """How often a replica's requests fit into what is free."""
    count: int | None = None
    for resource, amount in requests.items():
        if amount > 0:
            fits = free.get(resource, 0) // amount
            if fits <= 0:
                return 0
            if count is None or fits < count:
                count = fits
    return 0 if count is None else max(0, min(count, free.get("pods", PODS)))


class Ledger:
    """Free room, less bound pods and other deployments' reservations.

    Made for one decision: what the demand itself holds without a pod is not counted against it. A node
    may be in several pools; its room is counted once.
    """

    def __init__(self, snapshot: Snapshot, owner: tuple[str, str], released: frozenset[str]) -> None:
        """``released``: names of the demand's own Deployments whose pods give way to it."""
        self._index = snapshot.room
        self._regions = self._index.regions_for(owner, released)

    def capacity(
        self, pool: Pool, requests: Amounts, allowed: Collection[str], enough: int | None = None
    ) -> Capacity:
        """The pool's slots for replicas of these requests.

        Args:
            allowed: keys of taints that the policy tolerates.
            enough: free slots need not be counted beyond. None: all are.
        """
        return self._regions[self._index.region_of(pool)].capacity(pool, requests, allowed, enough)

    def short(self, pool: Pool, requests: Amounts, allowed: Collection[str]) -> tuple[str, ...]:
        """The resources that are missing for one replica on the node that comes nearest."""
        return self._regions[self._index.region_of(pool)].short(pool, requests, allowed)

    def take(self, pool: Pool, requests: Amounts, count: int) -> None:
        """Takes the room of replicas that this decision itself gives the pool."""
        number = self._index.region_of(pool)
        self._regions[number] = self._regions[number].taking(pool, requests, count)

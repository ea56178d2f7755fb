"""Where no device is spare: room that comes from what serves and is to be left, replica by replica."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stowage.placement.candidates import Candidate
from stowage.placement.capacity import Ledger
from stowage.placement.options import room_in
from stowage.placement.snapshot import Demand, Holding, Placement, Snapshot


class Stays(Protocol):
    """A placement that stays."""

    @property
    def placement(self) -> Placement: ...
    @property
    def candidate(self) -> Candidate: ...
    @property
    def bound(self) -> int: ...


def own_holdings(snapshot: Snapshot, owner: tuple[str, str]) -> list[Holding]:
    """What the demand's own Deployments hold."""
    return list(snapshot.room.held_by(owner))


def is_leaving(snapshot: Snapshot, owner: tuple[str, str]) -> bool:
    """Whether pods of the demand are on their way out: the room that they leave is not there yet."""
    return any(len(h.bound) > h.replicas for h in own_holdings(snapshot, owner))


def may_give_way(snapshot: Snapshot, demand: Demand) -> bool:
    """Whether a replica may go before its successor is there: ``minAvailable`` others serve, or one doesn't
    serve anyway, or the object says Replace."""
    disruption, own = demand.workload.spec.disruption, own_holdings(snapshot, demand.key)
    if disruption.when_full == "Replace" or any(len(h.bound) > h.serves for h in own):
        return True
    return sum(h.serves for h in own) - 1 >= disruption.min_available


def room_freed(snapshot: Snapshot, kept: Sequence[Stays], rooms: Sequence[int]) -> int:
    """Replicas more that would have room where all that is to be left gave way; 0 where it may not."""
    demand = kept[0].candidate.demand
    stays = {k.placement for k in kept}
    own = own_holdings(snapshot, demand.key)
    leaves = frozenset(h.deployment for h in own if h.placement not in stays and h.bound)
    if not leaves or not may_give_way(snapshot, demand):
        return 0
    ledger = Ledger(snapshot, demand.key, released=leaves)
    freed = (k.bound + room_in(ledger, k.candidate).total for k in kept)
    return sum(max(0, then - now) for then, now in zip(freed, rooms, strict=True))

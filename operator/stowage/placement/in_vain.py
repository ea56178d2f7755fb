"""A decision that found no room: what it looked for, so that it is made again only when there may be some."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from stowage.placement.candidates import Candidate
from stowage.placement.capacity import Room
from stowage.placement.room import RegionRoom
from stowage.placement.snapshot import Amounts, Pool, Snapshot
from stowage.placement.terrain import PoolKey


@dataclass(slots=True)
class InVain:
    """What was looked for in vain, by one demand that holds nothing."""

    pools: tuple[Pool, ...]
    asked: dict[PoolKey, Amounts]
    """By pool: of each resource the least that any candidate there asks for a replica."""
    allowed: Collection[str]
    """Keys of taints that the policy tolerates."""
    seen: Sequence[RegionRoom]
    """The room, by region, in which there was none."""

    @classmethod
    def of(cls, snapshot: Snapshot, able: Iterable[Candidate], allowed: Collection[str]) -> InVain:
        """Args:
        able: the candidates against which nothing but room stood.
        """
        asked: dict[PoolKey, Amounts] = {}
        for one in able:
            key = one.pool.key
            known = asked.get(key)
            asked[key] = one.requests if known is None else _least(known, one.requests)
        return cls(snapshot.pools, asked, allowed, snapshot.room.regions)

    def may_have_ended(self, snapshot: Snapshot) -> bool:
        """Whether there may be room by now; False only where a decision would find none again, provided that
        demand, policy, runtimes and backoffs are as they were."""
        if snapshot.pools is not self.pools:
            return True
        now = snapshot.room.regions
        changed = [room for room, seen in zip(now, self.seen, strict=True) if room is not seen]
        if any(self._has_room(room, pool) for room in changed for pool in room.pools):
            return True
        self.seen = now
        return False

    def _has_room(self, room: RegionRoom, pool: Pool) -> bool:
        asked = self.asked.get(pool.key)
        if asked is None:
            return False
        return room.capacity(pool, asked, self.allowed, enough=1).room(1) is not Room.FULL


def _least(one: Amounts, other: Amounts) -> Amounts:
    """The smaller amount of each resource; of one that either doesn't ask for, none."""
    if one is other:
        return one
    return {name: min(amount, other[name]) for name, amount in one.items() if name in other}

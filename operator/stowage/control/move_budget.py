"""How many moves may be under way at once: counted from what the cluster shows, and what is just begun."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from stowage.api.placement_policy import PlacementPolicy
from stowage.cluster.reflector import Key
from stowage.control.carry_out import is_under_way
from stowage.control.policies import policy_for
from stowage.control.world import World

SAFETY_SECONDS = 30.0
"""After how long one that waits asks again, whatever it was told."""


def most_moves(policy: PlacementPolicy, deployments: int) -> int:
    """Moves that may be under way at once: the policy's count, or its share of the deployments that it
    governs, rounded down and at least one. 0 and 0% are none."""
    text = policy.spec.disruption.max_concurrent_moves
    if not text.endswith("%"):
        return int(text)
    share = int(text.removesuffix("%"))
    return max(1, deployments * share // 100) if share else 0


@dataclass
class MoveBudget:
    """Admits voluntary moves. Every move under way counts, whatever its cause."""

    world: World
    look_again: Callable[[Key, float], None]
    _begun: dict[Key, None] = field(default_factory=dict)
    """Admitted, and not yet to be seen in the cluster."""
    _waiting: dict[Key, str] = field(default_factory=dict)
    """Those that were not admitted, by policy, the longest waiting first."""

    def admit(self, key: Key, policy: PlacementPolicy) -> bool:
        """Whether the deployment may begin a move now. If not, it is looked at again when one ends."""
        governed = self._governed(policy)
        moving = self.moving()
        under_way = sum(1 for each in governed if each != key and (each in self._begun or each in moving))
        if under_way >= most_moves(policy, len(governed)):
            self._waiting.setdefault(key, policy.name)
            self.look_again(key, SAFETY_SECONDS)
            return False
        self._waiting.pop(key, None)
        self._begun[key] = None
        return True

    def no_longer_wants(self, key: Key) -> None:
        """The deployment waits for no move."""
        self._waiting.pop(key, None)

    def settled(self, key: Key) -> None:
        """What was decided for the deployment has been written: the cluster shows now whether it moves."""
        self._begun.pop(key, None)
        self._wake()

    def forget(self, key: Key) -> None:
        """The deployment is gone."""
        self._waiting.pop(key, None)
        if self._begun.pop(key, "nothing") is None:
            self._wake()

    def moving(self) -> frozenset[Key]:
        """Deployments of which a move or a roll is under way, as the cluster shows."""
        return frozenset(self._draining()) | frozenset(self._rolling())

    def _draining(self) -> Iterator[Key]:
        for key, parsed in self.world.workloads.items.items():
            status = parsed.value.status if parsed.value is not None else None
            if status is not None and any(p.draining for p in status.placements):
                yield key

    def _rolling(self) -> Iterator[Key]:
        for (namespace, _), child in self.world.deployments.items.items():
            if child.owner_name and child.placement is not None and is_under_way(child):
                yield namespace, child.owner_name

    def _governed(self, policy: PlacementPolicy) -> list[Key]:
        found = []
        for key, parsed in self.world.workloads.items.items():
            if parsed.value is not None and not parsed.deleting:
                other = policy_for(self.world, parsed.value)
                if isinstance(other, PlacementPolicy) and other.name == policy.name:
                    found.append(key)
        return found

    def _wake(self) -> None:
        """Lets those that wait ask again, where one of their policy could be admitted."""
        if not self._waiting:
            return
        moving = self.moving()
        for name in sorted(set(self._waiting.values())):
            waiting = [key for key, policy in self._waiting.items() if policy == name]
            policy = self._policy(waiting[0])
            if policy is None or policy.name != name:
                room = len(waiting)
            else:
                governed = self._governed(policy)
                busy = sum(1 for each in governed if each in self._begun or each in moving)
                room = most_moves(policy, len(governed)) - busy
            # As many as there is room for: one that doesn't use its turn lets the next ask when it is done.
            for key in waiting[: max(0, room)]:
                del self._waiting[key]
                self.look_again(key, 0)

    def _policy(self, key: Key) -> PlacementPolicy | None:
        parsed = self.world.workloads.items.get(key)
        found = policy_for(self.world, parsed.value) if parsed is not None and parsed.value else None
        return found if isinstance(found, PlacementPolicy) else None

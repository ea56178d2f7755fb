"""Moving back: since when a better candidate has been there, and whether a move may begin now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.placement_policy import MoveBack, PlacementPolicy
from stowage.api.quantity import parse_duration
from stowage.cluster.reflector import Key
from stowage.control.move_budget import MoveBudget
from stowage.control.world import World
from stowage.placement.backoffs import NO_BACKOFFS, Backoffs
from stowage.placement.decide import decide
from stowage.placement.decision import Decision
from stowage.placement.snapshot import Demand, Placement

LONGEST_LOOK = 30.0
"""After how many seconds at most a deployment that may move is looked at again: what comes free by other
people's pods is nobody's event."""


class Ripening:
    """Since when each better candidate has been so without a break. In memory: a restart begins anew."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        clock: seconds, never going back.
        """
        self._clock = clock
        self._since: dict[Key, dict[str, float]] = {}

    def ripe(self, key: Key, better: Sequence[str], after: float) -> tuple[frozenset[str], float | None]:
        """Takes in which candidates are better now.

        Returns those that have been so for ``after`` seconds; and in how many seconds the next will have
        been, None where there is none.
        """
        now, before = self._clock(), self._since.get(key, {})
        since = {candidate: before.get(candidate, now) for candidate in better}
        self.forget(key)
        if since:
            self._since[key] = since
        ripe = frozenset(c for c, when in since.items() if now - when >= after)
        return ripe, min((when + after - now for c, when in since.items() if c not in ripe), default=None)

    def forget(self, key: Key) -> None:
        """What was better is so no longer, or was moved to."""
        self._since.pop(key, None)


@dataclass
class Moves:
    """Decides, and moves by itself only what is ripe and within the budget."""

    world: World
    look_again: Callable[[Key, float], None]
    clock: Callable[[], float] = time.monotonic
    budget: MoveBudget = field(init=False)
    _moving: set[Key] = field(default_factory=set)
    """Those that a decision moves at this moment."""
    _ripening: Ripening = field(init=False)

    def __post_init__(self) -> None:
        self.budget = MoveBudget(self.world, self.look_again)
        self._ripening = Ripening(self.clock)

    def decide(
        self, demand: Demand, current: tuple[Placement, ...], backoffs: Backoffs = NO_BACKOFFS
    ) -> Decision:
        """The decision: what serves stays, unless a better candidate is ripe and may be moved to."""
        decision = decide(self.world.snapshot(), demand, current, backoffs)
        move_back = demand.policy.spec.move_back
        if move_back is None:
            self._ripening.forget(demand.key)
            self.budget.no_longer_wants(demand.key)
            return decision
        ripe = self._admitted(demand, decision, move_back)
        if not ripe:
            return decision
        self._moving.add(demand.key)
        return decide(self.world.snapshot(), demand, current, backoffs, ripe)

    def _admitted(self, demand: Demand, decision: Decision, move_back: MoveBack) -> frozenset[str]:
        after = parse_duration(move_back.after)
        ripe, seconds = self._ripening.ripe(demand.key, decision.better, after)
        self.look_again(demand.key, min(LONGEST_LOOK, after / 2 + 0.1 if seconds is None else seconds))
        if not ripe:
            self.budget.no_longer_wants(demand.key)
            return ripe
        if demand.key in self.budget.moving() or not self.budget.admit(demand.key, demand.policy):
            return frozenset()
        return ripe

    def may_upgrade(self, workload: InferenceDeployment, policy: PlacementPolicy) -> Callable[[], bool]:
        """Whether the pods of a deployment that wants upgrades by themselves may be exchanged now."""
        return lambda: self.budget.admit(workload.key, policy)

    def settled(self, key: Key) -> None:
        """What was decided has been written."""
        if key in self._moving:
            self._moving.discard(key)
            self._ripening.forget(key)
        self.budget.settled(key)

    def put_off(self, key: Key) -> None:
        """What was decided isn't done: others have waited longer for the room."""
        self._moving.discard(key)
        self.budget.settled(key)

    def forget(self, key: Key) -> None:
        """The deployment is gone."""
        self._moving.discard(key)
        self._ripening.forget(key)
        self.budget.forget(key)

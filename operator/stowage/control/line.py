"""Who waits for room, and in which order: the higher priority class first, then the longest waiting.

Room that comes is offered in that order, one decision at a time, each seeing what those before it were
given; what is written for one may overlap with the next one's decision. What one can't use, the next may:
nothing is held back for those that don't fit. Nothing is ever evicted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from stowage.api.inference_deployment import InferenceDeployment
from stowage.cluster import ports
from stowage.cluster.reflector import Key
from stowage.control.policies import policy_for
from stowage.control.queue import WorkQueue
from stowage.control.workers import run_one
from stowage.control.world import World
from stowage.placement.decision import Decision
from stowage.placement.in_vain import InVain
from stowage.placement.reasons import Reason
from stowage.render.names import deployment_name
from stowage.render.transition import Serving

WorkKey = tuple[str, str, str]
"""Plural, namespace and name."""
ROOM: WorkKey = ("room", "", "")

MOST_AT_ONCE = 16
"""Decisions of one pass that may be carried out at the same time."""
NO_CLASS = 1_000
"""The rank of those without a priority class: policies list at most 16."""
NOW = "~"
"""After every time: whoever asks for more just now waits behind those that waited before."""

Place = tuple[int, str, str, Key]
"""Where one stands: priority class, since when it waits, when it was made, key. Smaller is earlier."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One look at an InferenceDeployment, as the line sees it."""

    may_take: Callable[[], bool] = lambda: True
    """Asked once it is known that a decision needs room which its Deployments don't have yet."""
    decided: Callable[[], None] = lambda: None
    """Told when the decision is made and its room reserved."""
    in_vain: Callable[[InVain], None] = lambda _: None
    """Told of a decision that found no room."""


ANY_TIME = Turn()


class Look(Protocol):
    """Looks at one InferenceDeployment; False where it wants room and it isn't its turn."""

    def __call__(self, key: Key, turn: Turn, /) -> Awaitable[bool]: ...


class Line:
    """Gives turns."""

    def __init__(self, world: World, queue: WorkQueue[WorkKey], look: Look) -> None:
        self._world = world
        self._queue = queue
        self._look = look
        self._joined: set[Key] = set()  # those placed that want more
        self._asked: set[Key] = set()  # those to look at whether there is room or not
        self._in_vain: dict[Key, InVain] = {}
        self._locks: dict[Key, asyncio.Lock] = {}

    def order(self) -> list[Key]:
        """Those that wait, the first in line first."""
        places = [place for key in self._waiting() if (place := self._place(key)) is not None]
        return [place[-1] for place in sorted(places)]

    async def look(self, key: Key) -> None:
        """Looks at one out of turn, which is when it changed. One that waits behind others is left to the
        line, and so is one that turns out to want more room than it has."""
        if key in self._world.waiting and self._is_behind(key):
            self.ask([key])
            return
        async with self._locked(key):
            turn = Turn(may_take=lambda: not self._is_behind(key), in_vain=self._remembers(key))
            done = await self._look(key, turn)
        if not done and key in self._world.workloads.items:
            self._joined.add(key)
            self._queue.add(ROOM)

    def ask(self, keys: Iterable[Key]) -> None:
        """Has those that wait looked at when it is their turn, since something else than room changed."""
        self._asked.update(keys)
        self._queue.add(ROOM)

    async def offer(self) -> None:
        """Offers what room there is to all that wait, in their order. Those that found none are passed over
        as long as there is none for them."""
        self._joined &= self._world.workloads.items.keys()
        self._asked &= self._world.workloads.items.keys()
        self._in_vain = {k: v for k, v in self._in_vain.items() if k in self._world.waiting}
        running: set[asyncio.Task[None]] = set()
        try:
            for key in self.order():
                if not self._has_hope(key):
                    continue
                while len(running) >= MOST_AT_ONCE:
                    _, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                decided = asyncio.Event()
                run = partial(self._in_turn, key=key, decided=decided)
                task = asyncio.create_task(run_one(self._queue, run, _work_key(key)))
                task.add_done_callback(lambda _, told=decided: told.set())  # type: ignore[misc]
                running.add(task)
                await decided.wait()
            if running:
                await asyncio.wait(running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _in_turn(self, _: WorkKey, *, key: Key, decided: asyncio.Event) -> None:
        self._joined.discard(key)
        self._asked.discard(key)
        async with self._locked(key):
            await self._look(key, Turn(decided=decided.set, in_vain=self._remembers(key)))

    def _remembers(self, key: Key) -> Callable[[InVain], None]:
        """What takes in that this look was in vain; the one before counts no longer."""
        self._in_vain.pop(key, None)
        return partial(self._in_vain.__setitem__, key)

    def _has_hope(self, key: Key) -> bool:
        known = self._in_vain.get(key)
        return known is None or key in self._asked or known.may_have_ended(self._world.snapshot())

    def _locked(self, key: Key) -> asyncio.Lock:
        """The queue never runs a key twice at a time, but the line runs keys of its own."""
        if len(self._locks) > 2 * len(self._world.workloads.items) + MOST_AT_ONCE:
            self._locks = {k: lock for k, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(key, asyncio.Lock())

    def _waiting(self) -> Iterator[Key]:
        yield from self._world.waiting
        yield from (key for key in self._joined if key not in self._world.waiting)

    def _is_behind(self, key: Key) -> bool:
        """Whether another that waits comes first."""
        own = self._place(key)
        if own is None:
            return False
        places = (self._place(other) for other in self._waiting() if other != key)
        return any(place is not None and place < own for place in places)

    def _place(self, key: Key) -> Place | None:
        parsed = self._world.workloads.items.get(key)
        return None if parsed is None or parsed.value is None else place_of(self._world, parsed.value)


def place_of(world: World, workload: InferenceDeployment) -> Place:
    """Where it stands."""
    since = _since(workload)
    return (_class_rank(world, workload), since, workload.metadata.creation_timestamp, workload.key)


def _class_rank(world: World, workload: InferenceDeployment) -> int:
    """The place of its priority class in the policy's list; those without one come last."""
    name = workload.spec.priority_class_name
    policy = policy_for(world, workload) if name is not None else None
    if policy is None or isinstance(policy, Reason) or name not in policy.spec.priority_classes:
        return NO_CLASS
    return policy.spec.priority_classes.index(name)


def _work_key(key: Key) -> WorkKey:
    return (ports.INFERENCE_DEPLOYMENTS.plural, *key)


def _since(workload: InferenceDeployment) -> str:
    """Since when it waits, as the status says, which outlives us."""
    if workload.status is None or not workload.status.conditions:
        return workload.metadata.creation_timestamp
    placed = next((c for c in workload.status.conditions if c.type == "Placed"), None)
    return placed.last_transition_time if placed is not None and placed.status != "True" else NOW


def takes_room(decision: Decision, serving: Iterable[Serving]) -> bool:
    """Whether a decision needs room that its Deployments don't hold yet."""
    held = {s.name: s.replicas for s in serving}
    return any(
        chosen.replicas > held.get(deployment_name(chosen.candidate.demand.workload, chosen.as_placed), 0)
        for chosen in decision.placements
    )

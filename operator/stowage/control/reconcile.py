"""One InferenceDeployment: look, decide, apply what differs, write status once, at the end."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import InferenceDeploymentStatus
from stowage.api.meta import Condition
from stowage.api.reasons import Code
from stowage.cluster.ports import INFERENCE_DEPLOYMENTS, Body, Cluster
from stowage.cluster.reflector import Key
from stowage.control import announce
from stowage.control.apply import ChildRefusedError
from stowage.control.building.builds import JOB_SECONDS, Builds, with_variants
from stowage.control.carry_out import Carrier, blocked, serving_of
from stowage.control.events import EventRecorder
from stowage.control.failing.review import Failures, keepable
from stowage.control.ground import Ground, Grounds
from stowage.control.line import ANY_TIME, Turn, takes_room
from stowage.control.moves import Moves
from stowage.control.own_images import OwnImages
from stowage.control.parsed import Parsed
from stowage.control.patience import Patience
from stowage.control.policies import policy_for
from stowage.control.recorder import Recorder
from stowage.control.status_writer import apply_status
from stowage.control.world import World
from stowage.observe.identity import instance
from stowage.placement.decision import Chosen, Decision
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Demand, Holding
from stowage.render.additions import refused_addition
from stowage.render.conditions import conditions
from stowage.render.names import deployment_name
from stowage.render.roll import Roll
from stowage.render.status import Situation, status
from stowage.render.transition import Serving, Transition, transition

_log = logging.getLogger(__name__)

LOOK_AGAIN = frozenset({Code.NAME_CONFLICT, Code.APPLY_FAILED})
"""Troubles whose end no watch of ours tells of."""
ROLL_SECONDS = 5.0
"""How often a roll is looked at: that its new pod finds no device is nobody's event."""
SECONDS = "%Y-%m-%dT%H:%M:%SZ"
"""Times in status."""


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Reconciler:
    """Makes the cluster agree with one InferenceDeployment at a time."""

    cluster: Cluster
    world: World
    look_again: Callable[[Key, float], None]
    failures: Failures
    clock: Callable[[], datetime] = utc_now
    recorder: Recorder = field(default_factory=Recorder)
    patience: Patience = field(default_factory=Patience)
    grounds: Grounds = field(default_factory=Grounds)
    images: OwnImages = field(default_factory=OwnImages)
    events: EventRecorder = field(init=False)
    moves: Moves = field(init=False)
    carrier: Carrier = field(init=False)
    builds: Builds = field(init=False)

    def __post_init__(self) -> None:
        self.events = EventRecorder(self.cluster, instance())
        self.moves = Moves(self.world, self.look_again)
        self.carrier = Carrier(self.cluster, self.world, images=self.images)
        self.builds = Builds(self.cluster, self.world, self.images.builder)

    async def reconcile(self, key: Key, turn: Turn = ANY_TIME) -> bool:
        """One run. Level-triggered: it looks at what is, not at what changed.

        Returns False where it wants room that others wait for before it: nothing was done then.
        """
        parsed = self.world.workloads.items.get(key)
        gone = key[0] not in self.world.namespaces or not self.world.scope.serves(key[0])
        if parsed is None or parsed.deleting or gone:
            self.recorder.forget(key)
            self.moves.forget(key)
            self.patience.forget(key)
            self.grounds.forget(key)
            return True
        if parsed.value is None:
            await self._refuse(key, parsed)
            return True
        workload = parsed.value
        self.recorder.look(workload)
        problem = self._undecided(parsed, workload)
        situation = Situation(workload, serving_of(self.world, key, parsed.uid), problem=problem)
        if problem is None:
            placed = await self._place(workload, situation, turn)
            if placed is None:
                self.moves.put_off(workload.key)
                return False
            situation = placed
        await self._report(situation)
        self.moves.settled(workload.key)
        if situation.problem is not None and situation.problem.code in LOOK_AGAIN:
            self.look_again(key, self.patience.wait(key))
        else:
            self.patience.forget(key)
        return True

    @staticmethod
    def _undecided(parsed: Parsed[InferenceDeployment], workload: InferenceDeployment) -> Reason | None:
        """Why nothing is to be decided, so that what serves stays as it is."""
        if parsed.error:
            return Reason(Code.INVALID_SPEC, parsed.error)
        return Reason(Code.PAUSED, "spec.paused is set") if workload.spec.paused else None

    async def _place(
        self, workload: InferenceDeployment, situation: Situation, turn: Turn
    ) -> Situation | None:
        """Decides and carries the decision out. None where it isn't its turn to take room."""
        policy = policy_for(self.world, workload)
        if isinstance(policy, Reason):
            return replace(situation, problem=policy)
        now, fallback = self.clock().timestamp(), policy.spec.fallback
        review = await self.failures.review(workload, fallback, situation.serving, now)
        if review.again is not None:
            self.look_again(workload.key, review.again)
        variants = await self.builds.review(workload)
        serving = serving_of(self.world, workload.key, workload.metadata.uid)
        if review.hold is not None:
            return replace(situation, serving=serving, backoffs=review.backoffs, problem=review.hold)
        # From here to the reservation nothing waits, so that no two decisions see the same free device.
        demand = Demand(with_variants(workload, variants), policy)
        current = keepable(workload, serving, review)
        snapshot = self.world.snapshot()
        spec = workload.metadata.uid, workload.metadata.generation
        rest = review.left_alone, tuple(variants)
        ground = Ground(spec, policy, snapshot.pools, snapshot.runtimes, rest)
        with self.recorder.deciding(workload.key):
            decision = self.moves.decide(demand, current, review.left_alone)
        if takes_room(decision, serving) and not turn.may_take():
            return None
        if decision.in_vain is not None:
            turn.in_vain(decision.in_vain)
        step = transition(decision, serving)
        rolls = self.carrier.rolls(workload, step, serving)
        problem = await self._commit(demand, decision, step, rolls, turn)
        variants = await self.builds.order(demand, decision, variants)
        if any(v.state == "Failed" and v.provenance is None for v in variants):
            self.look_again(workload.key, JOB_SECONDS)
        if any(s.rolling for s in serving):
            self.look_again(workload.key, ROLL_SECONDS)
        found = serving_of(self.world, workload.key, workload.metadata.uid)
        if problem is None and sum(s.ready for s in found) < decision.wanted:
            problem = review.trouble
        outcome = blocked(rolls, step.apply) or decision.outcome
        return Situation(
            workload,
            serving=tuple(s for s in found if s.name not in step.delete),
            decision=replace(decision, placements=step.apply, outcome=outcome),
            problem=problem,
            draining=step.draining,
            revisions=self._revisions(workload, found),
            backoffs=review.backoffs,
            variants=variants,
            same_ground=self.grounds.same(workload.key, ground, workload.status),
        )

    async def _commit(
        self, demand: Demand, decision: Decision, step: Transition, rolls: Mapping[str, Roll], turn: Turn
    ) -> Reason | None:
        """Reserves the room, then writes the children. Returns why they can't be written, if so."""
        workload, policy = demand.workload, demand.policy
        with ExitStack() as reservations:
            for chosen in step.apply:
                reservations.callback(self._reserve(workload, chosen))
            turn.decided()
            if (refused := refused_addition(decision)) is not None:
                return refused
            may_upgrade = self.moves.may_upgrade(workload, policy)
            try:
                await self.carrier.carry_out(workload, step, rolls, may_upgrade)
            except ChildRefusedError as error:
                return error.reason
        return None

    def _reserve(self, workload: InferenceDeployment, chosen: Chosen) -> Callable[[], None]:
        """Holds the room of a decision until the Deployment itself counts."""
        namespace, name = workload.metadata.namespace, deployment_name(workload, chosen.as_placed)
        held = self.world.snapshot().held.get((workload.key, name))
        bound = held.bound if held is not None else ()
        requests = chosen.candidate.requests
        holding = Holding(workload.key, name, chosen.as_placed, requests, chosen.replicas, bound)
        self.world.reserve(namespace, holding)
        return lambda: self.world.release(namespace, name)

    def _revisions(self, workload: InferenceDeployment, serving: tuple[Serving, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for one in serving:
            found[one.name] = self.world.deployments.items[workload.metadata.namespace, one.name].revision
        return found

    async def _report(self, situation: Situation) -> None:
        """Writes the status where it differs, then posts what changed."""
        now = self.clock()
        before, metadata = situation.workload.status, situation.workload.metadata
        after = status(situation, now.strftime(SECONDS))
        # Models that differ may yet read the same; those that don't are the quick and common case.
        changed = before != after and (before is None or before.to_wire() != after.to_wire())
        if changed:
            await self._write(situation.workload.key, metadata.resource_version, after.to_wire())
        if situation.decision is not None:
            self.grounds.told(situation.workload.key, self._stored(situation.workload.key) or after)
        self.recorder.decided(situation.workload, after, now, changed=changed)
        if not changed:
            return
        for kind, reason, note in announce.transitions(before, after):
            self.events.record(situation.workload, kind, reason, note, now)

    def _stored(self, key: Key) -> InferenceDeploymentStatus | None:
        """The status as it is known, which is kept anyway."""
        parsed = self.world.workloads.items.get(key)
        return parsed.value.status if parsed is not None and parsed.value is not None else None

    async def _refuse(self, key: Key, parsed: Parsed[InferenceDeployment]) -> None:
        """Says of an object that was never understood why; what serves stays as it is."""
        serving = sum(s.ready for s in serving_of(self.world, key, parsed.uid))
        after = refused_status(parsed, serving, self.clock().strftime(SECONDS))
        if after != parsed.status:
            await self._write(key, parsed.resource_version, after)
            _log.warning("%s/%s: %s: %s", *key, Code.INVALID_SPEC, parsed.error)

    async def _write(self, key: Key, version: str, wire: Body) -> None:
        """Applies a status. With the resourceVersion, a decision made on an old object conflicts instead
        of overwriting."""
        with self.world.own_writes.write(self.world.workloads, key) as stored:
            stored(await apply_status(self.cluster, INFERENCE_DEPLOYMENTS, key, version, wire))


def refused_status(parsed: Parsed[InferenceDeployment], serving: int, now: str) -> Body:
    """The status of an object that was never understood: as it was, but for its conditions."""
    before = [Condition.model_validate(c, extra="ignore") for c in parsed.status.get("conditions", ())]
    why = Reason(Code.INVALID_SPEC, parsed.error)
    found = conditions(
        parsed.generation, before, None, why, wanted=1, ready=0, draining=False, serving=serving, now=now
    )
    said = {"observedGeneration": parsed.generation, "conditions": [c.to_wire() for c in found]}
    return {**parsed.status, **said}

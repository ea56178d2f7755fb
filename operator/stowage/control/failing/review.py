"""What of an InferenceDeployment has failed by now, and what is therefore left alone."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import BackoffStatus
from stowage.api.placement_policy import Fallback
from stowage.api.quantity import parse_duration
from stowage.api.reasons import Code
from stowage.cluster.ports import Cluster
from stowage.cluster.reflector import Key
from stowage.control.failing.autoscalers import Autoscalers
from stowage.control.failing.pods import OwnPods
from stowage.control.failing.record import read_backoffs, write_backoffs
from stowage.control.usage import Group
from stowage.control.world import World
from stowage.placement.backoffs import Backoff, Backoffs, after_failure, in_force, remember
from stowage.placement.failure import Later, Observed, Times, Verdict, broken, judge
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Placement, Pool
from stowage.render.names import placement_hash, spec_hash
from stowage.render.transition import Serving

SHORTEST = 0.2
"""Seconds between two looks, at least."""
PROVISIONING_SECONDS = 30.0
"""How often an autoscaler that is bringing nodes is asked whether it still does."""
POD_NAME = re.compile(r'^pods "[^"]*" is forbidden: ')
"""How the API server begins; the name is another one each time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Review:
    """The result for one InferenceDeployment."""

    backoffs: Sequence[BackoffStatus]
    """All that are remembered, for the status."""
    left_alone: Backoffs
    """Those in force, for the decision."""
    again: float | None = None
    """Seconds until time alone may change the result."""
    recovered: frozenset[str] = frozenset()
    """Candidates whose backoff isn't over, and that serve by now."""
    trouble: Reason | None = None
    """What is wrong with a pod of a placement that hasn't failed, since others serve or load."""
    hold: Reason | None = None
    """Why nothing is to be decided yet: a pool is gone, and may be back before that counts as failed."""


@dataclass(frozen=True, slots=True)
class _Subject:
    """What is judged."""

    serving: Serving
    group: Group
    capacity_type: str
    """As the status has it, for where the pool is gone."""


class Failures:
    """Feeds the pure judgement with what the cluster shows."""

    def __init__(self, cluster: Cluster, world: World, pods: OwnPods) -> None:
        self._world = world
        self._pods = pods
        self._autoscalers = Autoscalers(cluster)

    async def review(
        self, workload: InferenceDeployment, fallback: Fallback, serving: Iterable[Serving], now: float
    ) -> Review:
        """What has failed, at ``now`` seconds since the epoch.

        Only what isn't draining can fail anew: what drains has failed already, or is on its way out.
        """
        key, serving = workload.key, tuple(serving)
        before = {p.deployment: p for p in workload.status.placements} if workload.status else {}
        self._pods.forget(key, {placement_hash(s.placement) for s in serving})
        recovered = {s.placement.id for s in serving if self._pods.serves(_group(key, s.placement))}
        known = list(remember(read_backoffs(workload.status), now))
        if known:
            edited = {s.placement.id for s in serving if self._is_edited(workload, s)}
            known = [b for b in known if b.candidate not in edited]
        times, again, hold, troubles = Times.of(fallback), [], None, []
        for one in serving:
            said = before.get(one.name)
            if one.replicas < 1 or (said is not None and said.draining):
                continue
            if one.placement.id in in_force(known, now, recovered):
                continue
            subject = _Subject(one, _group(key, one.placement), said.capacity_type if said else "")
            verdict, wait = await self._judge(subject, times, known, now)
            if isinstance(verdict, Reason):
                base = parse_duration(fallback.backoff)
                known = list(after_failure(known, one.placement.id, verdict, base, now))
                _log.warning(
                    "%s/%s: %s failed: %s: %s", *key, one.placement.id, verdict.code, verdict.message
                )
                continue
            troubles += [t for pod in self._pods.of(subject.group) if (t := broken(pod.state)) is not None]
            if wait is not None:
                again.append(wait)
                hold = hold or self._hold(subject, times)
        left_alone = in_force(known, now, recovered)
        again += [b.until - now for b in known if b.candidate in left_alone]
        return Review(
            write_backoffs(known),
            left_alone,
            again=max(SHORTEST, min(again)) if again else None,
            recovered=frozenset(in_force(known, now)) & recovered,
            trouble=troubles[0] if troubles else None,
            hold=hold,
        )

    async def _judge(
        self, subject: _Subject, times: Times, known: Iterable[Backoff], now: float
    ) -> tuple[Verdict, float | None]:
        """The verdict, and in how many seconds to look again."""
        candidate = subject.serving.placement.id
        not_before = max((b.until for b in known if b.candidate == candidate), default=0.0)
        verdict = judge(self._observed(subject), times, now, not_before)
        pods = self._pods.of(subject.group)
        waiting = [p.uid for p in pods if not p.state.node and p.state.since is not None]
        if isinstance(verdict, Reason) and verdict.code == Code.UNSCHEDULABLE and waiting:
            provisioning = await self._autoscalers.bring(subject.group[0], waiting)
            # Asking took a while: what is judged is how it is now.
            observed = replace(self._observed(subject), provisioning=provisioning)
            verdict = judge(observed, times, now, not_before)
            if isinstance(verdict, Later):
                return verdict, min(verdict.seconds, PROVISIONING_SECONDS)
        return verdict, verdict.seconds if isinstance(verdict, Later) else None

    def _observed(self, subject: _Subject) -> Observed:
        group = subject.group
        dead = self._pods.dead_nodes(group)
        child = self._world.deployments.items.get((group[0], subject.serving.name))
        pool = self._pool(subject.serving.placement)
        return Observed(
            pods=tuple(p.state for p in self._pods.of(group)),
            dead_nodes=dead,
            lost_since=self._pods.lost_since(group, dead),
            refused=POD_NAME.sub("", child.refused) if child is not None else "",
            refused_since=_seconds(child.refused_since) if child is not None else 0.0,
            spot=(pool.capacity_type if pool is not None else subject.capacity_type) == "spot",
        )

    def _is_edited(self, workload: InferenceDeployment, one: Serving) -> bool:
        """Whether the spec was edited since the Deployment was rendered: it may well do by now."""
        child = self._world.deployments.items.get((workload.metadata.namespace, one.name))
        return child is not None and child.spec_hash not in ("", spec_hash(workload))

    def _hold(self, subject: _Subject, times: Times) -> Reason | None:
        """Why a placement whose pool is gone is still waited for."""
        observed, placement = self._observed(subject), subject.serving.placement
        if observed.lost_since is None or self._pool(placement) is not None:
            return None
        return Reason(
            Code.NODE_LOST,
            f"pool {placement.pool}, which it is placed on, has no node any more; "
            f"that counts as failed after {times.after:g} s",
        )

    def _pool(self, placement: Placement) -> Pool | None:
        key = placement.pool, placement.accelerator_class
        return next((p for p in self._world.discovery.pools if p.key == key), None)


def keepable(
    workload: InferenceDeployment, serving: Iterable[Serving], review: Review
) -> tuple[Placement, ...]:
    """What the next decision may keep: what serves and isn't draining, as the status says; what drained
    since it had failed, and serves by now; where all of that has failed, all, since it may serve still."""
    placements = workload.status.placements if workload.status else []
    draining = {p.deployment for p in placements if p.draining}
    staying = [s for s in serving if s.name not in draining or s.placement.id in review.recovered]
    if all(s.placement.id in review.left_alone for s in staying):
        staying = list(serving)
    return tuple(s.placement for s in staying)


def _group(owner: Key, placement: Placement) -> Group:
    return owner[0], owner[1], placement_hash(placement)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0

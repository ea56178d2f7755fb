"""What a reconcile tells the outside: a log line and the metrics of each decision."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import InferenceDeploymentStatus
from stowage.api.meta import Condition
from stowage.api.reasons import Code
from stowage.cluster.reflector import Key
from stowage.observe import metrics
from stowage.observe.metrics import MoveCause

_log = logging.getLogger(__name__)

TROUBLES = frozenset({Code.NAME_CONFLICT, Code.APPLY_FAILED})
"""Reasons that are logged as warnings: what was decided could not be carried out."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """Since when this process knows a generation of an object's spec."""

    uid: str
    generation: int
    since: float


class Recorder:
    """Logs and counts decisions; times how long a deployment takes until it serves. Writes nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Args:
        clock: seconds, never going back.
        """
        self._clock = clock
        self._seen: dict[Key, _Seen] = {}
        self._seconds: dict[Key, float] = {}

    def look(self, workload: InferenceDeployment) -> None:
        """A reconcile of the object begins."""
        metadata, seen = workload.metadata, self._seen.get(workload.key)
        if seen is None or (seen.uid, seen.generation) != (metadata.uid, metadata.generation):
            self._seen[workload.key] = _Seen(metadata.uid, metadata.generation, self._clock())

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._seen.pop(key, None)
        self._seconds.pop(key, None)

    @contextmanager
    def deciding(self, key: Key) -> Iterator[None]:
        """Times the block."""
        started = self._clock()
        yield
        self._seconds[key] = self._clock() - started

    def decided(
        self, workload: InferenceDeployment, after: InferenceDeploymentStatus, now: datetime, *, changed: bool
    ) -> None:
        """A reconcile ended with this status.

        Args:
            workload: as it was looked at, with the status before.
            now: the time, to tell how long ago the object was created.
            changed: whether the status differs from the one before. If not, the line is for debugging
                only: a change of the fleet looks at everything anew, and mostly nothing comes of it.
        """
        conditions = {c.type: c for c in after.conditions}
        placed, ready = conditions["Placed"], conditions["Ready"]
        outcome, seconds = _outcome(placed, after), self._seconds.pop(workload.key, None)
        metrics.decided(outcome, placed.reason, seconds)
        self._served(workload, ready, now)
        cause = move_cause(workload, after)
        if cause is not None:
            metrics.moved(cause)
        level = logging.WARNING if ready.reason in TROUBLES else logging.INFO
        where = " ".join(f"{p.variant}/{p.runtime}/{p.pool}x{p.replicas}" for p in after.placements)
        _log.log(
            level if changed else logging.DEBUG,
            "%s",
            ready.message,
            extra={
                "event": "decision",
                "namespace": workload.metadata.namespace,
                "object": workload.name,
                "generation": workload.metadata.generation,
                "outcome": outcome,
                "reason": ready.reason,
                "placements": where,
                "seconds": round(seconds or 0.0, 4),
            },
        )

    def _served(self, workload: InferenceDeployment, ready: Condition, now: datetime) -> None:
        """Measures the time to Ready, once for each generation of the spec."""
        metadata, seen = workload.metadata, self._seen.get(workload.key)
        before = workload.status.conditions if workload.status else []
        done = any(
            c.type == "Ready" and c.status == "True" and c.observed_generation == metadata.generation
            for c in before
        )
        if done or ready.status != "True" or seen is None or ready.reason == Code.PAUSED:
            return
        created = _age(metadata.creation_timestamp, now)
        first = metadata.generation == 1 and created is not None
        metrics.served(created if first and created is not None else self._clock() - seen.since)


def move_cause(workload: InferenceDeployment, after: InferenceDeploymentStatus) -> MoveCause | None:
    """Why a move began between the status before and after; None where none did.

    A move begins when something new is placed while something that served is given up. A spill-over, or a
    scale-down, is none.
    """
    before = workload.status
    if before is None:
        return None
    stayed = {p.deployment for p in before.placements if not p.draining}
    stays = {p.deployment for p in after.placements if not p.draining}
    given_up = [p for p in before.placements if p.deployment in stayed - stays]
    if not given_up or not stays - {p.deployment for p in before.placements}:
        return None
    failures = {b.candidate: b.failures for b in before.backoffs}
    if any(b.failures > failures.get(b.candidate, 0) for b in after.backoffs):
        return MoveCause.FAILED
    if before.observed_generation != workload.metadata.generation:
        return MoveCause.SPEC
    feasible = {(c.variant, c.runtime, c.pool) for c in after.candidates if c.verdict == "Feasible"}
    better = all((p.variant, p.runtime, p.pool) in feasible for p in given_up)
    return MoveCause.MOVE_BACK if better else MoveCause.UNFIT


def _outcome(placed: Condition, after: InferenceDeploymentStatus) -> str:
    """How a decision came out, in one of five words."""
    if placed.reason == Code.PAUSED:
        return "paused"
    if placed.status == "True":
        return "placed"
    if placed.reason == Code.PARTIALLY_PLACED:
        return "partly"
    return "kept" if after.placements else "unplaced"


def _age(created: str, now: datetime) -> float | None:
    """Seconds since an RFC 3339 time; None where there is none."""
    try:
        then = datetime.fromisoformat(created.replace("Z", "+00:00"))
    except ValueError:
        return None
    return max(0.0, (now.astimezone(UTC) - then).total_seconds())

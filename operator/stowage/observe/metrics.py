"""The operator's Prometheus metrics: one registry, and a function for each thing that happens.

Names of the work queue's metrics are client-go's own, so that dashboards for controllers work; all others
begin with ``stowage_``. No label holds the name of a tenant's object: the number of series is bounded by
the catalog, the reasons and the kinds, not by how many objects there are. docs/operations.md lists them all.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from enum import StrEnum

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    ProcessCollector,
    generate_latest,
)

from stowage import __version__

REGISTRY = CollectorRegistry()
"""Everything that is exposed."""
ProcessCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0)
"""Buckets of what should be quick."""
MINUTES = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0)
"""Buckets of how long a model takes to serve: from a small one on a warm node to 70B over a slow disk."""


class MoveCause(StrEnum):
    """Why a placement moves."""

    FAILED = "failed"
    """It failed, and the next candidate takes over."""
    UNFIT = "unfit"
    """Its candidate is no longer feasible: the policy, the class, the runtime or the demand changed."""
    MOVE_BACK = "move_back"
    """A better candidate has been feasible for long enough."""
    SPEC = "spec"
    """An edit of its own spec asks for it."""


_build = Info("stowage_build", "Version of the operator and of its Python.", registry=REGISTRY)
_build.info({"version": __version__, "python": platform.python_version()})
_decisions = Counter(
    "stowage_decisions",
    "Decisions by outcome and by the reason of the Placed condition.",
    ["outcome", "reason"],
    registry=REGISTRY,
)
_decision_seconds = Histogram(
    "stowage_decision_duration_seconds",
    "How long one decision took, without any request to the API server.",
    buckets=SECONDS,
    registry=REGISTRY,
)
_moves = Counter("stowage_moves", "Moves begun, by cause.", ["cause"], registry=REGISTRY)
_ready_seconds = Histogram(
    "stowage_apply_to_ready_seconds",
    "From an InferenceDeployment's creation, or a change of its spec, until all of it serves.",
    buckets=MINUTES,
    registry=REGISTRY,
)
_writes = Counter(
    "stowage_writes",
    "Writes to the API server by verb, resource and result (ok, or the HTTP status, or error).",
    ["verb", "resource", "result"],
    registry=REGISTRY,
)
_repairs = Counter(
    "stowage_resync_repairs",
    "Objects that a periodic list found different from what their watch had told.",
    ["resource"],
    registry=REGISTRY,
)
_watch_restarts = Counter(
    "stowage_watch_restarts",
    "Watches that broke and began anew with a list.",
    ["resource"],
    registry=REGISTRY,
)
_events = Counter(
    "stowage_events",
    "Events by result: created, repeated (counted up in the event that exists), dropped, failed.",
    ["result"],
    registry=REGISTRY,
)
_leader = Gauge(
    "stowage_leader", "1 where this process holds the Lease and decides, else 0.", registry=REGISTRY
)
_serves = Gauge(
    "stowage_serves",
    "1 where this process decides over the namespace, else 0; * stands for all namespaces.",
    ["served"],  # "namespace" is the scraped pod's
    registry=REGISTRY,
)
_served: list[str] = []
_away = Gauge(
    "stowage_api_server_away",
    "1 while the API server doesn't answer, or answers with errors only, and all work waits; else 0.",
    registry=REGISTRY,
)

for _cause in MoveCause:
    _moves.labels(_cause)
for _result in ("created", "repeated", "dropped", "failed"):
    _events.labels(_result)


def expose() -> bytes:
    """All families in Prometheus' text format."""
    return generate_latest(REGISTRY)


def decided(outcome: str, reason: str, seconds: float | None = None) -> None:
    """One decision.

    Args:
        outcome: placed, partly, kept (what serves goes on, nothing new was found), unplaced or paused.
        reason: of the Placed condition.
        seconds: what deciding took, without requests.
    """
    _decisions.labels(outcome, reason).inc()
    if seconds is not None:
        _decision_seconds.observe(seconds)


def moved(cause: MoveCause) -> None:
    """A move began."""
    _moves.labels(cause).inc()


def served(seconds: float) -> None:
    """An InferenceDeployment serves entirely, so long after its creation or the change of its spec."""
    _ready_seconds.observe(seconds)


def wrote(verb: str, resource: str, result: str) -> None:
    """One write: apply, create or delete of a resource as RBAC writes it."""
    _writes.labels(verb, resource, result).inc()


def repaired(resource: str, count: int) -> None:
    """A periodic list found so many objects different."""
    _repairs.labels(resource).inc(count)


def watch_restarted(resource: str) -> None:
    """A watch broke."""
    _watch_restarts.labels(resource).inc()


def event(result: str) -> None:
    """An event was created, repeated, dropped or failed."""
    _events.labels(result).inc()


def leading(is_leader: bool) -> None:
    """This process became the leader, or is it no more."""
    _leader.set(is_leader)
    for name in _served:
        _serves.labels(name).set(is_leader)


def serves(namespaces: Iterable[str]) -> None:
    """This process serves these namespaces, or all where none is named; it doesn't lead yet."""
    _serves.clear()
    _served[:] = sorted(namespaces) or ["*"]
    leading(False)


def away(is_away: bool) -> None:
    """The API server went away, or is back."""
    _away.set(is_away)

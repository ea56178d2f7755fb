"""The work queue's metrics, with client-go's names and meanings."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

from stowage.observe.metrics import REGISTRY

BUCKETS = (1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 60.0, 600.0)
_LABELS = ("name",)

_depth = Gauge("workqueue_depth", "Keys that wait for a worker.", _LABELS, registry=REGISTRY)
_adds = Counter("workqueue_adds", "Keys added.", _LABELS, registry=REGISTRY)
_waited = Histogram(
    "workqueue_queue_duration_seconds",
    "How long a key waited for a worker.",
    _LABELS,
    buckets=BUCKETS,
    registry=REGISTRY,
)
_worked = Histogram(
    "workqueue_work_duration_seconds",
    "How long a run took, requests included.",
    _LABELS,
    buckets=BUCKETS,
    registry=REGISTRY,
)
_unfinished = Gauge(
    "workqueue_unfinished_work_seconds",
    "Seconds of all runs that have begun and not ended. Growing without end means stuck workers.",
    _LABELS,
    registry=REGISTRY,
)
_longest = Gauge(
    "workqueue_longest_running_processor_seconds",
    "Seconds of the run that has been under way for longest.",
    _LABELS,
    registry=REGISTRY,
)
_retries = Counter("workqueue_retries", "Runs that failed and were queued again.", _LABELS, registry=REGISTRY)


class WorkQueueMetrics:
    """What one queue tells."""

    def __init__(self, name: str = "reconcile") -> None:
        self._depth = _depth.labels(name)
        self._adds = _adds.labels(name)
        self._waited = _waited.labels(name)
        self._worked = _worked.labels(name)
        self._unfinished = _unfinished.labels(name)
        self._longest = _longest.labels(name)
        self._retries = _retries.labels(name)

    def added(self) -> None:
        """A key was added that neither waits nor was added while it runs."""
        self._adds.inc()

    def depth(self, waiting: int) -> None:
        """So many keys wait."""
        self._depth.set(waiting)

    def taken(self, waited: float) -> None:
        """A worker took a key that waited for so many seconds."""
        self._waited.observe(waited)

    def finished(self, worked: float) -> None:
        """A run ended after so many seconds."""
        self._worked.observe(worked)

    def retried(self) -> None:
        """A failed key was queued again."""
        self._retries.inc()

    def running(self, seconds: list[float]) -> None:
        """For how long each run that is under way has been so."""
        self._unfinished.set(sum(seconds))
        self._longest.set(max(seconds, default=0.0))

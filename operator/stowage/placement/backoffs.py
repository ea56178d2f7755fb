"""Candidates that failed and are left alone for a while."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from stowage.api.reasons import Code
from stowage.placement.reasons import Reason

MAX_SECONDS = 3600.0
"""The longest backoff, however often a candidate failed."""
FORGET_SECONDS = 3600.0
"""A candidate that hasn't failed for so long after its backoff starts anew: its next failure is the first."""
MAX_BACKOFFS = 32
"""As many as a status holds."""

POOL_WIDE = frozenset({Code.UNSCHEDULABLE, Code.PODS_REFUSED, Code.NODE_LOST})
"""Failures that every candidate of the pool would share: whatever the variant, its pods would meet the
same nodes or the same quota."""

VARIANT_WIDE = frozenset({Code.FETCH_FAILED})
"""Failures that every candidate of the variant would share: wherever its pods are, they fetch the same."""
WIDE_IN_POOL = frozenset({Code.NO_ROOM_FOR_MODEL})
"""Failures that every candidate of the variant in the pool would share, by whatever runtime."""

Backoffs = Mapping[str, Reason]
"""By candidate: why it is left alone at the moment."""
NO_BACKOFFS: Backoffs = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Backoff:
    """One candidate that failed."""

    candidate: str
    """Its id: variant/runtime/pool/devices."""
    reason: Reason
    until: float
    """When it may be tried again, in seconds since the epoch."""
    failures: int = 1


def after_failure(
    known: Iterable[Backoff], candidate: str, reason: Reason, base: float, now: float
) -> tuple[Backoff, ...]:
    """The backoffs once a candidate has failed (again).

    Args:
        base: the policy's backoff, in seconds. It doubles with each failure in a row, up to an hour.
    """
    remembered = {b.candidate: b for b in remember(known, now)}
    before = remembered.pop(candidate, None)
    failures = before.failures + 1 if before is not None else 1
    wait = min(base * 2.0 ** min(failures - 1, 30), MAX_SECONDS)
    latest = sorted(remembered.values(), key=lambda b: (-b.until, b.candidate))[: MAX_BACKOFFS - 1]
    made = Backoff(candidate, reason, now + wait, failures)
    return tuple(sorted([*latest, made], key=lambda b: b.candidate))


def remember(known: Iterable[Backoff], now: float) -> tuple[Backoff, ...]:
    """Those that still count: in force, or over for less than an hour."""
    return tuple(b for b in known if now < b.until + FORGET_SECONDS)


def in_force(known: Iterable[Backoff], now: float, serving: Collection[str] = ()) -> Backoffs:
    """Candidates that are left alone now.

    A time that is further away than any backoff is long was written by a clock that went wrong, and
    holds nothing back.

    Args:
        serving: ids of candidates whose pods serve by now: they have recovered.
    """
    return {
        b.candidate: b.reason
        for b in known
        if now < b.until <= now + 2 * MAX_SECONDS and b.candidate not in serving
    }


def pool_of(candidate: str) -> str:
    """The pool of a candidate's id."""
    return candidate.split("/")[2]


def variant_of(candidate: str) -> str:
    """The variant of a candidate's id."""
    return candidate.partition("/")[0]

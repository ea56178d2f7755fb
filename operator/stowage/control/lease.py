"""A Lease as client-go writes it, and when somebody else's may be taken."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from stowage.cluster.ports import LEASES, Body

MICROSECONDS = "%Y-%m-%dT%H:%M:%S.%fZ"
"""Times in a Lease."""
RELEASED_SECONDS = 1
"""What client-go writes as the duration when it gives a Lease up. An empty holder with any other duration
is no release but somebody's edit, whose old holder may not know of it yet."""
JITTER = 1.2
"""By how much of the retry period a standby's wait is spread, as in client-go."""

_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def elapsed() -> float:
    """Seconds that never go back, and go on while the machine is suspended, where the system tells.

    Other machines' clocks play no part in an election, nor does ours when it is set.
    """
    return time.clock_gettime(_CLOCK)


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a Lease holds, in seconds. The defaults are client-go's.

    Raises:
        ValueError: the three don't fit together.
    """

    lease_duration: float = 15.0
    """For how long others leave a Lease alone after they last saw it renewed."""
    renew_deadline: float = 10.0
    """For how long after its last renewal a leader writes. The rest of the duration is for writes that
    are under way."""
    retry_period: float = 2.0
    """Between renewals, and between a standby's looks."""

    def __post_init__(self) -> None:
        if self.lease_duration < 1:
            raise ValueError(f"the lease duration is {self.lease_duration:g} s; at least 1 s is needed")
        if self.lease_duration != int(self.lease_duration):
            raise ValueError(f"the lease duration is {self.lease_duration:g} s; a Lease holds whole seconds")
        if self.renew_deadline >= self.lease_duration:
            raise ValueError(
                f"the renew deadline ({self.renew_deadline:g} s) must be less than the lease duration "
                f"({self.lease_duration:g} s)"
            )
        if self.retry_period <= 0 or self.retry_period * JITTER >= self.renew_deadline:
            raise ValueError(
                f"the retry period ({self.retry_period:g} s) must be more than 0 s and {JITTER:g} times it "
                f"less than the renew deadline ({self.renew_deadline:g} s)"
            )


@dataclass(frozen=True, slots=True)
class Record:
    """What a Lease says. Whoever edits it may leave anything out."""

    holder: str = ""
    seconds: float | None = None
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0

    @classmethod
    def of(cls, body: Body) -> Self:
        """From a Lease object."""
        spec: dict[str, Any] = body.get("spec") or {}
        return cls(
            holder=spec.get("holderIdentity") or "",
            seconds=spec.get("leaseDurationSeconds"),
            acquired=spec.get("acquireTime") or "",
            renewed=spec.get("renewTime") or "",
            transitions=spec.get("leaseTransitions") or 0,
        )

    @property
    def released(self) -> bool:
        """Whether its holder gave it up."""
        return not self.holder and self.seconds == RELEASED_SECONDS

    def body(self, namespace: str, name: str, version: str) -> Body:
        """The object to apply; with a resourceVersion, a Lease that changed meanwhile conflicts."""
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            "metadata": {
                "name": name,
                "namespace": namespace,
                **({"resourceVersion": version} if version else {}),
            },
            "spec": {
                "holderIdentity": self.holder,
                "leaseDurationSeconds": int(self.seconds or RELEASED_SECONDS),
                "acquireTime": self.acquired,
                "renewTime": self.renewed,
                "leaseTransitions": self.transitions,
            },
        }


def stamp(now: datetime) -> str:
    """A time as a Lease has it. For people only: nobody compares it with a clock."""
    return now.astimezone(UTC).strftime(MICROSECONDS)

"""What, apart from room, a decision and its candidates depend on, as it was when the status was last told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from stowage.api.inference_deployment_status import CandidateStatus, InferenceDeploymentStatus
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.placement_policy import PlacementPolicy
from stowage.cluster.reflector import Key
from stowage.placement.snapshot import Pool


@dataclass(frozen=True, slots=True)
class Ground:
    """All that reasons which last come from."""

    spec: tuple[str, int]
    """The uid and the generation."""
    policy: PlacementPolicy
    pools: tuple[Pool, ...]
    runtimes: tuple[InferenceRuntime, ...]
    rest: tuple[Any, ...]
    """Backoffs and built variants, whatever else is compared by value."""

    def same(self, other: Ground) -> bool:
        """Pools, runtimes and policies are the very same objects while nothing of them changes."""
        return (
            self.spec == other.spec
            and self.policy is other.policy
            and self.pools is other.pools
            and self.runtimes is other.runtimes
            and self.rest == other.rest
        )


@dataclass
class Grounds:
    """The last ones by object, and the candidates that were told on them."""

    _last: dict[Key, tuple[Ground, Sequence[CandidateStatus] | None]] = field(default_factory=dict)

    def same(self, key: Key, ground: Ground, status: InferenceDeploymentStatus | None) -> bool:
        """Whether the candidates in the status were told on this ground. From now on it is the one that the
        next are told on."""
        last, told = self._last.get(key, (ground, None))
        same = told is not None and status is not None and last.same(ground) and told == status.candidates
        self._last[key] = ground, told if same else None
        return same

    def told(self, key: Key, status: InferenceDeploymentStatus) -> None:
        """The candidates of a status were written, or found there."""
        ground, _ = self._last[key]
        self._last[key] = ground, status.candidates

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._last.pop(key, None)

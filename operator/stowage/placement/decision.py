"""What a decision is: placements, verdicts on all other candidates, an outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stowage.api.reasons import Code
from stowage.placement.candidates import Candidate
from stowage.placement.in_vain import InVain
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Placement


@dataclass(frozen=True, slots=True)
class Chosen:
    """A candidate and how many of its replicas have room."""

    candidate: Candidate
    replicas: int
    as_placed: Placement
    """The identity under which it runs: a current placement keeps its own."""
    meanwhile: bool = False
    """Whether it serves only while nodes of an earlier tier are being provisioned."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A candidate that was not chosen, and why. Total: every candidate has one or is chosen."""

    candidate: Candidate
    feasible: bool
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a demand is placed, why there, and why not elsewhere (the nearest first)."""

    placements: tuple[Chosen, ...]
    verdicts: Sequence[Verdict]
    """On all other candidates; made as far as somebody looks."""
    wanted: int
    outcome: Reason
    replaces: bool = False
    """Whether what serves must give way to what was chosen, one by one, since no spare device exists."""
    gives_way: frozenset[str] = frozenset()
    """Names of Deployments that failed and hold the only room there is: they go first."""
    waiting: int = 0
    """Of the replicas chosen, those that have no room at present."""
    limit: int | None = None
    """Replicas that the budget allows; None where none is set."""
    better: tuple[str, ...] = ()
    """Ids of candidates that the policy's ``moveBack`` would move to once they have been so for long enough,
    the best first. Empty where the policy has none."""

    in_vain: InVain | None = field(default=None, compare=False, repr=False)
    """What was looked for where there was no room for anything, and nothing serves."""
    fails: Callable[[Placement], tuple[Reason, ...] | None] | None = field(
        default=None, compare=False, repr=False
    )
    """The reasons of one candidate's verdict, room and backoffs aside and whatever its devices, without
    making all others. It gives None where there is no such candidate."""

    def needs(self) -> tuple[str, ...]:
        """Variants, by name, that aren't built and that some candidate needs against which nothing else
        stands but perhaps room: those worth building."""
        if self.wanted == 0:
            return ()
        found = {
            v.candidate.variant.name
            for v in self.verdicts
            if len(v.reasons) == 1 and v.reasons[0].code == Code.VARIANT_NOT_BUILT
        }
        return tuple(sorted(found))

    @property
    def placed(self) -> bool:
        return self.outcome.code in (Code.PLACED, Code.SCALED_TO_ZERO)

"""From what serves to what was decided: make before break."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stowage.placement.decision import Chosen, Decision
from stowage.placement.snapshot import Placement
from stowage.render.names import deployment_name


@dataclass(frozen=True, slots=True)
class Serving:
    """One of our Deployments as it is."""

    name: str
    placement: Placement
    replicas: int
    ready: int


@dataclass(frozen=True, slots=True)
class Transition:
    """What to do with Deployments. What is in neither list is left as it is and drains later."""

    apply: tuple[Chosen, ...]
    delete: tuple[str, ...]
    draining: tuple[str, ...]


def transition(decision: Decision, serving: Sequence[Serving]) -> Transition:
    """The next step towards the decision.

    What serves and isn't part of the decision goes once all that was decided is ready, and is as much
    as is wanted or as served before; where the decision replaces, it goes first; where nothing could be
    decided, it stays, and it isn't draining: it is what serves, and the next decision may keep it.
    What failed and holds its successor's devices goes first.
    """
    workload_names = {
        deployment_name(c.candidate.demand.workload, c.as_placed): c for c in decision.placements
    }
    others = tuple(s.name for s in serving if s.name not in workload_names)
    ready = {s.name: s.ready for s in serving}
    settled = all(ready.get(name, 0) >= c.replicas for name, c in workload_names.items())
    placed = sum(c.replicas for c in decision.placements)
    settled = settled and placed >= min(decision.wanted, sum(ready[name] for name in others))
    if decision.wanted == 0 or decision.replaces or (decision.placements and settled):
        return Transition(decision.placements, delete=others, draining=())
    if not decision.placements:
        return Transition((), delete=(), draining=())
    gone = tuple(name for name in others if name in decision.gives_way and not ready[name])
    return Transition(decision.placements, delete=gone, draining=tuple(n for n in others if n not in gone))

"""From what serves to what was decided: make before break, replica by replica."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
    """Pods that are ready and of the present template."""
    available: int | None = None
    """Pods that are ready, of whatever template; None: those of the present one are all."""
    observed: bool = True
    """Whether Kubernetes has seen the Deployment as we last wrote it; else the counts may be stale."""
    rolling: bool = False
    """Whether pods of an older template are there."""
    one_by_one: bool = False
    """Whether it rolls without a spare device: a pod goes before its successor comes."""

    @property
    def serves(self) -> int:
        """Pods that answer requests and that the Deployment still wants."""
        return min(self.replicas, self.ready if self.available is None else self.available)


@dataclass(frozen=True, slots=True)
class Transition:
    """What to do with Deployments. What is named nowhere is left as it is."""

    apply: tuple[Chosen, ...]
    delete: tuple[str, ...]
    draining: tuple[str, ...]
    """Those that serve only until their successors do, with as many replicas as ``shrink`` leaves them."""
    shrink: tuple[tuple[str, int], ...] = ()
    """Replicas that draining Deployments shall have, by name, where that is fewer than they have, or where
    one rolls without a spare device: what drains needn't roll to its end."""


def transition(decision: Decision, serving: Sequence[Serving]) -> Transition:
    """The next step towards the decision.

    What serves and isn't part of the decision loses a replica for each that serves beyond what is wanted,
    so that never fewer serve than did, or are wanted. Where it must give way, since no device is spare, it
    loses one for each that starts, as far as ``disruption`` allows. Where nothing could be decided, it
    stays, and it isn't draining: it is what serves, and the next decision may keep it.
    """
    live = {s.name: s for s in serving}
    chosen = {_name(c): c for c in decision.placements}
    old = [s for s in serving if s.name not in chosen]
    if decision.wanted == 0:
        return Transition(decision.placements, tuple(s.name for s in old), ())
    if not decision.placements:
        return Transition((), (), ())
    step = _Step(decision, live, old, _targets(decision, chosen, live))
    if all(s.observed for s in serving):
        step.shrink()
    else:
        step.hold()
    left = {s.name: step.left[s.name] for s in old}
    return Transition(
        tuple(replace(c, replicas=step.targets[n]) for n, c in chosen.items() if step.targets[n]),
        delete=tuple(name for name, count in left.items() if not count),
        draining=tuple(name for name, count in left.items() if count),
        shrink=tuple((n, c) for n, c in left.items() if c and (c < live[n].replicas or live[n].one_by_one)),
    )


def remaining(step: Transition, serving: Sequence[Serving]) -> tuple[Serving, ...]:
    """What is left of what serves once the step has been taken."""
    counts = {_name(c): c.replicas for c in step.apply} | dict(step.shrink)
    return tuple(
        replace(s, replicas=min(s.replicas, counts.get(s.name, s.replicas)))
        for s in serving
        if s.name not in step.delete
    )


def _name(chosen: Chosen) -> str:
    return deployment_name(chosen.candidate.demand.workload, chosen.as_placed)


def _targets(decision: Decision, chosen: Mapping[str, Chosen], live: Mapping[str, Serving]) -> dict[str, int]:
    """Replicas that each Deployment shall have. One for which others give way has none but those that
    were given it."""
    if decision.replaces and decision.waiting >= sum(c.replicas for c in chosen.values()):
        return {n: min(c.replicas, live[n].replicas if n in live else 0) for n, c in chosen.items()}
    return {n: c.replicas for n, c in chosen.items()}


class _Step:
    """Works out one step; ``targets`` and ``left`` are what it comes to."""

    def __init__(
        self,
        decision: Decision,
        live: Mapping[str, Serving],
        old: Sequence[Serving],
        targets: dict[str, int],
    ) -> None:
        self.targets = targets
        failed = {s.name for s in old if s.name in decision.gives_way and not s.serves}
        self.left = {s.name: 0 if s.name in failed else s.replicas for s in old}
        self._lost: dict[str, int] = {}
        self._decision = decision
        self._live = live
        self._old = sorted((s for s in old if s.name not in failed), key=lambda s: (s.serves, s.name))
        limit = decision.limit
        self._need = decision.wanted if limit is None else min(decision.wanted, limit)

    def shrink(self) -> None:
        """Takes away what may go."""
        # A roll without surge may take one more at any moment.
        rolls = any(s.one_by_one and s.rolling for s in self._live.values())
        serves = sum(s.serves for s in self._live.values()) - rolls
        self._shrink_rolling(max(0, serves - self._need))
        self._keep_parts(min(self._need, serves))
        if sum(self._new_serves(n) for n in self.targets) - rolls >= self._need:
            self.left = dict.fromkeys(self.left, 0)
            return
        spare = max(
            0, sum(self._new_serves(n) for n in self.targets) + self._old_serves() - rolls - self._need
        )
        for one in self._old:
            gone = min(spare, one.replicas)
            self.left[one.name] -= gone
            spare -= gone
        nothing_went = all(self.left[s.name] == s.replicas for s in self._old)
        if self._decision.replaces and nothing_went and not rolls:
            self._give_way()

    def hold(self) -> None:
        """Takes nothing away: what serves isn't known for sure."""
        rolls = any(s.rolling for s in self._live.values())
        if len(self._live) > 1 or rolls:
            for name in self.targets:
                self.targets[name] = max(self.targets[name], self._replicas(name))

    def _shrink_rolling(self, spare: int) -> None:
        """Takes no more replicas from what rolls than could serve and be spared: Kubernetes scales its
        ReplicaSets by their sizes, and each pod that goes may be one of those that serve."""
        for name in self.targets:
            fewer = self._replicas(name) - self.targets[name]
            if fewer > 0 and self._live[name].rolling:
                self._lost[name] = min(fewer, spare)
                self.targets[name] += fewer - self._lost[name]
                spare -= self._lost[name]

    def _replicas(self, name: str) -> int:
        return self._live[name].replicas if name in self._live else 0

    def _new_serves(self, name: str) -> int:
        if name not in self._live:
            return 0
        return min(self._live[name].serves - self._lost.get(name, 0), self.targets[name])

    def _old_serves(self) -> int:
        return sum(s.serves for s in self._old)

    def _keep_parts(self, floor: int) -> None:
        """Parts of a split shrink only as others serve."""
        for name in self.targets:
            lacking = floor - self._old_serves() - sum(self._new_serves(n) for n in self.targets)
            if lacking > 0 and self.targets[name] < self._replicas(name):
                self.targets[name] = min(self._replicas(name), self.targets[name] + lacking)

    def _give_way(self) -> None:
        """One replica goes, the next comes; not while another starts that has its room."""
        stuck = min(self._decision.waiting, sum(self.targets.values()))
        starting = sum(count - self._new_serves(name) for name, count in self.targets.items())
        if starting > stuck or not self._old:
            return
        places = {_place(c.as_placed) for c in self._decision.placements}
        victim = min(self._old, key=lambda s: (_place(s.placement) not in places, s.replicas == s.serves))
        if not self._may_go(victim):
            return
        self.left[victim.name] -= 1
        if not stuck:
            names = {_name(c): c for c in self._decision.placements}
            grows = min(names, key=lambda n: _place(names[n].as_placed) != _place(victim.placement))
            self.targets[grows] += 1

    def _may_go(self, victim: Serving) -> bool:
        """Whether the promise allows it. Of a Deployment's pods those that aren't ready go first."""
        disruption = self._decision.placements[0].candidate.demand.workload.spec.disruption
        serves = sum(s.serves for s in self._live.values())
        loses = 1 if victim.replicas == victim.serves else 0
        return disruption.when_full == "Replace" or not loses or serves - 1 >= disruption.min_available


def _place(placement: Placement) -> tuple[str, str]:
    return placement.pool, placement.accelerator_class

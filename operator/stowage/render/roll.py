"""How a Deployment rolls in place: with a pod more, or without a spare device one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stowage.api.inference_deployment import InferenceDeployment
from stowage.render.transition import Serving


@dataclass(frozen=True, slots=True)
class Roll:
    """A way to roll.

    With a pod more first, so that never fewer serve than are wanted; or, where no device is spare, with
    ``missing`` pods fewer: one that goes before its successor comes, and those that have no room anyway.
    """

    missing: int = 0
    blocked: bool = False
    """No device is spare, and none may go first: it waits."""


SURGE = Roll()
BLOCKED = Roll(blocked=True)


def roll(
    workload: InferenceDeployment,
    one: Serving,
    replicas: int,
    everything: Sequence[Serving],
    bound: int,
    room: int,
) -> Roll:
    """How a Deployment is to roll.

    Args:
        replicas: those that it shall have.
        everything: all Deployments of the object.
        bound: its pods that are on a node, those that are leaving included.
        room: replicas more for which the pool has room, or can be given it.
    """
    least = min(replicas, one.replicas)
    most = min(least, bound + room)
    one_by_one = Roll(1 + least - most) if _may_go(workload, one, most, everything) else None
    if not one.observed:
        return one_by_one if one.one_by_one and one_by_one else SURGE
    # Until the roll is over it stays so, since each pod that goes leaves a device spare for a moment.
    if not one.rolling or (not one.one_by_one and bound + room > one.replicas):
        return SURGE
    return one_by_one or BLOCKED


def _may_go(workload: InferenceDeployment, one: Serving, most: int, everything: Sequence[Serving]) -> bool:
    """Whether one may be missing of the ``most`` that can serve. One Deployment at a time."""
    others = [s for s in everything if s.name != one.name]
    if any(s.one_by_one and s.rolling for s in others):
        return False
    disruption = workload.spec.disruption
    if disruption.when_full == "Replace" or not one.serves:
        return True
    return sum(s.serves for s in others) + most - 1 >= disruption.min_available

"""The Pareto front of points in a plane, smaller being better on both axes."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]


def dominates(one: Point, other: Point) -> bool:
    """Whether ``one`` is as good on both axes and better on one."""
    return one[0] <= other[0] and one[1] <= other[1] and one != other


def dominators(points: Sequence[Point]) -> list[int | None]:
    """For each point what dominates it: the index of a point of the front, None where it is on the front.

    Of several the first by the points' own order is named, so the least on the first axis. Equal points
    are on the front together.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i], i))
    front: list[int] = []
    found: list[int | None] = [None] * len(points)
    for i in order:
        found[i] = next((f for f in front if dominates(points[f], points[i])), None)
        if found[i] is None:
            front.append(i)
    return found

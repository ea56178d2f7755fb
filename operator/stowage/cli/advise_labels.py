"""Where the labels of a plot go: beside their points, over nothing else. Lengths are in points."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

XY = tuple[float, float]

DIRECTIONS = tuple(
    sorted(range(-165, 181, 15), key=lambda a: (a % 30 != 0, abs(abs(a) - 90) != 90, abs(a), -a))
)
"""Degrees in which a label is tried, the first that is free wins: to the right as people read."""
DISTANCES = (7, 13, 20, 28, 37, 47, 58, 70, 84, 100)
FAR = (120, 145, 175, 210, 250)
"""Beyond those, for important labels."""
LEADER_FROM = 10
"""A label that is farther away gets a line to its point."""
MARGIN, GAP = 1.5, 2.0
"""Free around a label, and between it and its line."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle along the axes."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.bottom < other.top
            and other.bottom < self.top
        )

    def inside(self, other: Box) -> bool:
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.bottom >= other.bottom
            and self.top <= other.top
        )

    def crossed_by(self, start: XY, end: XY) -> bool:
        """Whether a straight line passes through (Liang and Barsky's clipping, 1984)."""
        first, last = 0.0, 1.0
        for origin, delta, low, high in (
            (start[0], end[0] - start[0], self.left, self.right),
            (start[1], end[1] - start[1], self.bottom, self.top),
        ):
            if delta == 0:
                if not low < origin < high:
                    return False
                continue
            near, far = sorted(((low - origin) / delta, (high - origin) / delta))
            first, last = max(first, near), min(last, far)
        return first < last


@dataclass(frozen=True, slots=True)
class Label:
    """A placed label: its lower left corner, and whether a line leads from it to its point."""

    corner: XY
    leader: XY | None
    """Where on the label the line begins."""


@dataclass
class Sheet:
    """A plot that labels are put on one after another; the important ones first."""

    bounds: Box
    points: Sequence[XY]
    lines: Sequence[tuple[XY, XY]] = ()
    """What no label may lie on beside the points."""
    radius: float = 4.5
    _taken: list[Box] = field(default_factory=list)
    _leaders: list[tuple[XY, XY]] = field(default_factory=list)

    def place(self, at: XY, width: float, height: float, *, important: bool = False) -> Label | None:
        """The nearest free place for the label of a point; None where there is none.

        Args:
            important: whether it may be far away and, where nothing else is free, on a line.
        """
        if not important:
            return self._place(at, width, height, DISTANCES, self.lines)
        far = (*DISTANCES, *FAR)
        return self._place(at, width, height, far, self.lines) or self._place(at, width, height, far, ())

    def _place(
        self,
        at: XY,
        width: float,
        height: float,
        distances: Sequence[float],
        lines: Sequence[tuple[XY, XY]],
    ) -> Label | None:
        for corner, leader in self._tries(at, width, height, distances):
            box = Box(
                corner[0] - MARGIN,
                corner[1] - MARGIN,
                corner[0] + width + MARGIN,
                corner[1] + height + MARGIN,
            )
            if self._free(box, at, leader, lines):
                self._taken.append(box)
                if leader is not None:
                    self._leaders.append((leader, at))
                return Label(corner, leader)
        return None

    def _tries(
        self, at: XY, width: float, height: float, distances: Sequence[float]
    ) -> Iterator[tuple[XY, XY | None]]:
        """Corners of labels whose side or corner that faces the point is so far away from it."""
        for distance in distances:
            for angle in DIRECTIONS:
                dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
                x, y = at[0] + distance * dx, at[1] + distance * dy
                left = x if dx > 0.1 else x - width if dx < -0.1 else x - width / 2
                bottom = y if dy > 0.6 else y - height if dy < -0.6 else y - height / 2
                leader = (min(max(at[0], left), left + width), min(max(at[1], bottom), bottom + height))
                gap = min(1.0, GAP / distance)
                begin = leader[0] + (at[0] - leader[0]) * gap, leader[1] + (at[1] - leader[1]) * gap
                yield (left, bottom), begin if distance > LEADER_FROM else None

    def _free(self, box: Box, at: XY, leader: XY | None, lines: Sequence[tuple[XY, XY]]) -> bool:
        if not box.inside(self.bounds) or any(box.meets(t) for t in self._taken):
            return False
        r = self.radius
        if any(box.meets(Box(x - r, y - r, x + r, y + r)) for x, y in self.points):
            return False
        if any(box.crossed_by(a, b) for a, b in (*lines, *self._leaders)):
            return False
        if leader is None:
            return True
        others = (Box(x - r, y - r, x + r, y + r) for x, y in self.points if (x, y) != at)
        return not any(b.crossed_by(leader, at) for b in (*self._taken, *others))

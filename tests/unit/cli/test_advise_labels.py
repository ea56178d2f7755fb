"""Labels of a plot lie on nothing else."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stowage.cli.advise_labels import Box, Label, Sheet

BOUNDS = Box(0, 0, 500, 300)
places = st.tuples(st.floats(10, 490), st.floats(10, 290))


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.tuples(places, st.floats(20, 140)), min_size=1, max_size=40))
def test_labels_meet_neither_each_other_nor_points_nor_lines(
    wanted: list[tuple[tuple[float, float], float]],
) -> None:
    points = [at for at, _ in wanted]
    lines = list(pairwise(sorted(points)[:3]))
    sheet = Sheet(BOUNDS, points, lines)
    boxes = []
    for at, width in wanted:
        found = sheet.place(at, width, 8)
        if found is not None:
            x, y = found.corner
            boxes.append(Box(x, y, x + width, y + 8))
    assert all(not a.meets(b) for a, b in combinations(boxes, 2))
    assert all(b.inside(BOUNDS) for b in boxes)
    assert all(not b.meets(Box(x, y, x, y)) for b in boxes for x, y in points)
    assert all(not b.crossed_by(*line) for b in boxes for line in lines)


def test_a_lone_point_has_its_label_at_its_right() -> None:
    assert Sheet(BOUNDS, [(100, 100)]).place((100, 100), 50, 8) == Label((107, 96), None)


def test_a_label_without_any_room_is_left_out() -> None:
    assert Sheet(Box(0, 0, 60, 10), [(30, 5)]).place((30, 5), 50, 8) is None


@pytest.mark.parametrize(
    ("start", "end", "crosses"),
    [
        ((0, 5), (20, 5), True),
        ((0, 0), (20, 20), True),
        ((5, 0), (5, 20), False),
        ((0, 12), (12, 30), False),
        ((11, 11), (12, 12), True),
    ],
)
def test_lines_that_pass_through_a_box(
    start: tuple[float, float], end: tuple[float, float], crosses: bool
) -> None:
    assert Box(10, 0, 15, 15).crossed_by(start, end) is crosses

"""Numbers as people read them."""

from __future__ import annotations

import pytest

from stowage.cli.advise_text import marked, money, number, seconds
from stowage.placement.figures import Figure


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00123, "0.00123"), (0.5, "0.5"), (99.96, "100"), (999.6, "1000"), (2186.4, "2186"), (3e12, "3e+12")],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "12.3 ms"), (0.9994, "999 ms"), (0.9996, "1 s"), (90, "90 s")]
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0123, "0.012"), (0.125, "0.12"), (12, "12.00")])
def test_money(value: float, text: str) -> None:
    assert money(value) == text


@pytest.mark.parametrize(
    ("figure", "text"),
    [
        (Figure(1, "s", "measured"), "1"),
        (Figure(1, "s", "estimated"), "~1"),
        (Figure(1, "s", "estimated", from_memory=True), "~1?"),
    ],
)
def test_what_a_figure_rests_on_is_marked(figure: Figure, text: str) -> None:
    assert marked("1", figure) == text

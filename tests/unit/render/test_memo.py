"""Answers are remembered by identity, and never mixed up."""

from __future__ import annotations

from stowage.render import memo
from stowage.render.memo import once


def test_an_object_is_asked_once() -> None:
    asked: list[list[int]] = []

    @once
    def total(numbers: list[int]) -> int:
        """Adds."""
        asked.append(numbers)
        return sum(numbers)

    one, equal = [1, 2], [1, 2]
    assert [total(one), total(one), total(equal)] == [3, 3, 3]
    assert len(asked) == 2, "equal is not the same"
    assert total.__doc__ == "Adds."


def test_an_identity_that_was_free_again_is_no_confusion() -> None:
    @once
    def said(one: list[int]) -> str:
        return str(one)

    for number in range(3 * memo.MOST):  # a list that nobody keeps would give its identity to the next
        assert said([number]) == f"[{number}]"

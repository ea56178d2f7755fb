"""Answers are remembered by identity, never mixed up, and not beyond their object's life."""

from __future__ import annotations

import gc
from weakref import ref

from stowage.render.memo import once


class Numbers(list[int]):
    """A list that can be referred to weakly."""


def test_an_object_is_asked_once() -> None:
    asked: list[Numbers] = []

    @once
    def total(numbers: Numbers) -> int:
        """Adds."""
        asked.append(numbers)
        return sum(numbers)

    one, equal = Numbers([1, 2]), Numbers([1, 2])
    assert [total(one), total(one), total(equal)] == [3, 3, 3]
    assert len(asked) == 2, "equal is not the same"
    assert total.__doc__ == "Adds."


def test_an_identity_that_was_free_again_is_no_confusion() -> None:
    @once
    def said(one: Numbers) -> str:
        return str(one)

    for number in range(10_000):  # nobody keeps it, so that its identity is the next one's
        assert said(Numbers([number])) == f"[{number}]"


def test_it_keeps_no_object_alive() -> None:
    @once
    def said(one: Numbers) -> str:
        return str(one)

    one = Numbers([1])
    watched = ref(one)
    assert said(one) == "[1]"
    del one
    gc.collect()
    assert watched() is None

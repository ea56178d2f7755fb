"""Backoffs: how long, how many, and when they are forgotten."""

from __future__ import annotations

import pytest

from stowage.api.reasons import Code
from stowage.placement.backoffs import (
    FORGET_SECONDS,
    MAX_BACKOFFS,
    Backoff,
    after_failure,
    in_force,
    pool_of,
    remember,
    variant_of,
)
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Placement

WHY = Reason(Code.CRASH_LOOP, "it crashed")
A, B = (Placement("v", "r", pool, "class", 2).id for pool in "ab")
NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 300), (2, 600), (3, 1200), (4, 2400), (5, 3600), (6, 3600), (1000, 3600)]
)
def test_it_doubles_up_to_an_hour(failures: int, seconds: float) -> None:
    before = [Backoff(A, WHY, NOW - 1, failures - 1)] if failures > 1 else []
    assert after_failure(before, A, WHY, 300, NOW) == (Backoff(A, WHY, NOW + seconds, failures),)


def test_a_candidate_that_did_well_for_an_hour_starts_anew() -> None:
    old = [Backoff(A, WHY, NOW - FORGET_SECONDS, 7)]
    assert remember(old, NOW - 1) == tuple(old)
    assert remember(old, NOW) == ()
    assert after_failure(old, A, WHY, 300, NOW) == (Backoff(A, WHY, NOW + 300, 1),)


def test_others_are_kept_and_of_too_many_those_that_end_last() -> None:
    many = [Backoff(f"v{i:02}/r/p/1", WHY, NOW + i) for i in range(MAX_BACKOFFS)]
    found = after_failure(many, A, WHY, 300, NOW)
    assert [b.candidate for b in found] == [A, *(b.candidate for b in many[1:])]


@pytest.mark.parametrize(
    ("until", "serving", "left_alone"),
    [
        (NOW + 1, (), True),
        (NOW, (), False),
        (NOW + 3600, (), True),
        (NOW + 8000, (), False),
        (NOW + 1, (A,), False),
        (NOW + 1, (B,), True),
    ],
    ids=["in force", "over", "the longest", "by a wrong clock", "it serves by now", "another serves"],
)
def test_in_force(until: float, serving: tuple[str, ...], left_alone: bool) -> None:
    found = in_force([Backoff(A, WHY, until)], NOW, serving)
    assert found == ({A: WHY} if left_alone else {})


def test_the_parts_of_an_id() -> None:
    assert (pool_of(A), variant_of(A)) == ("a", "v")

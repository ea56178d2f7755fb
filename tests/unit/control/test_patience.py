"""How soon a refused object is looked at again, on a clock that only the test moves."""

from __future__ import annotations

from stowage.control.patience import Patience

CHAT, OTHER = ("shop", "chat"), ("shop", "other")


def test_it_waits_as_long_again_within_bounds() -> None:
    now = 0.0
    patience = Patience(lambda: now)
    waits = []
    for _ in range(7):
        waits.append(patience.wait(CHAT))
        now += waits[-1]
    assert waits == [5.0, 5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert patience.wait(OTHER) == 5.0
    patience.forget(CHAT)
    assert patience.wait(CHAT) == 5.0


def test_edits_in_between_make_it_no_longer() -> None:
    now = 0.0
    patience = Patience(lambda: now)
    waits = []
    for _ in range(10):
        waits.append(patience.wait(CHAT))
        now += 0.5
    assert waits == [5.0] * 10

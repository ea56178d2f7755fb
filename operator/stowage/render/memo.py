"""What follows from an immutable object alone, computed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

Subject = TypeVar("Subject")
T = TypeVar("T")

MOST = 4096
"""Objects remembered by each function; some 100 bytes each beyond the objects, which somebody else keeps
anyway while they are asked for."""


def once(make: Callable[[Subject], T]) -> Callable[[Subject], T]:
    """Remembers by identity: comparing two specs would cost more than what is saved. An identity can't be
    another object's while the object is kept here, too."""
    known: dict[int, tuple[Subject, T]] = {}

    @wraps(make)
    def remembered(one: Subject) -> T:
        found = known.get(id(one))
        if found is None:
            if len(known) >= MOST:
                known.clear()
            found = known[id(one)] = one, make(one)
        return found[1]

    return remembered

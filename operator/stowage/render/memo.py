"""Remembers what is derived from an immutable object for as long as somebody keeps the object."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar
from weakref import ref

Subject = TypeVar("Subject")
T = TypeVar("T")


def once(make: Callable[[Subject], T]) -> Callable[[Subject], T]:
    """Remembers by identity: comparing two specs would cost more than what is saved. The objects are not kept
    alive by this; an identity can't be another object's before the entry of the first is gone."""
    known: dict[int, tuple[ref[Subject], T]] = {}

    @wraps(make)
    def remembered(one: Subject) -> T:
        number = id(one)
        found = known.get(number)
        if found is None:
            found = known[number] = ref(one, lambda _: known.pop(number, None)), make(one)
        return found[1]

    return remembered

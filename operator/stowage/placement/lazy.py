"""Sequences whose items are made when somebody looks at them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TypeVar, overload

T_co = TypeVar("T_co", covariant=True)


class Lazy(Sequence[T_co]):
    """An immutable sequence over what ``make`` yields, which is called at the first look, and once.

    Equal to any sequence of equal items. ``make`` must be pure, so that it doesn't matter when it is called.
    """

    __slots__ = ("_known", "_make", "_rest")

    def __init__(self, make: Callable[[], Iterable[T_co]]) -> None:
        self._make: Callable[[], Iterable[T_co]] | None = make
        self._known: list[T_co] = []
        self._rest: Iterator[T_co] | None = None

    def _reach(self, count: int | None) -> list[T_co]:
        """The items made so far, at least ``count`` of them where there are as many; None: all."""
        if self._make is not None:
            self._rest, self._make = iter(self._make()), None
        if self._rest is not None and (count is None or count > len(self._known)):
            more = None if count is None else count - len(self._known)
            self._known.extend(islice(self._rest, more))
            if count is None or len(self._known) < count:
                self._rest = None
        return self._known

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | Sequence[T_co]:
        if isinstance(index, slice):
            stop = index.stop
            bounded = isinstance(stop, int) and stop >= 0 and (index.start or 0) >= 0
            return tuple(self._reach(stop if bounded else None)[index])
        return self._reach(index + 1 if index >= 0 else None)[index]

    def __iter__(self) -> Iterator[T_co]:
        index = 0
        while len(self._reach(index + 1)) > index:
            yield self._known[index]
            index += 1

    def __len__(self) -> int:
        return len(self._reach(None))

    def __bool__(self) -> bool:
        return bool(self._reach(1))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(tuple(self))

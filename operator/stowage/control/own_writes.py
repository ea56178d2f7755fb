"""Telling what we wrote ourselves from what others did to the same object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key
from stowage.control.store import AnyStore, version_of

Changed = Callable[[str, Key], None]
"""Told the plural and the key of what changed."""


class OwnWrites:
    """Passes changes on, but for those that are the writes of whoever would be told.

    The watch often tells of a write before its answer has been read. So changes of an object that is being
    written wait for the answer; they are nobody's news where all there was is that very version.
    """

    def __init__(self, changed: Changed) -> None:
        self._changed = changed
        self._seen: dict[tuple[str, Key], tuple[AnyStore, list[int]]] = {}

    def changed(self, plural: str, key: Key) -> None:
        """Something changed: told at once, or after the write that is under way."""
        writing = self._seen.get((plural, key))
        if writing is None:
            self._changed(plural, key)
        else:
            store, seen = writing
            seen.append(store.version(key))

    @contextmanager
    def write(self, store: AnyStore, key: Key) -> Iterator[Callable[[Body], None]]:
        """The block writes the object, and calls what it gets with what was stored."""
        what = store.resource.plural, key
        stored: list[int] = []
        seen: list[int] = []
        self._seen[what] = store, seen

        def take(body: Body) -> None:
            stored.append(version_of(body))
            store.observe("MODIFIED", body)

        try:
            yield take
        finally:
            del self._seen[what]
            if set(seen) - set(stored):
                self._changed(*what)

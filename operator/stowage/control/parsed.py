"""One of our objects, parsed; or the sentence that says why it can't be."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from stowage.api.meta import API_VERSION, Resource
from stowage.api.parse import InvalidObject, parse
from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key, object_key
from stowage.control.shared import share

R = TypeVar("R", bound=Resource)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[R]):
    """An object as it came. Where its spec can't be understood, ``value`` has the last that could: a
    broken edit of a policy must not take away what it said before."""

    value: R | None
    error: str = ""
    generation: int = 0
    uid: str = ""
    deleting: bool = False
    resource_version: str = ""
    status: Body = field(default_factory=dict)
    """As it came; only of an object that was never understood."""


class Parser(Generic[R]):
    """Parses bodies of one kind leniently: a newer CRD may have fields that we don't know."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._last: dict[Key, R] = {}
        self._told: dict[Key, tuple[str, str]] = {}

    def __call__(self, body: Body) -> Parsed[R]:
        key, metadata = object_key(body), body["metadata"]
        read = {
            name: each for name, each in metadata.items() if name != "managedFields"
        }  # as large as the rest
        whole = {"apiVersion": API_VERSION, **body, "kind": self._kind, "metadata": read}
        if (spec := self._unchanged_spec(key, metadata)) is not None:
            whole["spec"] = spec
        common: dict[str, Any] = {
            "generation": metadata.get("generation", 0),
            "uid": metadata.get("uid", ""),
            "deleting": "deletionTimestamp" in metadata,
            "resource_version": metadata.get("resourceVersion", ""),
        }
        try:
            value = self._parse_readable(whole)
        except InvalidObject as error:
            last = self._with_last_spec(key, whole)
            self._tell(key, (common["uid"], str(error)))
            status = body.get("status") or {}
            return Parsed(last, str(error), **common, status=status if last is None else {})
        self._last[key] = value
        self._told.pop(key, None)
        return Parsed(value, **common)

    def forget(self, key: Key) -> None:
        """Drops what is remembered of a deleted object."""
        self._last.pop(key, None)
        self._told.pop(key, None)

    def _unchanged_spec(self, key: Key, metadata: Mapping[str, Any]) -> Any:
        """The spec as it was read before, where this is the same generation of the same object: most changes
        are of the status. It is neither read nor kept twice."""
        last, generation = self._last.get(key), metadata.get("generation", 0)
        if last is None or not generation:
            return None
        same = (last.metadata.uid, last.metadata.generation) == (metadata.get("uid", ""), generation)
        return _spec_of(last) if same else None

    def _tell(self, key: Key, found: tuple[str, str]) -> None:
        """Once for an object and what is wrong with it: it is read again and again."""
        if self._told.get(key) != found:
            self._told[key] = found
            _log.warning("%s; what it said before stays in force", found[1])

    def _with_last_spec(self, key: Key, body: Body) -> R | None:
        """The object as it is, its status and version above all, but for its spec."""
        last = self._last.get(key)
        if last is None or last.metadata.uid != body["metadata"].get("uid", ""):
            return None
        return self._parse_readable({**body, "spec": _spec_of(last)})

    def _parse_readable(self, body: Body) -> R:
        """The object; without its status where only that can't be understood, so that it is written anew."""
        try:
            return self._parse(body)
        except InvalidObject as error:
            try:
                return self._parse({name: each for name, each in body.items() if name != "status"})
            except InvalidObject:
                raise error from None

    @staticmethod
    def _parse(body: Body) -> R:
        value: R = parse(body, lenient=True)  # type: ignore[assignment]
        return share(value)


def _spec_of(one: Resource) -> Any:
    """All five kinds have one, each of its own type. In place of text it is taken as it is."""
    return one.spec  # type: ignore[attr-defined]

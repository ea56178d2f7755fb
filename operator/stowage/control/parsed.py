"""One of our objects, parsed; or the sentence that says why it can't be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from stowage.api.meta import API_VERSION, Resource
from stowage.api.parse import InvalidObject, parse
from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key, object_key

R = TypeVar("R", bound=Resource)


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

    def __call__(self, body: Body) -> Parsed[R]:
        key, metadata = object_key(body), body["metadata"]
        whole = {"apiVersion": API_VERSION, **body, "kind": self._kind}
        common: dict[str, Any] = {
            "generation": metadata.get("generation", 0),
            "uid": metadata.get("uid", ""),
            "deleting": "deletionTimestamp" in metadata,
            "resource_version": metadata.get("resourceVersion", ""),
        }
        try:
            value = self._parse(whole)
        except InvalidObject as error:
            last = self._with_last_spec(key, whole)
            status = body.get("status") or {}
            return Parsed(last, str(error), **common, status=status if last is None else {})
        self._last[key] = value
        return Parsed(value, **common)

    def forget(self, key: Key) -> None:
        """Drops what is remembered of a deleted object."""
        self._last.pop(key, None)

    def _with_last_spec(self, key: Key, body: Body) -> R | None:
        """The object as it is, its status and version above all, but for its spec."""
        last = self._last.get(key)
        if last is None or last.metadata.uid != body["metadata"].get("uid", ""):
            return None
        try:
            return self._parse({**body, "spec": last.to_wire()["spec"]})
        except InvalidObject:
            return last  # the status is broken too

    @staticmethod
    def _parse(body: Body) -> R:
        value: R = parse(body, lenient=True)  # type: ignore[assignment]
        return value

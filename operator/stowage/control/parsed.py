"""One of our objects, parsed; or the sentence that says why it can't be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from stowage.api.meta import API_VERSION, Resource
from stowage.api.parse import InvalidObject, parse
from stowage.cluster.ports import Body

R = TypeVar("R", bound=Resource)


@dataclass(frozen=True, slots=True)
class Parsed(Generic[R]):
    """An object as it came. ``value`` is the last that could be understood: a broken edit of a policy
    must not take away what it said before."""

    value: R | None
    error: str = ""
    generation: int = 0
    uid: str = ""
    deleting: bool = False
    resource_version: str = ""


class Parser(Generic[R]):
    """Parses bodies of one kind leniently: a newer CRD may have fields that we don't know."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._last: dict[tuple[str, str], R] = {}

    def __call__(self, body: Body) -> Parsed[R]:
        metadata = body["metadata"]
        key = metadata.get("namespace", ""), metadata["name"]
        common: dict[str, Any] = {
            "generation": metadata.get("generation", 0),
            "uid": metadata.get("uid", ""),
            "deleting": "deletionTimestamp" in metadata,
            "resource_version": metadata.get("resourceVersion", ""),
        }
        try:
            value: R = parse({"apiVersion": API_VERSION, **body, "kind": self._kind}, lenient=True)  # type: ignore[assignment]
        except InvalidObject as error:
            return Parsed(self._last.get(key), str(error), **common)
        self._last[key] = value
        return Parsed(value, **common)

    def forget(self, key: tuple[str, str]) -> None:
        """Drops what is remembered of a deleted object."""
        self._last.pop(key, None)

"""Reads objects: from files of a user, strictly, and from the API server, leniently."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stowage.api.crds import INVENTORY, object_schema
from stowage.api.meta import API_VERSION, Resource
from stowage.api.refusal import advice, path_of

KINDS: dict[str, type[Resource]] = {each.name: each.model for each in INVENTORY}
"""The five kinds by name."""


class InvalidObject(ValueError):
    """An object that can't be used. The message is one line that says what to write instead.

    The API server refuses the same objects; this is for files, and for what it stored under older rules.
    """

    def __init__(self, subject: str, problems: list[str]) -> None:
        self.subject = subject
        """Kind, namespace and name."""
        self.problems = problems
        """One sentence each, in the order of the fields."""
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(f"{subject}: {problems[0]}{more}")


def parse(manifest: Mapping[str, Any], *, lenient: bool = False) -> Resource:
    """The object that a manifest describes, of the model that its kind names.

    Types are strict, as the API server's are: "3" is no number. With `lenient`, unknown fields are
    left out: a newer CRD than this program may have more.

    Raises:
        InvalidObject: the manifest is none of ours, or something in it is wrong.
    """
    model = _model(manifest)
    try:
        return model.model_validate(_present(manifest), strict=True, extra="ignore" if lenient else None)
    except ValidationError as error:
        problems = [_sentence(model, each) for each in error.errors(include_url=False)]
        raise InvalidObject(_subject(manifest), problems) from None


def _present(value: Any) -> Any:
    """The manifest without nulls, which the API server takes for absent fields; templates leave many."""
    if isinstance(value, dict):
        return {
            key: each if type(each) in _PLAIN else _present(each)
            for key, each in value.items()
            if each is not None
        }
    if isinstance(value, list):
        return [each if type(each) in _PLAIN else _present(each) for each in value]
    return _present(dict(value)) if isinstance(value, Mapping) else value


_PLAIN = frozenset({str, int, bool, float})
"""Most of what there is."""


def _model(manifest: Mapping[str, Any]) -> type[Resource]:
    version, kind = manifest.get("apiVersion"), manifest.get("kind")
    if version != API_VERSION:
        raise InvalidObject(_subject(manifest), [f"apiVersion: found {version!r}; write {API_VERSION}"])
    if not isinstance(kind, str) or kind not in KINDS:
        close = get_close_matches(str(kind), KINDS, 1)
        hint = f"did you mean {close[0]}?" if close else f"write one of {', '.join(KINDS)}"
        raise InvalidObject(_subject(manifest), [f"kind: found {kind!r}; {hint}"])
    return KINDS[kind]


def _subject(manifest: Mapping[str, Any]) -> str:
    metadata = manifest.get("metadata")
    named = metadata if isinstance(metadata, Mapping) else {}
    parts = [str(named[key]) for key in ("namespace", "name") if named.get(key)]
    return " ".join([str(manifest.get("kind") or "object"), "/".join(parts) or "without a name"])


def _sentence(model: type[Resource], error: ErrorDetails) -> str:
    return f"{path_of(error)}: {advice(error, object_schema(model))}"

"""Says what to write instead of what Pydantic refused, in the words that the API server uses."""

from __future__ import annotations

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic_core import ErrorDetails

from stowage.api.types import Schema

LONGEST_SHOWN = 60
"""Characters of a refused value that are shown."""


def path_of(error: ErrorDetails) -> str:
    """The field to blame, as people write it: ``spec.variants[0].size``."""
    path = ""
    for step in (*error["loc"], *_rule_field(error)):
        if isinstance(step, int) or "." in step or "/" in step:
            path += f"[{step}]"
        elif step != "[key]":
            path += f".{step}"
    return path.removeprefix(".") or "the object"


def advice(error: ErrorDetails, schema: Schema) -> str:
    """What was found, and what would be right."""
    kind, found = error["type"], show(error["input"])
    # A key is refused by the rule of its map.
    location = error["loc"][:-2] if error["loc"][-1:] == ("[key]",) else error["loc"]
    field = _at(schema, location)
    context = error.get("ctx", {})
    match kind:
        case "rule":
            return str(context["message"])
        case "missing":
            return f"missing; {_what_is_missing(str(error['loc'][-1]), _at(schema, error['loc'][:-1]))}"
        case "extra_forbidden":
            return f"unknown field; {_known_fields(str(error['loc'][-1]), _at(schema, error['loc'][:-1]))}"
        case _:
            return f"found {found}; {_instead(kind, field, context, error)}"


def show(value: object) -> str:
    """A refused value in a few words."""
    if isinstance(value, Mapping):
        return "an object"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 4]}..."


def describe(field: Schema) -> str:
    """The first sentence of a field's description, to stand inside another sentence."""
    return str(field.get("description", "")).split("\n", 1)[0].split(". ", 1)[0].rstrip(".")


def _rule_field(error: ErrorDetails) -> list[str]:
    """Rules over several fields name the one to blame, relative to the object that they stand in."""
    field = error.get("ctx", {}).get("field", "") if error["type"] == "rule" else ""
    return field.split(".") if field else []


def _at(schema: Schema, location: tuple[int | str, ...]) -> Schema:
    """The schema of a field; empty where there is none."""
    for step in location:
        if isinstance(step, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(step) or schema.get("additionalProperties", {})
    return schema


def _what_is_missing(name: str, parent: Schema) -> str:
    for each in parent.get("x-kubernetes-validations", []):
        if each.get("fieldPath") == f".{name}":
            return str(each["message"])
    meaning = describe(parent.get("properties", {}).get(name, {}))
    return f"write it: {meaning[:1].lower()}{meaning[1:]}" if meaning else "write it"


def _known_fields(name: str, parent: Schema) -> str:
    known = list(parent.get("properties", {}))
    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else f"write one of {', '.join(known)}"


def _instead(kind: str, field: Schema, context: Mapping[str, Any], error: ErrorDetails) -> str:
    rules = field.get("x-kubernetes-validations", [])
    simple = {
        "int_type": "write a whole number, without quotes",
        "bool_type": "write true or false, without quotes",
        "list_type": "write a list",
        "model_type": f"write an object with the fields {', '.join(field.get('properties', {}))}",
        "dict_type": "write an object",
        "greater_than_equal": f"write {context.get('ge')} or more",
        "less_than_equal": f"write {context.get('le')} or less",
        "string_too_long": f"write at most {context.get('max_length')} characters",
        "too_long": f"write at most {context.get('max_length')} entries",
        "too_short": f"write at least {context.get('min_length')} entries",
        "string_too_short": "write some text",
        "literal_error": f"write one of {', '.join(map(str, field.get('enum', [])))}",
    }
    if kind in simple:
        return simple[kind]
    if rules:
        return str(rules[0]["message"])
    if kind == "string_type":
        return "write text" if isinstance(error["input"], list | dict) else "write it in quotes"
    return error["msg"].removeprefix("Value error, ")

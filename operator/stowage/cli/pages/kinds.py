"""A page for each kind: every field of spec and status, as the API server knows it."""

from __future__ import annotations

import json
from collections.abc import Iterator

from pydantic import TypeAdapter

from stowage.api import pod_text, types
from stowage.api.crds import Column, Kind, object_schema
from stowage.api.meta import API_VERSION
from stowage.api.types import Schema
from stowage.cli.pages.markdown import code, escape, link, page, table, target

SCALARS = {
    "quantity": types.Quantity,
    "duration": types.Duration,
    "decimal": types.Amount,
    "fraction": types.Fraction,
    "count or share": types.CountOrShare,
    "name": types.Name,
    "label key": types.LabelKey,
    "label value": types.LabelValue,
    "argument": pod_text.GivenArgument,
    "variable pattern": pod_text.VariableGlob,
}
"""Kinds of text that many fields have: explained once a page."""


def _messages(schema: Schema) -> list[str]:
    return [each["message"] for each in schema.get("x-kubernetes-validations", [])]


def _scalar_schemas() -> dict[str, Schema]:
    return {name: TypeAdapter(each).json_schema() for name, each in SCALARS.items()}


NAMED = _scalar_schemas()
KEYS_MESSAGE = types.LABEL_KEYS["message"]
FIELDS = ("Field", "Type", "Default", "Meaning")


def kind_page(kind: Kind) -> str:
    """The page of one kind."""
    schema = object_schema(kind.model)
    roots = [
        (part, schema["properties"][part]) for part in ("spec", "status") if part in schema["properties"]
    ]
    sections = [section for path, root in roots for section in _objects(path, root)]
    lines = [
        *_paragraphs(schema),
        *_facts(kind),
        *_name_rules(schema),
        "## Fields",
        "",
        *(f"{'  ' * path.count('.')}- {link(code(path), path)}" for path, _ in sections),
        "",
    ]
    for path, section in sections:
        lines += _section(path, section)
    return page(kind.name, [*lines, *_columns(kind.columns), *_texts(roots)])


def _facts(kind: Kind) -> list[str]:
    subresources = ", ".join(code(each) for each in kind.subresources)
    return table(
        ("", ""),
        [
            ("apiVersion", code(API_VERSION)),
            ("scope", "in a namespace" if kind.scope == "Namespaced" else "the whole cluster"),
            ("kubectl", f"{code(kind.plural)}, {code(kind.short)}"),
            *([("subresources", subresources)] if subresources else []),
        ],
    )


def _name_rules(schema: Schema) -> list[str]:
    """What is asked of metadata.name; the rules stand beside the whole object."""
    return [f"{code('metadata.name')}: {escape(each)}.\n" for each in _messages(schema)]


def _objects(path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
    """The object and all objects in it, each after the one that it is in."""
    yield path, schema
    for name, field in schema["properties"].items():
        below = _nested(f"{path}.{name}", field)
        if below is not None:
            yield from _objects(*below)


def _nested(path: str, schema: Schema) -> tuple[str, Schema] | None:
    """The object that a field holds, or holds a list of."""
    if schema.get("type") == "array":
        return _nested(f"{path}[]", schema["items"])
    return (path, schema) if "properties" in schema else None


def _section(path: str, schema: Schema) -> list[str]:
    required = schema.get("required", [])
    rules = [_rule(each) for each in schema.get("x-kubernetes-validations", [])]
    return [
        target(path),
        "",
        f"### {code(path)}",
        "",
        *_paragraphs(schema),
        *(["The API server refuses what breaks a rule, and says:", "", *rules, ""] if rules else []),
        *table(
            FIELDS,
            (_row(f"{path}.{name}", name, field, name in required) for name, field in _fields(schema)),
        ),
    ]


def _fields(schema: Schema) -> list[tuple[str, Schema]]:
    """Required fields first, each group in the order of the model."""
    required = schema.get("required", [])
    return sorted(schema["properties"].items(), key=lambda item: item[0] not in required)


def _paragraphs(schema: Schema) -> list[str]:
    return [escape(each) + "\n" for each in str(schema.get("description", "")).split("\n\n") if each]


def _rule(rule: Schema) -> str:
    field = str(rule.get("fieldPath", "")).removeprefix(".")
    return f"- {code(field) + ': ' if field else ''}{escape(rule['message'])}."


def _row(path: str, name: str, schema: Schema, required: bool) -> tuple[str, ...]:
    """A field's line. Where it holds objects, their section is the place that links lead to."""
    below = _nested(path, schema)
    shown = code(name) if below is not None else f"{target(path)}{code(name)}"
    meaning = " ".join(escape(each) for each in str(schema.get("description", "")).split("\n\n"))
    own = [] if below is not None or _named(schema) else [m for m in _messages(schema) if m != KEYS_MESSAGE]
    rules = "".join(f" Rule: {escape(each)}." for each in own)
    return shown, type_text(path, schema), _default(schema, required), meaning + rules


def _default(schema: Schema, required: bool) -> str:
    if required:
        return "required"
    value = schema.get("default")
    if value is None or value == {}:
        return ""
    return code(value if isinstance(value, str) and value else json.dumps(value))


def _named(schema: Schema) -> str | None:
    """The kind of text that the schema is, where it is one of those explained below."""
    for name, each in NAMED.items():
        if _messages(schema) == _messages(each) and schema.get("maxLength") == each.get("maxLength"):
            return name
    return None


def _text(name: str) -> str:
    """The anchor of a kind of text."""
    return f"text-{name.replace(' ', '-')}"


def type_text(path: str, schema: Schema) -> str:
    """A field's type with its bounds, in words, with links to what it holds."""
    name = _named(schema)
    if name is not None:
        return link(name, _text(name))
    if "enum" in schema:
        choices = ", ".join(code(each) for each in schema["enum"])
        return f"one of {choices}" if len(schema["enum"]) > 1 else choices
    match schema["type"]:
        case "array":
            keys = " and ".join(code(each) for each in schema.get("x-kubernetes-list-map-keys", []))
            unique = f", each {keys} once" if keys else ""
            each = _plural(type_text(f"{path}[]", schema["items"]))
            return f"list of {_entries(schema, 'Items')}{unique}: {each}"
        case "object" if "additionalProperties" in schema:
            values = type_text(f"{path}{{}}", schema["additionalProperties"])
            key = link("label key", _text("label key")) if KEYS_MESSAGE in _messages(schema) else "text"
            return f"map of {_entries(schema, 'Properties')}: {key} to {values}"
        case "object":
            return link("object", path)
        case "integer":
            return _integer(schema)
        case "string" if schema.get("format") == "date-time":
            return "time"
        case "string":
            return f"text of {_entries(schema, 'Length', 'characters')}"
    return str(schema["type"])


def _plural(text: str) -> str:
    return text.replace("[object]", "[objects]") if text.startswith("[object]") else text


def _entries(schema: Schema, what: str, unit: str = "") -> str:
    least, most = schema.get(f"min{what}"), schema[f"max{what}"]
    return f"{f'{least} to {most}' if least else f'at most {most}'}{f' {unit}' if unit else ''}"


def _integer(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is None and most is None:
        return "integer"
    return f"integer, {least} to {most}" if most is not None else f"integer, {least} or more"


def _columns(columns: tuple[Column, ...]) -> list[str]:
    rows = [(each.name, code(each.path), code("-o wide") if each.priority else "") for each in columns]
    return ["## Columns of kubectl get", "", *table(("Column", "From", "Shown with"), rows)]


def _texts(roots: list[tuple[str, Schema]]) -> list[str]:
    """What the kinds of text are that the page's fields have."""
    used = {name for path, root in roots for name in _used(root)}
    rows = []
    for name, schema in NAMED.items():
        if name in used:
            shown = f"{target(_text(name))}{name}"
            rows.append((shown, f"at most {schema['maxLength']}", f"{escape(_messages(schema)[0])}."))
    return ["## Kinds of text", "", *table(("Text", "Characters", "Rule"), rows)] if rows else []


def _used(schema: Schema) -> Iterator[str]:
    name = _named(schema)
    if name is not None:
        yield name
    if KEYS_MESSAGE in _messages(schema):
        yield "label key"
    for each in schema.get("properties", {}).values():
        yield from _used(each)
    for key in ("items", "additionalProperties"):
        if key in schema:
            yield from _used(schema[key])

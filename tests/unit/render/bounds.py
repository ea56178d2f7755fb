"""Where a status isn't what the CustomResourceDefinition allows, as the API server would say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stowage.api.crds import object_schema
from stowage.api.inference_deployment import InferenceDeployment

SCHEMA: Mapping[str, Any] = object_schema(InferenceDeployment)["properties"]["status"]
KINDS = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict}


def breaches(value: Any, schema: Mapping[str, Any], path: str = "status") -> Iterator[str]:
    """Where a value isn't what a structural schema allows: types, bounds, enums, keys, unknown fields."""
    kind = schema.get("type")
    if kind and (not isinstance(value, KINDS[kind]) or (kind == "integer" and isinstance(value, bool))):
        yield f"{path}: not {kind}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: {value!r}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{path}: {len(value)} characters"
    if isinstance(value, int) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: {value}"
    if isinstance(value, list):
        yield from _in_list(value, schema, path)
    if isinstance(value, dict):
        yield from _in_object(value, schema, path)


def _in_list(value: list[Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{path}: {len(value)} items"
    names = schema.get("x-kubernetes-list-map-keys", [])
    keys = [tuple(each[name] for name in names) for each in value]
    if names and len(set(keys)) != len(keys):
        yield f"{path}: a key is there twice"
    for number, each in enumerate(value):
        yield from breaches(each, schema["items"], f"{path}[{number}]")


def _in_object(value: dict[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
    yield from (f"{path}: no {name}" for name in schema.get("required", ()) if name not in value)
    for name, each in value.items():
        if name not in schema["properties"]:
            yield f"{path}: {name}"
        else:
            yield from breaches(each, schema["properties"][name], f"{path}.{name}")

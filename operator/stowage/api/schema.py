"""Turns a model into the OpenAPI v3 schema that a CustomResourceDefinition may hold.

Such a schema is *structural*: every value has its type, nothing is referred to, and unknown fields are
pruned by the API server rather than refused. Source:
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

from __future__ import annotations

from collections.abc import Mapping

from stowage.api.meta import Model
from stowage.api.types import Schema

MAX_INT32 = 2**31 - 1
MAX_EXACT = 2**53
"""Bounds travel as JSON numbers, which most readers keep as doubles; beyond this they aren't exact."""

_DROPPED = frozenset({"$defs", "title", "propertyNames", "const", "anyOf", "additionalProperties", "items"})
_ORDER = (
    "description", "type", "format", "enum", "default",
    "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems",
    "minProperties", "maxProperties",
    "anyOf", "items", "additionalProperties", "required", "properties",
    "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type", "x-kubernetes-validations",
)  # fmt: skip
"""The keywords that may be written, in the order in which people read them."""


def structural_schema(model: type[Model]) -> Schema:
    """The schema of a model, the same for every call.

    Raises:
        ValueError: the model uses something that a structural schema can't say, such as a float.
    """
    raw = model.model_json_schema(by_alias=True)
    return _Converter(raw.get("$defs", {})).convert(raw, where=model.__name__)


class _Converter:
    """Converts nested schemas; holds the definitions that references point into."""

    def __init__(self, definitions: Mapping[str, Schema]) -> None:
        self._definitions = definitions

    def convert(self, schema: Schema, where: str) -> Schema:
        schema = self._inline(schema)
        result = {key: value for key, value in schema.items() if key not in _DROPPED}
        if "description" in schema:
            result["description"] = _paragraphs(schema["description"])
        if "const" in schema:
            result["enum"] = [schema["const"]]
        self._convert_children(schema, result, where)
        if schema.get("type") == "integer":
            _bound_integer(result)
        if schema.get("type") == "array":
            result.setdefault("x-kubernetes-list-type", "atomic")
        return _ordered(result, where)

    def _inline(self, schema: Schema) -> Schema:
        """Replace a reference, and ``X | None``, by what is meant. What stands beside them wins."""
        while True:
            beside = {key: value for key, value in schema.items() if key not in ("$ref", "anyOf")}
            if "$ref" in schema:
                schema = {**self._definitions[schema["$ref"].rsplit("/", 1)[-1]], **beside}
            elif (only := _not_null(schema)) is not None:
                schema = {**only, **beside}
            else:
                return schema

    def _convert_children(self, schema: Schema, result: Schema, where: str) -> None:
        if "anyOf" in schema:
            result["anyOf"] = [dict(each) for each in schema["anyOf"]]
        if "items" in schema:
            result["items"] = self.convert(schema["items"], f"{where}[]")
        if isinstance(values := schema.get("additionalProperties"), dict):
            result["additionalProperties"] = self.convert(values, f"{where}{{}}")
        if "properties" in schema:
            required = schema.get("required", [])
            result["properties"] = {
                name: self._field(each, f"{where}.{name}", required=name in required)
                for name, each in schema["properties"].items()
            }

    def _field(self, schema: Schema, where: str, *, required: bool) -> Schema:
        result = self.convert(schema, where)
        if "default" not in schema:
            # Absent and not required means a default_factory: the object is there, made of defaults.
            if not required and _has_defaults(result):
                result["default"] = {}
        elif schema["default"] is None or (schema["default"] in ([], {}) and not required):
            del result["default"]
        return _ordered(result, where)


def _not_null(schema: Schema) -> Schema | None:
    """The one alternative beside null, if that is what the schema says."""
    choices: list[Schema] = schema.get("anyOf", [])
    rest = [each for each in choices if each != {"type": "null"}]
    return rest[0] if len(rest) == 1 else None


def _has_defaults(schema: Schema) -> bool:
    """Whether an empty object would be filled with anything."""
    return any("default" in each for each in schema.get("properties", {}).values())


def _bound_integer(schema: Schema) -> None:
    """Set the format that holds every allowed value, and drop bounds that JSON can't carry."""
    fits = schema.get("maximum", MAX_EXACT) <= MAX_INT32
    schema.setdefault("format", "int32" if fits else "int64")
    for key in ("minimum", "maximum"):
        if abs(schema.get(key, 0)) > MAX_EXACT:
            del schema[key]


def _ordered(schema: Schema, where: str) -> Schema:
    """The schema with its keywords in order. An unknown one is an error: left out, a check is lost."""
    unknown = sorted(set(schema) - set(_ORDER))
    if unknown or schema.get("type") == "number":
        raise ValueError(f"{where}: a structural schema of ours has no {', '.join(unknown) or 'number'}")
    return {key: schema[key] for key in _ORDER if key in schema}


def _paragraphs(docstring: str) -> str:
    """A docstring without its line breaks; an empty line stays one."""
    return "\n\n".join(" ".join(part.split()) for part in docstring.split("\n\n"))

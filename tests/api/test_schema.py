"""The conversion of models, construct by construct."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from stowage.api.meta import Labels, Model, Rule
from stowage.api.schema import structural_schema


class Inner(Model):
    """What the model says."""

    size: Annotated[int, Field(ge=1, le=8)] = 2
    """Its size."""


class Plain(Model):
    """Has no defaults inside."""

    note: Annotated[str, Field(max_length=8)] | None = None
    """A note."""


class Sample(Model):
    """A model.

    With a second paragraph
    of two lines.
    """

    described: Inner
    """What the field says."""
    undescribed: Annotated[Inner, Field(description=None)]
    optional: Inner | None = None
    """May be absent."""
    filled: Inner = Field(default_factory=Inner)
    """Made of defaults."""
    empty: Plain = Field(default_factory=Plain)
    """Made of nothing."""
    constant: Literal["only"] = "only"
    """One value."""
    many: Annotated[list[Inner], Field(max_length=4)] = Field(default=[])
    """A list."""
    few: Annotated[list[Literal["a", "b"]], Field(max_length=2)] = Field(default=["a"])
    """A list with a default."""
    labels: Labels = Field(default={})
    """A map."""
    large: Annotated[int, Field(ge=0, le=9_000_000_000_000_000_000)] = 0
    """Beyond what JSON carries exactly."""
    count: Annotated[int, Field(le=2**31)] = 0
    """Beyond 32 bits."""

    rules = (Rule("self.count > 0", "write more", field="count"),)


SCHEMA = structural_schema(Sample)
FIELDS = SCHEMA["properties"]
INNER = {
    "type": "object",
    "properties": {
        "size": {
            "description": "Its size.", "type": "integer", "format": "int32",
            "default": 2, "minimum": 1, "maximum": 8,
        }
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("described", {"description": "What the field says.", **INNER}),
        ("undescribed", {"description": "What the model says.", **INNER}),
        ("optional", {"description": "May be absent.", **INNER}),
        ("filled", {"description": "Made of defaults.", **INNER, "default": {}}),
        (
            "empty",
            {
                "description": "Made of nothing.",
                "type": "object",
                "properties": {"note": {"description": "A note.", "type": "string", "maxLength": 8}},
            },
        ),
        ("constant", {"description": "One value.", "type": "string", "enum": ["only"], "default": "only"}),
        (
            "many",
            {
                "description": "A list.",
                "type": "array",
                "maxItems": 4,
                "items": {"description": "What the model says.", **INNER},
                "x-kubernetes-list-type": "atomic",
            },
        ),
        (
            "few",
            {
                "description": "A list with a default.",
                "type": "array",
                "default": ["a"],
                "maxItems": 2,
                "items": {"type": "string", "enum": ["a", "b"]},
                "x-kubernetes-list-type": "atomic",
            },
        ),
        (
            "large",
            {
                "description": "Beyond what JSON carries exactly.",
                "type": "integer",
                "format": "int64",
                "default": 0,
                "minimum": 0,
            },
        ),
        (
            "count",
            {
                "description": "Beyond 32 bits.",
                "type": "integer",
                "format": "int64",
                "default": 0,
                "maximum": 2**31,
            },
        ),
    ],
)
def test_field(field: str, expected: dict[str, Any]) -> None:
    assert FIELDS[field] == expected


def test_map_keeps_its_values_and_its_bound() -> None:
    labels = FIELDS["labels"]
    assert labels["maxProperties"] == 64
    assert labels["additionalProperties"]["type"] == "string"
    assert labels["additionalProperties"]["x-kubernetes-validations"]
    assert "default" not in labels


def test_object() -> None:
    assert SCHEMA["description"] == "A model.\n\nWith a second paragraph of two lines."
    assert SCHEMA["required"] == ["described", "undescribed"]
    assert SCHEMA["x-kubernetes-validations"] == [
        {"rule": "self.count > 0", "message": "write more", "fieldPath": ".count"}
    ]
    assert "additionalProperties" not in SCHEMA


def test_order_of_keywords_is_fixed() -> None:
    assert list(SCHEMA) == ["description", "type", "required", "properties", "x-kubernetes-validations"]
    assert list(FIELDS["filled"]) == ["description", "type", "default", "properties"]
    assert structural_schema(Sample) == SCHEMA


class Floating(Model):
    """Has a float."""

    price: float = 0
    """A price."""


class Exclusive(Model):
    """Has a keyword that structural schemas write in another way."""

    count: Annotated[int, Field(gt=0)] = 1
    """A count."""


@pytest.mark.parametrize(
    ("model", "said"), [(Floating, r"Floating\.price: .* no number"), (Exclusive, "no exclusiveMinimum")]
)
def test_what_cannot_be_said_is_an_error(model: type[Model], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        structural_schema(model)

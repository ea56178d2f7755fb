"""What every kind shares: the base model, object metadata, conditions, label selectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError

from stowage.api.types import LABEL_KEYS, LabelKey, LabelValue, LongText, rule

GROUP = "stowage.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "stowage"
"""The name under which server-side apply records what is ours, and our label's value."""

Labels = Annotated[
    dict[LabelKey, LabelValue],
    Field(max_length=64, json_schema_extra={"x-kubernetes-validations": [LABEL_KEYS]}),
]


@dataclass(frozen=True)
class Rule:
    """A rule over several fields, said once for the API server and once for ``stowage plan``."""

    cel: str
    """What must hold, in CEL; ``self`` is the object that the rule stands in."""
    message: str
    """What to write instead."""
    holds: Callable[[Any], bool] | None = None
    """The same in Python. None where only the API server can know: what the object was before."""
    field: str = ""
    """The field to blame, dotted camelCase within the object; empty: the object."""

    def schema(self) -> dict[str, str]:
        """The entry of ``x-kubernetes-validations``."""
        return rule(self.cel, self.message, **({"fieldPath": f".{self.field}"} if self.field else {}))


class Model(BaseModel):
    """Base of every API type: camelCase outside, immutable, no unknown fields.

    Unknown fields are an error here so that ``stowage plan`` finds typing mistakes in files; what
    comes from the API server is parsed with ``extra="ignore"``, since a newer CRD may have more.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()
    """What must hold beyond the fields' own types."""

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for each in self.rules:
            if each.holds is not None and not each.holds(self):
                raise PydanticCustomError("rule", "{message}", {"message": each.message, "field": each.field})
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.rules:
            schema["x-kubernetes-validations"] = [each.schema() for each in cls.rules]
        return schema

    def to_wire(self) -> dict[str, Any]:
        """The object as the API server stores it: camelCase, absent fields left out."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


class ObjectMeta(Model):
    """The part of a Kubernetes object's metadata that Stowage reads."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str = ""
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: str = ""
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)


class Resource(Model):
    """Base of the five kinds."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "size(self.metadata.name) <= 63",
            "write a name of at most 63 characters, since labels and status hold it",
            lambda self: len(self.metadata.name) <= 63,
            field="metadata.name",
        ),
    )

    api_version: str = API_VERSION
    kind: str
    metadata: ObjectMeta

    @property
    def name(self) -> str:
        return self.metadata.name


class Condition(Model):
    """One aspect of the object's state, as metav1.Condition."""

    type: Annotated[str, Field(max_length=63)]
    """Ready, Placed, Reconciling or Stalled."""
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    reason: Annotated[str, Field(max_length=63)]
    """A documented constant: why the condition has this status."""
    message: Annotated[str, Field(max_length=1024)] = ""
    """The same for people, in a sentence with numbers."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"}, max_length=32)]
    """When the status last changed."""
    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    """The generation of the spec that this condition speaks of."""


Conditions = Annotated[
    list[Condition],
    Field(
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
"""The conditions of an object, one of each type."""


class LabelSelectorRequirement(Model):
    """One requirement on a label, as metav1.LabelSelectorRequirement."""

    key: LabelKey
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"]
    """How the key relates to the values."""
    # Plain text: a rule on each of so many, times variants, would take the whole CEL budget.
    values: Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=64)] = []
    """The values for In and NotIn; empty for Exists and DoesNotExist."""

    rules = (
        Rule(
            "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0"
            " : !has(self.values) || size(self.values) == 0",
            "give values for In and NotIn, and none for Exists and DoesNotExist",
            lambda self: (self.operator in ("In", "NotIn")) == bool(self.values),
        ),
    )


class LabelSelector(Model):
    """A selector over labels, as metav1.LabelSelector. An empty one selects everything."""

    match_labels: Labels = {}
    """Labels that must be there with exactly these values."""
    match_expressions: Annotated[list[LabelSelectorRequirement], Field(max_length=16)] = []
    """Requirements that must all hold."""


Message = LongText

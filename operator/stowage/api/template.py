"""What application teams may add to the pods: a closed list."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stowage.api.meta import Labels, Model, Rule
from stowage.api.pod_text import GivenArgument, SecretKey, VariableName
from stowage.api.reserved import (
    ALLOWED_KEYS,
    KEY_PATTERN,
    VARIABLE_PATTERN,
    is_reserved_key,
    is_reserved_variable,
)
from stowage.api.types import (
    LABEL_KEYS,
    Count,
    LabelKey,
    Name,
    Quantity,
)


class SecretKeyReference(Model):
    """A key of a Secret in the same namespace."""

    name: Name
    """The Secret's name."""
    key: SecretKey
    """The key in it."""


class EnvironmentVariable(Model):
    """An environment variable of the model server."""

    name: VariableName
    """The variable's name. Those that choose devices or load code are refused, and so are those that the
    runtime reserves."""
    value: Annotated[str, Field(max_length=1024)] | None = None
    """A plain value."""
    secret: SecretKeyReference | None = None
    """A value from a Secret of the namespace."""

    rules = (
        Rule(
            "has(self.value) != has(self.secret)",
            "give either value or secret",
            lambda self: (self.value is None) != (self.secret is None),
        ),
        Rule(
            f"!self.name.upperAscii().matches('{VARIABLE_PATTERN}')",
            "write other variables: this one would choose devices or load code, which are the placement's "
            "and the image's business",
            lambda self: not is_reserved_variable(self.name),
            field="name",
        ),
    )


class HostResources(Model):
    """What one replica needs of its node, the accelerator aside. Absent: derived from its size."""

    cpu: Quantity | None = None
    """CPU cores."""
    memory: Quantity | None = None
    """Host memory."""
    ephemeral_storage: Quantity | None = None
    """Local storage."""


class TopologySpread(Model):
    """Spreads the pods of one placement over a topology; the label selector is Stowage's."""

    topology_key: LabelKey
    """A node label, such as topology.kubernetes.io/zone."""
    max_skew: Count = 1
    """The largest difference between two domains."""
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = "ScheduleAnyway"
    """What the scheduler does when it can't spread."""


class LocalReference(Model):
    """An object of the same namespace."""

    name: Name
    """Its name."""


def _own_keys(field: str) -> Rule:
    allowed = ", ".join(f"'{key}'" for key in ALLOWED_KEYS)
    return Rule(
        f"!has(self.{field}) || self.{field}.all(key, key in [{allowed}] || !key.matches('{KEY_PATTERN}'))",
        "write keys of your own, such as team or example.com/team: those of Kubernetes, Stowage, container "
        "runtimes, networks, clouds and sidecar injectors would change what a pod is given",
        lambda self: not any(is_reserved_key(key) for key in getattr(self, field)),
        field=field,
    )


class Template(Model):
    """What the application team may add to the pods. It is a closed list; images come from runtimes."""

    labels: Labels = {}
    """Labels of the pods."""
    annotations: Annotated[
        dict[LabelKey, Annotated[str, Field(max_length=4096)]],
        Field(max_length=64, json_schema_extra={"x-kubernetes-validations": [LABEL_KEYS]}),
    ] = {}
    """Annotations of the pods."""
    env: Annotated[
        list[EnvironmentVariable],
        Field(
            max_length=64,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    """Environment variables of the model server; they win over the runtime's."""
    image_pull_secrets: Annotated[list[LocalReference], Field(max_length=16)] = []
    """Secrets for pulling the runtime's image."""
    extra_arguments: Annotated[list[GivenArgument], Field(max_length=64)] = []
    """Arguments of the model server, after the runtime's own. Those that the runtime reserves
    (port, model, quantization, parallel size, ...) are refused."""
    resources: HostResources | None = None
    """CPU, memory and local storage of one replica."""
    topology_spread_constraints: Annotated[list[TopologySpread], Field(max_length=8)] = []
    """How the pods of a placement spread."""
    termination_grace_period_seconds: Annotated[int, Field(ge=0, le=86_400)] = 60
    """Seconds that a pod has to finish its requests."""
    service_account_name: Name | None = None
    """The pods' ServiceAccount, one of those that the policy lists; its token is mounted. Absent: the
    namespace's default, without a token."""

    rules = (_own_keys("labels"), _own_keys("annotations"))

"""InferenceDeployment: one model, its variants, and what it needs. Written by application teams."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field
from pydantic.config import JsonDict

from stowage.api.inference_deployment_status import InferenceDeploymentStatus
from stowage.api.meta import Model, Resource, Rule
from stowage.api.model import ModelInfo
from stowage.api.template import Template
from stowage.api.types import Amount, Duration, Fraction, Name
from stowage.api.variant import Variant

MAX_NAME_LENGTH = 50
"""Names of children add ``-`` and eight characters, and must stay DNS labels of 63 characters."""
NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
"""DNS-1035, as names of Services."""


class Throughput(Model):
    """The load that the deployment must carry. It is a floor for the number of replicas."""

    requests_per_second: Amount
    """Requests per second over all replicas."""
    input_tokens: Annotated[int, Field(ge=1, le=100_000_000)] = 512
    """Tokens of a typical prompt."""
    output_tokens: Annotated[int, Field(ge=1, le=100_000_000)] = 128
    """Tokens of a typical answer."""


class Latency(Model):
    """Upper bounds for one request."""

    request: Duration | None = None
    """From end to end; for classic models."""
    time_to_first_token: Duration | None = None
    """From the request to its first output token."""
    time_per_output_token: Duration | None = None
    """Between output tokens."""


class Requirements(Model):
    """What every placement must meet."""

    throughput: Throughput | None = None
    """The load to carry."""
    latency: Latency | None = None
    """Bounds on latency."""
    min_quality: Fraction | None = None
    """The least quality of a variant, relative to the reference. MLPerf's rules are 0.99 and 0.999."""
    max_cost_per_hour: Amount | None = None
    """The most that all replicas together may cost per hour."""


class WorkloadDisruption(Model):
    """What a move may do to this deployment."""

    min_available: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Replicas that stay available during every voluntary disruption."""
    when_full: Literal["Wait", "Replace"] = "Wait"
    """When a move finds no spare device: wait for one, or replace what serves."""


class InferenceDeploymentSpec(Model):
    """One model, its variants, and what it needs."""

    model: ModelInfo
    """The model that is served."""
    variants: Annotated[
        list[Variant],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                # Absent becomes empty before rules are checked, so that both get the sentence below.
                "default": [],
            },
        ),
    ]
    """The artefacts of the model, one for each precision or format. Stowage picks among them."""
    requirements: Requirements = Field(default_factory=Requirements)
    """What every placement must meet."""
    replicas: Annotated[int, Field(ge=0, le=10_000)] = 1
    """Wanted replicas; what the scale subresource writes. Leave it out where an autoscaler owns it."""
    policy: Name | None = None
    """The PlacementPolicy. Absent: the default one."""
    priority_class_name: Name | None = None
    """Orders what waits for capacity; one of those that the policy lists. It isn't put on pods,
    and evicts nobody."""
    disruption: WorkloadDisruption = Field(default_factory=WorkloadDisruption)
    """What a move may do to this deployment."""
    runtime_upgrade: Literal["OnEdit", "Automatic"] = "OnEdit"
    """When a changed runtime reaches running pods: with the next spec edit, or by itself."""
    paused: bool = False
    """Freezes the object: nothing that serves is changed."""
    template: Template = Field(default_factory=Template)
    """Additions to the pods."""

    rules = (
        Rule(
            "size(self.variants) > 0",
            "name at least one variant: {name, precision, format, uri, size}",
            lambda self: len(self.variants) > 0,
            field="variants",
        ),
        Rule(
            "self.variants.all(each, self.variants.exists_one(other, other.name == each.name))",
            "two variants have the same name; give each a name of its own",
            lambda self: len({each.name for each in self.variants}) == len(self.variants),
            field="variants",
        ),
        Rule(
            "self.variants.all(each, !has(each.build) || self.variants.exists(other, other.name =="
            " each.build.from && has(other.uri) && other.uri.startsWith('pvc://') && other.format == 'onnx'"
            " && other.precision == 'fp32'))",
            "write as build.from the name of an fp32 variant of this object, in onnx, with a pvc:// uri",
            lambda self: all(_is_source(self.variants, v.build.source) for v in self.variants if v.build),
            field="variants",
        ),
    )


def _is_source(variants: list[Variant], name: str) -> bool:
    """Whether a variant of this name can be built from."""
    return any(
        v.name == name and v.location.startswith("pvc://") and (v.format, v.precision) == ("onnx", "fp32")
        for v in variants
    )


NOT_YET: JsonDict = {"default": {"observedGeneration": -1}}
"""The status before the operator has written one. Without it kstatus, and so Flux, would take an object that
was just created for ready; a generation that was not observed is in progress. Flux's kinds do the same."""


class InferenceDeployment(Resource):
    """Serves one model on the accelerator that suits it, in the variant that runs best there."""

    kind: Literal["InferenceDeployment"] = "InferenceDeployment"
    spec: InferenceDeploymentSpec
    """What is wanted."""
    status: Annotated[InferenceDeploymentStatus | None, Field(json_schema_extra=NOT_YET)] = None
    """What is so."""

    rules = (
        Rule(
            f"size(self.metadata.name) <= {MAX_NAME_LENGTH}",
            f"write a name of at most {MAX_NAME_LENGTH} characters, since names of children add to it",
            lambda self: len(self.metadata.name) <= MAX_NAME_LENGTH,
            field="metadata.name",
        ),
        Rule(
            f"self.metadata.name.matches('{NAME_PATTERN}')",
            'write a name of lower-case letters, digits and "-" that begins with a letter, such as chat-8b',
            lambda self: re.match(NAME_PATTERN, self.metadata.name) is not None,
            field="metadata.name",
        ),
    )

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name."""
        return self.metadata.namespace, self.metadata.name

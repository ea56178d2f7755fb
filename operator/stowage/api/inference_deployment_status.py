"""The status of an InferenceDeployment: where it is placed, why there, and why not elsewhere."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stowage.api.meta import Conditions, Model

ShortText = Annotated[str, Field(max_length=63)]
MediumText = Annotated[str, Field(max_length=253)]
NumberText = Annotated[str, Field(max_length=32)]
Timestamp = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
Number = Annotated[int, Field(ge=0, le=1_000_000)]


class EstimateStatus(Model):
    """What one replica of a placement does. Decimals as text."""

    basis: ShortText
    """measured (from a profile), estimated (from the class's figures), mixed (some are the one, some the
    other) or unknown."""
    latency_seconds: NumberText | None = None
    """One request from end to end, in seconds."""
    time_to_first_token_seconds: NumberText | None = None
    """From the request to its first output token, in seconds."""
    time_per_output_token_seconds: NumberText | None = None
    """Between output tokens, in seconds."""
    requests_per_second: NumberText | None = None
    """Requests per second of one replica."""
    tokens_per_second: NumberText | None = None
    """Output tokens per second of one replica."""
    joules_per_request: NumberText | None = None
    """Energy of one request, in joules."""


class PlacementStatus(Model):
    """One placement: a variant, served by a runtime, on the devices of a pool."""

    deployment: MediumText
    """Name of the Deployment."""
    pool: MediumText
    """The node pool."""
    accelerator_class: ShortText
    """The kind of device."""
    accelerator_type: ShortText
    """GPU, TPU, FPGA, NPU, IPU, CPU or Other."""
    capacity_type: ShortText = ""
    """spot, on-demand or reserved."""
    variant: ShortText
    """The variant that is served."""
    precision: ShortText
    """Its precision."""
    runtime: ShortText
    """The InferenceRuntime."""
    runtime_revision: ShortText = ""
    """The revision of the runtime that the pods were rendered from."""
    devices_per_replica: Number
    """Devices of one replica; cores for a CPU."""
    replicas: Number
    """Wanted replicas of this placement."""
    ready_replicas: Number = 0
    """Replicas that serve."""
    tier: MediumText = ""
    """The policy's tier."""
    since: Timestamp | None = None
    """When this placement was decided."""
    cost_per_hour: NumberText | None = None
    """What the replicas cost per hour; absent where no price is known."""
    estimate: EstimateStatus | None = None
    """What one replica does."""
    draining: bool = False
    """It serves only until its successor does."""


class ReasonStatus(Model):
    """Why a candidate was not chosen."""

    code: ShortText
    """A documented constant."""
    message: MediumText
    """A sentence with numbers and units."""


class CandidateStatus(Model):
    """One candidate of the last decision."""

    pool: MediumText
    """The node pool."""
    accelerator_class: ShortText
    """The kind of device."""
    variant: ShortText
    """The variant."""
    runtime: ShortText = ""
    """The runtime; empty where none serves the variant there."""
    verdict: Literal["Chosen", "Feasible", "Rejected"]
    """Chosen, Feasible (could serve, but was not the best) or Rejected."""
    reasons: Annotated[list[ReasonStatus], Field(max_length=3)] = []
    """Why it was not chosen, the first three."""


class BackoffStatus(Model):
    """A candidate that failed and is left alone for a while."""

    candidate: MediumText
    """variant/runtime/pool/devices."""
    reason: ShortText
    """What failed: a documented constant."""
    message: MediumText = ""
    """The same as a sentence."""
    until: Timestamp
    """When it may be tried again: after the policy's backoff, doubled with each failure, at most 1h."""
    failures: Number = 1
    """How often it failed in a row; it is forgotten when it hasn't failed for an hour after ``until``."""


class Provenance(Model):
    """What a built variant was made of, and by what."""

    source: MediumText
    """The reference's uri."""
    source_digest: MediumText = ""
    """Its contents, as sha256:..."""
    method: ShortText
    """How it was made."""
    data: MediumText = ""
    """The evaluation data's digest, else that of the calibration data."""
    libraries: MediumText = ""
    """What made it, with versions."""
    builder: ShortText = ""
    """Version of the builder."""
    node: MediumText = ""
    """The node that built and measured it."""
    job: MediumText = ""
    """The Job that built it."""
    finished: Timestamp | None = None
    """When it was finished."""


class MeasuredProfile(Model):
    """What a build measured of a variant's speed. Decimals as text."""

    accelerator_class: ShortText
    """The class of the node that measured it."""
    devices: Number
    """Cores that it had."""
    requests_per_second: NumberText
    """The rate of one client without pauses."""
    latency_seconds: NumberText
    """The median latency of a request, in seconds."""
    latency99_seconds: NumberText = ""
    """The 99th percentile."""


class VariantStatus(Model):
    """A variant that is built, or that was measured beside one."""

    name: ShortText
    """The variant."""
    state: Literal["NotBuilt", "Building", "Built", "Failed", "Measured"]
    """NotBuilt, Building, Built or Failed; Measured for the variant that another was built from."""
    inputs: ShortText = ""
    """Stands for all that the result depends on: what has not changed is not built again."""
    reason: ShortText = ""
    """Why it isn't built: a documented constant."""
    message: MediumText = ""
    """The same as a sentence."""
    uri: Annotated[str, Field(max_length=512)] = ""
    """Where the result is."""
    digest: MediumText = ""
    """Its contents, as sha256:..."""
    size: NumberText = ""
    """Bytes of the result."""
    quality: NumberText = ""
    """The measured quality from 0 to 1; empty where there was nothing to measure it on."""
    metric: MediumText = ""
    """What was measured."""
    examples: Annotated[int, Field(ge=0, le=2_000_000_000)] = 0
    """Examples that it was measured on."""
    profiles: Annotated[list[MeasuredProfile], Field(max_length=8)] = []
    """What was measured of its speed. A profile of the spec for the same class and devices wins."""
    provenance: Provenance | None = None
    """What it was made of, and by what."""


class InferenceDeploymentStatus(Model):
    """What is so."""

    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    """The generation of the spec that this status speaks of."""
    conditions: Conditions = []
    """Ready, Placed, Reconciling and Stalled."""
    placements: Annotated[
        list[PlacementStatus],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["deployment"],
            },
        ),
    ] = []
    """Where it is placed."""
    candidates: Annotated[list[CandidateStatus], Field(max_length=16)] = []
    """The best candidates of the last decision and why each was not chosen."""
    backoffs: Annotated[
        list[BackoffStatus],
        Field(
            max_length=32,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["candidate"],
            },
        ),
    ] = []
    """Candidates that failed and are left alone for a while."""
    variants: Annotated[
        list[VariantStatus],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    """Variants that are built: how far they are, and what was measured."""
    replicas: Number = 0
    """Replicas of all placements, for the scale subresource."""
    ready_replicas: Number = 0
    """Replicas that serve."""
    selector: Annotated[str, Field(max_length=253)] = ""
    """Selects the pods, for the scale subresource."""
    address: Annotated[str, Field(max_length=253)] = ""
    """Where clients reach the model inside the cluster."""
    summary: Summary | None = None
    """The first placement in short, for kubectl get."""


class Summary(Model):
    """What kubectl get shows."""

    accelerator: MediumText = ""
    """Devices per replica and class."""
    variant: ShortText = ""
    """The variant that is served."""
    pool: MediumText = ""
    """The node pool."""
    replicas: ShortText = ""
    """Ready and wanted replicas."""
    cost_per_hour: NumberText = ""
    """Cost of all placements per hour."""


InferenceDeploymentStatus.model_rebuild()

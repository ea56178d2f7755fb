"""PlacementPolicy: what may be used, in which order, for which goal. Written by platform teams."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stowage.api.builds import Builds, TrustedAuthorities
from stowage.api.meta import Conditions, LabelSelector, Model, Resource, Rule
from stowage.api.pod_text import SecretKey
from stowage.api.selector import AcceleratorSelector
from stowage.api.types import (
    CountOrShare,
    Duration,
    Fraction,
    Goal,
    LabelKey,
    Name,
    Text,
    sentence,
)


class Tier(Model):
    """A set of accelerators. A later tier serves only while no earlier one can."""

    name: Name
    """Unique within the policy."""
    accelerators: AcceleratorSelector = Field(default_factory=AcceleratorSelector)
    """What belongs to the tier."""


class Fallback(Model):
    """When a placement counts as failed, and for how long it is then left alone."""

    after: Duration = "60s"
    """How long pods may be unschedulable before the next candidate is tried."""
    provisioning_timeout: Duration = "10m"
    """The same while an autoscaler is bringing nodes."""
    start_timeout: Duration = "30m"
    """How long a model may take to load."""
    backoff: Duration = "5m"
    """How long a failed candidate is left alone; doubles with each failure, up to 1h."""


class MoveBack(Model):
    """When a running placement may move to a better candidate."""

    after: Duration = "15m"
    """How long the better candidate must have been feasible."""
    minimum_gain: Fraction = "0.10"
    """The least gain on the goal, as a fraction, for a move within a tier."""


class PolicyDisruption(Model):
    """How much may move at once."""

    max_concurrent_moves: CountOrShare = "10%"
    """Voluntary moves that may be under way at once, as a count or a share of the deployments."""


_HOST = r"https://[a-z0-9]([-a-z0-9.]*[a-z0-9])?(:[0-9]{1,5})?"
_STORE_PATTERN = rf"^({_HOST}|(s3|gs)://[a-z0-9][-a-z0-9._]*|hf://[A-Za-z0-9_][-A-Za-z0-9_.]*)/([!-#%-~]*/)?$"
StorePrefix = Annotated[
    str,
    Field(max_length=253, pattern=_STORE_PATTERN),
    sentence(
        _STORE_PATTERN,
        "write what the uris of the store begin with, up to a slash, as https://models.example.com/team/, "
        "s3://bucket/, gs://bucket/ or hf://organisation/",
        max_length=253,
    ),
]
"""It ends with a slash: a host that only begins like it is another one."""

_ENDPOINT_PATTERN = rf"^{_HOST}(/[-A-Za-z0-9._~]+)*/?$"
StoreEndpoint = Annotated[
    str,
    Field(max_length=253, pattern=_ENDPOINT_PATTERN),
    sentence(
        _ENDPOINT_PATTERN,
        "write the address of the store, as https://minio.storage.svc:9000",
        max_length=253,
    ),
]


class ModelStore(Model):
    """A place that models are fetched from."""

    uri: StorePrefix
    """What uris of the store begin with, such as https://models.example.com/ or s3://bucket/. The longest
    counts."""
    endpoint: StoreEndpoint | None = None
    """Of s3, gs and hf: the store's address. Absent: that of Amazon, Google or Hugging Face."""
    region: Name = "us-east-1"
    """Of s3: the bucket's region."""
    secret_name: Name | None = None
    """The Secret with the store's credentials: one of this name in each namespace that fetches from it. They
    are given to the fetcher alone, and sent to the store's own host alone. Absent: none are sent."""
    key: SecretKey = "token"
    """The key of the Secret that holds the token. For s3 the keys are AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY and, if there is one, AWS_SESSION_TOKEN."""

    rules = (
        Rule(
            "!has(self.endpoint) || !self.uri.startsWith('https://')",
            "write no endpoint for https://: the uri says where the store is",
            lambda self: self.endpoint is None or not self.uri.startswith("https://"),
            field="endpoint",
        ),
    )


class Fetch(Model):
    """How models are fetched that no server fetches itself: before it starts, in its pod."""

    image: Text | None = None
    """The fetcher's image. Absent: that of the operator's version."""
    timeout: Duration = "2h"
    """How long a fetch may take until it counts as failed. It is no part of fallback.startTimeout, and what
    has come by then is kept."""
    trust: TrustedAuthorities | None = None
    """Certificate authorities that the fetcher trusts beside the public ones."""
    stores: Annotated[
        list[ModelStore],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["uri"],
            },
        ),
    ] = []
    """Stores, and what is needed to fetch from them."""
    other_stores: Literal["Allowed", "Never"] = "Allowed"
    """Whether models may be fetched from elsewhere than these stores."""


class PlacementPolicySpec(Model):
    """What may be used, in which order, for which goal."""

    default: bool = False
    """For deployments that name no policy. Of two defaults the oldest wins."""
    goal: Goal = "BestFit"
    """What is best within a tier: Cheapest, LowestLatency, HighestThroughput, LowestEnergy, BestFit
    (the smallest device that fits), MostCapable or FirstAvailable."""
    tiers: Annotated[
        list[Tier],
        Field(
            max_length=8,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    """In order of preference. Absent: one tier with every accelerator."""
    allow_cpu: Annotated[bool, Field(alias="allowCPU")] = False
    """Whether CPUs may serve at all, in any tier. Nothing else turns them on."""
    serve_while_provisioning: bool = True
    """Whether a later tier may serve while nodes of an earlier one are being provisioned."""
    split: Literal["Allowed", "Never"] = "Never"
    """Whether one deployment may be served from several pools at once."""
    mixed_precision: bool = False
    """Whether such a split may mix variants."""
    fallback: Fallback = Field(default_factory=Fallback)
    """When a placement counts as failed."""
    move_back: MoveBack | None = None
    """When to move to a better candidate. Absent: never by itself."""
    disruption: PolicyDisruption = Field(default_factory=PolicyDisruption)
    """How much may move at once."""
    priority_classes: Annotated[list[Name], Field(max_length=16)] = []
    """Priority classes that deployments may name, the highest first."""
    tolerations: Annotated[list[LabelKey], Field(max_length=32)] = []
    """Keys of taints that may be tolerated beyond the accelerator class's own."""
    service_accounts: Annotated[list[Name], Field(max_length=32)] = []
    """ServiceAccounts that deployments may name for their pods. Absent: none, so that pods have no token."""
    shared_devices: bool = False
    """Whether time-sliced devices may be used."""
    builds: Builds | None = None
    """Where and how variants are built. Absent: none is."""
    fetch: Fetch = Field(default_factory=Fetch)
    """How models are fetched that no server fetches itself."""
    namespaces: LabelSelector | None = None
    """Namespaces that may use the policy, by their labels. Absent: all."""

    rules = (
        Rule(
            # has(): the API server checks the default of spec, {}, before it fills it.
            "!has(self.mixedPrecision) || !self.mixedPrecision || self.split == 'Allowed'",
            "mixedPrecision needs a split; write split: Allowed, or leave mixedPrecision out",
            lambda self: not self.mixed_precision or self.split == "Allowed",
            field="mixedPrecision",
        ),
    )


class PlacementPolicyStatus(Model):
    """What is so."""

    conditions: Conditions = []
    """Ready; False with DefaultConflict where two policies are the default."""
    observed_generation: Annotated[int, Field(json_schema_extra={"format": "int64"})] = 0
    """The generation of the spec that this status speaks of."""


class PlacementPolicy(Resource):
    """What may be used, in which order, for which goal, how to fall back and move back."""

    kind: Literal["PlacementPolicy"] = "PlacementPolicy"
    spec: PlacementPolicySpec = Field(default_factory=PlacementPolicySpec)
    """What is wanted."""
    status: PlacementPolicyStatus | None = None
    """What is so."""

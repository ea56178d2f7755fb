"""Where and how variants are built: a part of a PlacementPolicy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stowage.api.meta import Labels, Model, Rule
from stowage.api.pod_text import SecretKey
from stowage.api.types import Duration, Name, Quantity, Text, sentence

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
REPOSITORY_PATTERN = (
    rf"^({_LABEL}([.]{_LABEL})+(:[0-9]{{1,5}})?|{_LABEL}:[0-9]{{1,5}})(/[a-z0-9]+(([._]|__|-+)[a-z0-9]+)*)+$"
)
"""A host that can't be taken for a folder, since it has a dot or a port; then what registries allow."""
Repository = Annotated[
    str,
    Field(max_length=200, pattern=REPOSITORY_PATTERN),
    sentence(
        REPOSITORY_PATTERN,
        "write a repository with its registry, in lower case and without a tag, as"
        " registry.example.com/team/models",
        max_length=200,
    ),
]


class TrustedAuthorities(Model):
    """Certificate authorities of one's own."""

    config_map_name: Name
    """The ConfigMap: one of this name in each namespace that needs it, as trust-manager writes them."""
    key: SecretKey = "ca.crt"
    """The key that holds the certificates, in PEM."""


class ImageRegistry(Model):
    """A repository of a registry that results are pushed to, as OCI images."""

    repository: Repository
    """The repository, such as registry.example.com/team/models. Each result gets a tag of its own; nothing is
    replaced."""
    secret_name: Name | None = None
    """The Secret of type kubernetes.io/dockerconfigjson that may push: one of this name in each namespace
    that builds. It is given to what pushes alone. Absent: no credentials are sent."""
    pull_secret_name: Name | None = None
    """The Secret of that type with which nodes pull results: one of this name in each namespace that serves
    them. Absent: the template's imagePullSecrets, the ServiceAccount's and the node's own."""
    trust: TrustedAuthorities | None = None
    """Certificate authorities that the push trusts beside the public ones. The nodes' container runtimes have
    settings of their own."""


class Builds(Model):
    """Where and how variants are built."""

    claim_name: Name | None = None
    """The PersistentVolumeClaim that results are stored in: one of this name in each namespace that builds.
    It must be mountable where models are served."""
    registry: ImageRegistry | None = None
    """The registry that results are stored in, as images that pods mount. Instead of claimName."""
    image: Text | None = None
    """The builder's image. Absent: that of the operator's version."""
    node_selector: Labels = {}
    """Labels of the nodes that may build. A benchmark speaks of the class of node that it ran on."""
    accelerator_class: Name | None = None
    """The AcceleratorClass of the nodes that may build, beside nodeSelector: variants are measured where they
    will serve. Absent: any."""
    cpu: Quantity = "2"
    """CPU of a build: its request and its limit."""
    memory: Quantity = "4Gi"
    """Memory of a build: its request and its limit."""
    deadline: Duration = "2h"
    """How long a build may take in all, waiting for a node and retries included."""
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """How often a build is tried again at once. What can't get better by trying isn't; and an hour after the
    last try everything that failed is tried anew."""
    scripts: Literal["Never", "Allowed"] = "Never"
    """Whether scripts of whoever writes a deployment may run in its Job and say how good a variant is."""
    unknown_quality: Literal["Refuse", "Serve"] = "Refuse"
    """Whether a built variant may serve whose quality nobody measured, for want of data."""

    rules = (
        Rule(
            "has(self.claimName) != has(self.registry)",
            "write either claimName, a PersistentVolumeClaim, or registry: {repository: ...}, where results"
            " become images",
            lambda self: (self.claim_name is None) != (self.registry is None),
        ),
    )

    @property
    def store(self) -> str:
        """What uris of results begin with: pvc://claim or oci://repository."""
        return f"oci://{self.registry.repository}" if self.registry else f"pvc://{self.claim_name}"

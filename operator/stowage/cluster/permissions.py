"""What the operator asks of the API server, and why: the one source of every role that lets it.

The chart's roles, those of manifests/ and of the tests, and docs/reference/permissions.md are made of this
table. A test compares it with the audit log of the operator's own requests: nothing refused, nothing
granted that is never used.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from stowage.cluster import ports
from stowage.cluster.ports import ResourceType

Grant = tuple[str, str, str, str]
"""API group, resource, subresource, verb: one thing that a role allows."""

READ_VERBS = frozenset({"get", "list", "watch"})


class Scope(StrEnum):
    """Where a right is needed."""

    CLUSTER = "cluster"
    """In the whole cluster: nodes and policies belong to no namespace, and pods of others hold devices."""
    WORKLOAD = "workload"
    """Where InferenceDeployments are: all namespaces, or those that the operator is limited to."""
    OWN = "own"
    """In the namespace that the operator runs in."""


@dataclass(frozen=True)
class Permission:
    """One row of the table: what may be done with which resources, where, and what for."""

    scope: Scope
    resources: tuple[ResourceType, ...]
    """Of one API group."""
    verbs: tuple[str, ...]
    why: str
    """One sentence."""
    subresource: str = ""

    @property
    def group(self) -> str:
        """The API group; empty for the core one."""
        return self.resources[0].group

    @property
    def reads_only(self) -> bool:
        """Whether it changes nothing."""
        return READ_VERBS.issuperset(self.verbs)

    @property
    def names(self) -> tuple[str, ...]:
        """The resources as a rule names them: ``pods``, ``inferencedeployments/status``."""
        suffix = f"/{self.subresource}" if self.subresource else ""
        return tuple(each.plural + suffix for each in self.resources)

    def grants(self) -> Iterator[Grant]:
        """All that it allows, one by one."""
        for resource in self.resources:
            for verb in self.verbs:
                yield resource.group, resource.plural, self.subresource, verb


CLUSTER_KINDS = (
    ports.PLACEMENT_POLICIES,
    ports.ACCELERATOR_CLASSES,
    ports.INFERENCE_RUNTIMES,
    ports.ACCELERATOR_POOLS,
)
"""What the platform writes: it belongs to no namespace."""

PERMISSIONS = (
    Permission(
        Scope.CLUSTER,
        (ports.NODES, ports.NAMESPACES, ports.PODS),
        ("list", "watch"),
        "Nodes are the capacity, pods of all namespaces what is taken of it, and labels of namespaces say "
        "who may use a policy.",
    ),
    Permission(
        Scope.CLUSTER,
        (ports.RESOURCE_SLICES, ports.DEVICE_CLASSES),
        ("list", "watch"),
        "Devices that only dynamic resource allocation publishes.",
    ),
    Permission(
        Scope.CLUSTER,
        CLUSTER_KINDS,
        ("list", "watch"),
        "The policies, the pools, and what overrides the embedded catalog.",
    ),
    Permission(
        Scope.CLUSTER,
        (ports.NODE_CLAIMS,),
        ("get",),
        "Whether the node that Karpenter said it would bring is still to come.",
    ),
    Permission(
        Scope.CLUSTER,
        (ports.PLACEMENT_POLICIES,),
        ("patch",),
        "Says what is wrong with a policy.",
        subresource="status",
    ),
    Permission(
        Scope.WORKLOAD,
        (ports.INFERENCE_DEPLOYMENTS,),
        ("list", "watch"),
        "What is to be placed.",
    ),
    Permission(
        Scope.WORKLOAD,
        (ports.INFERENCE_DEPLOYMENTS,),
        ("patch",),
        "Says where it is, and why.",
        subresource="status",
    ),
    Permission(
        Scope.WORKLOAD,
        (ports.INFERENCE_DEPLOYMENTS,),
        ("update",),
        "Lets children name their owner with blockOwnerDeletion, where the cluster enforces it, as "
        "OpenShift does (admission plugin OwnerReferencesPermissionEnforcement).",
        subresource="finalizers",
    ),
    Permission(
        Scope.WORKLOAD,
        (ports.DEPLOYMENTS,),
        ("list", "watch", "create", "patch", "delete"),
        "One Deployment for each placement; it is deleted when the placement has moved.",
    ),
    Permission(
        Scope.WORKLOAD,
        (ports.SERVICES,),
        ("list", "watch", "create", "patch"),
        "One address for each InferenceDeployment; Kubernetes deletes it with its owner.",
    ),
    Permission(
        Scope.WORKLOAD,
        (ports.POD_DISRUPTION_BUDGETS,),
        ("list", "watch", "create", "patch"),
        "One budget for each InferenceDeployment; Kubernetes deletes it with its owner.",
    ),
    Permission(
        Scope.WORKLOAD,
        (ports.JOBS,),
        ("list", "watch", "create", "delete"),
        "One Job for each variant that is to be built; it is deleted when its variant was edited before its "
        "end, else by Kubernetes an hour after that, or with its owner.",
    ),
    Permission(
        Scope.WORKLOAD,
        (ports.EVENTS,),
        ("create", "list", "patch"),
        "Tells what happened, and asks what an autoscaler said of a pod that has no node.",
    ),
    Permission(
        Scope.OWN,
        (ports.LEASES,),
        ("get", "create", "patch"),
        "The Lease that says which replica decides.",
    ),
)


def permissions(*scopes: Scope, reads_only: bool = False) -> tuple[Permission, ...]:
    """The rows of these scopes, in the table's order.

    Args:
        reads_only: without those that change something.
    """
    return tuple(p for p in PERMISSIONS if p.scope in scopes and (p.reads_only or not reads_only))


def grants(rows: Iterable[Permission] = PERMISSIONS) -> frozenset[Grant]:
    """All that these rows allow."""
    return frozenset(grant for row in rows for grant in row.grants())

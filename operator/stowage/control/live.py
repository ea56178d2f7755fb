"""Reads a cluster once, without writing anything, for plans and explanations."""

from __future__ import annotations

import logging

from stowage.cluster import ports
from stowage.cluster.errors import Forbidden, Gone
from stowage.cluster.ports import Body, Cluster, ResourceType
from stowage.control.offline import Offline
from stowage.control.projections import BOUND_PODS
from stowage.render.names import SELECTOR

_log = logging.getLogger(__name__)

READ: tuple[tuple[ResourceType, str, str], ...] = (
    (ports.NODES, "", ""),
    (ports.NAMESPACES, "", ""),
    (ports.RESOURCE_SLICES, "", ""),
    (ports.DEVICE_CLASSES, "", ""),
    (ports.PODS, "", BOUND_PODS),
    (ports.ACCELERATOR_CLASSES, "", ""),
    (ports.INFERENCE_RUNTIMES, "", ""),
    (ports.ACCELERATOR_POOLS, "", ""),
    (ports.PLACEMENT_POLICIES, "", ""),
    (ports.DEPLOYMENTS, SELECTOR, ""),
)
"""Resource, label selector and field selector."""
OPTIONAL = frozenset({ports.INFERENCE_DEPLOYMENTS.group, ports.RESOURCE_SLICES.group})
"""Groups that a cluster may lack."""


async def read_cluster(cluster: Cluster, offline: Offline, *, workloads: bool) -> None:
    """Adds what decisions depend on. Our own kinds may be missing: a cluster can be planned for before
    Stowage is installed. So may DRA's, and the right to read them.

    Args:
        workloads: also the InferenceDeployments.
    """
    more = ((ports.INFERENCE_DEPLOYMENTS, "", ""),) if workloads else ()
    for resource, labels, fields in (*READ, *more):

        def take(body: Body, resource: ResourceType = resource) -> None:
            offline.add({**body, "apiVersion": resource.api_version, "kind": resource.kind})

        try:
            await cluster.list(resource, decode=take, label_selector=labels, field_selector=fields)
        except Gone:
            if resource.group not in OPTIONAL:
                raise
        except Forbidden as error:
            if resource.group != ports.RESOURCE_SLICES.group:
                raise
            _log.warning("devices that only DRA publishes are not seen: %s", error)

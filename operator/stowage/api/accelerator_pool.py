"""AcceleratorPool: price and limits of a node pool, and pools that have no node yet."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stowage.api.meta import Labels, Model, Resource
from stowage.api.types import Amount, Architecture, CapacityType, Count, Name, Quantity, ResourceName


class Provisionable(Model):
    """What an autoscaler can bring."""

    max_nodes: Count | None = None
    """The most nodes that the pool can have. Absent: nobody knows. Then the pool is tried after those of its
    tier whose room is known, once for each backoff."""
    devices_per_node: Count
    """Devices of one such node."""
    resource_name: ResourceName | None = None
    """What such a node publishes its devices as. Absent: as the class says for nodes with these labels;
    needed where the class has only a pattern."""
    cpu: Quantity | None = None
    """CPU cores of one such node. Absent: taken as enough."""
    memory: Quantity | None = None
    """Memory of one such node. Absent: taken as enough."""
    architecture: Architecture = "amd64"
    """CPU architecture of such a node."""


class AcceleratorPoolSpec(Model):
    """Price and limits of a node pool."""

    node_selector: Annotated[Labels, Field(min_length=1)]
    """Labels of the pool's nodes."""
    accelerator_class: Name
    """The kind of device that its nodes have."""
    capacity_type: CapacityType | None = None
    """Absent: as the nodes' labels say, else on-demand."""
    cost_per_hour: Amount | None = None
    """Price of one node per hour. Absent: unknown."""
    provisionable: Provisionable | None = None
    """What an autoscaler can bring. Absent: nothing beyond the nodes that are there."""


class AcceleratorPool(Resource):
    """Price and limits of a node pool, and pools that have no node yet."""

    kind: Literal["AcceleratorPool"] = "AcceleratorPool"
    spec: AcceleratorPoolSpec
    """What the pool costs and may grow to."""

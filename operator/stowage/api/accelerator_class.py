"""AcceleratorClass: a kind of device, how to recognise it, and what it can do."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stowage.api.meta import Labels, LabelSelectorRequirement, Model, Resource, Rule
from stowage.api.types import (
    AcceleratorType,
    Amount,
    Dialect,
    LabelKey,
    LabelValue,
    Name,
    Precision,
    Quantity,
    Text,
)


class NodeMatch(Model):
    """One way to recognise the device by the labels of its node. All that is given must hold."""

    provider: Name
    """Who sets these labels, such as gke, eks-karpenter, aks, gfd or nfd."""
    match_labels: Labels = {}
    """Labels with exactly these values."""
    match_expressions: Annotated[list[LabelSelectorRequirement], Field(max_length=16)] = []
    """Requirements on labels."""


class NativePrecision(Model):
    """An arithmetic that the device computes in hardware."""

    name: Precision
    """The precision of weights and activations."""
    peak: Amount | None = None
    """Dense peak of one device in TFLOPS or TOPS (of one core for a CPU). Absent: unknown."""
    sparse_peak: Amount | None = None
    """The same with 2:4 sparsity."""
    dialect: Dialect | None = None
    """Which fp8 the device computes."""


class MemoryLabel(Model):
    """A node label that says how much memory one device has."""

    key: LabelKey
    """The label's key, such as nvidia.com/gpu.memory."""
    unit: Literal["Mi", "Gi"] = "Mi"
    """Unit of the label's number."""


class Sharing(Model):
    """How a node says that its devices are shared between pods."""

    strategy_label: LabelKey
    """The label that names the strategy, such as nvidia.com/gpu.sharing-strategy."""
    exclusive_values: Annotated[list[LabelValue], Field(max_length=8)] = ["none"]
    """Values that mean that devices are not shared."""
    replicas_label: LabelKey | None = None
    """The label that says in how many shares each device is divided."""


class Provenance(Model):
    """Where the figures come from and how far they are to be trusted."""

    identity: Literal["Verified", "Memory"] = "Memory"
    """Whether resource name and labels were read in a source, or are known from memory only."""
    performance: Literal["Verified", "Memory"] = "Memory"
    """The same for memory, bandwidth and precisions."""
    sources: Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=32)] = []
    """Files, documents and pages."""


class AcceleratorClassSpec(Model):
    """A kind of device."""

    type: AcceleratorType
    """GPU, TPU, FPGA, NPU, IPU, CPU or Other."""
    vendor: Text
    """The maker, such as NVIDIA."""
    resource_name: Annotated[str, Field(min_length=1, max_length=317)]
    """The extended resource of the device plugin, such as nvidia.com/gpu; cpu for a CPU."""
    match: Annotated[list[NodeMatch], Field(max_length=16)] = []
    """Ways to recognise the device; one is enough. Where two classes match a node by as many
    requirements, the node is reported and not used. Absent: the resource name alone identifies it."""
    pool_labels: Annotated[list[LabelKey], Field(max_length=8)] = []
    """Node labels whose values part pools of this class, such as a TPU's topology. Pods select them."""
    topology_label: LabelKey | None = None
    """The label that holds a slice's topology, such as 2x4. Slices over several hosts can't be
    served by a Deployment."""
    whole_node: bool = False
    """Whether a pod must take all the devices of its node, as on a TPU slice of GKE."""
    taints: Annotated[list[LabelKey], Field(max_length=16)] = []
    """Keys of taints that belong to the device and are tolerated."""
    memory: Quantity | None = None
    """Nominal memory of one device. Absent for a CPU: its memory is the node's."""
    memory_label: MemoryLabel | None = None
    """A live figure for the same, preferred."""
    memory_bandwidth: Amount | None = None
    """Memory bandwidth of one device in GB/s (of one core's share for a CPU)."""
    precisions: Annotated[
        list[NativePrecision],
        Field(
            max_length=16,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    """What the device computes natively."""
    power_watts: Amount | None = None
    """Design power of one device in watts."""
    sharing: Sharing | None = None
    """How shared devices are recognised."""
    provenance: Provenance | None = None
    """Where the figures come from."""

    rules = (
        Rule(
            "self.type == 'CPU' || self.resourceName != 'cpu'",
            "resourceName cpu belongs to type CPU; name the device plugin's resource, such as nvidia.com/gpu",
            lambda self: self.type == "CPU" or self.resource_name != "cpu",
            field="resourceName",
        ),
    )


class AcceleratorClass(Resource):
    """A kind of device: how to recognise it, what it can do."""

    kind: Literal["AcceleratorClass"] = "AcceleratorClass"
    spec: AcceleratorClassSpec
    """What the device is."""

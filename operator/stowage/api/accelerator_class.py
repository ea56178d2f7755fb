"""AcceleratorClass: a kind of device, how to recognise it, and what it can do."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field

from stowage.api.meta import Labels, Model, Resource, Rule
from stowage.api.types import (
    AcceleratorType,
    Amount,
    Count,
    Dialect,
    LabelKey,
    LabelValue,
    LongText,
    Name,
    Precision,
    Quantity,
    ResourceName,
    ResourcePattern,
    Text,
)


class NodeRequirement(Model):
    """One requirement on a node's label, as corev1.NodeSelectorRequirement: pods select nodes by it."""

    key: LabelKey
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """How the key relates to the values. Gt and Lt compare whole numbers."""
    values: Annotated[list[Annotated[str, Field(max_length=63)]], Field(max_length=64)] = []
    """The values for In and NotIn; one whole number for Gt and Lt; none for Exists and DoesNotExist."""

    rules = (
        Rule(
            "self.operator in ['Exists', 'DoesNotExist'] ? !has(self.values) || size(self.values) == 0"
            " : has(self.values) && (self.operator in ['In', 'NotIn'] ? size(self.values) > 0"
            " : size(self.values) == 1 && self.values[0].matches('^[0-9]{1,18}$'))",
            "give values for In and NotIn, one whole number for Gt and Lt, none for Exists and DoesNotExist",
            lambda self: self.has_fitting_values,
        ),
    )

    @property
    def has_fitting_values(self) -> bool:
        """Whether the values are of the operator's kind."""
        if self.operator in ("Exists", "DoesNotExist"):
            return not self.values
        if self.operator in ("In", "NotIn"):
            return bool(self.values)
        return len(self.values) == 1 and re.fullmatch("[0-9]{1,18}", self.values[0]) is not None


class NodeMatch(Model):
    """One way to recognise the device: by the labels of its node, or by another resource name.

    All that is given must hold. Without labels the resource name alone identifies the device.
    """

    provider: Name
    """Who sets these labels, such as gke, eks-karpenter, aks, gfd or nfd."""
    resource_name: ResourceName | None = None
    """What the device plugin calls the device on such nodes. Absent: as the class says."""
    match_labels: Labels = {}
    """Labels with exactly these values."""
    match_expressions: Annotated[list[NodeRequirement], Field(max_length=16)] = []
    """Requirements on labels."""
    devices: Count | None = None
    """How many whole devices such a node has, where its labels don't say it (see countLabels)."""
    shared: bool = False
    """Whether this way means shared devices: pods that want whole ones don't select nodes by it."""


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
    """How a node says that its devices are shared between pods. Its labels are one provider's."""

    strategy_label: LabelKey
    """The label that names the strategy, such as nvidia.com/gpu.sharing-strategy."""
    exclusive_values: Annotated[list[LabelValue], Field(max_length=8)] = ["none"]
    """Values that mean that devices are not shared."""
    replicas_label: LabelKey | None = None
    """The label that says in how many shares each device is divided."""


class PartOf(Model):
    """What the device is a part of."""

    resource_name: ResourceName
    """What the whole device is published as, such as nvidia.com/gpu."""
    most: Count
    """How many such parts a whole device has at most."""


class DynamicResources(Model):
    """How the device appears with dynamic resource allocation (DRA), in ResourceSlices."""

    driver: Text
    """The driver that publishes the devices, such as gpu.nvidia.com."""
    device_class: Name
    """The DeviceClass that its installation creates, such as gpu.nvidia.com."""


Trust = Literal["Verified", "Partial", "Memory"]
FieldNotes = Annotated[list[Annotated[str, Field(min_length=1, max_length=253)]], Field(max_length=32)]


class Provenance(Model):
    """Where the figures come from and how far they are to be trusted."""

    identity: Trust = "Memory"
    """Whether resource name and labels were read in a source (all or some of them), or are known
    from memory only."""
    performance: Trust = "Memory"
    """The same for memory, bandwidth and precisions."""
    performance_source: Literal["Vendor", "Secondary", "Recalled"] | None = None
    """Who published the figures: the vendor, somebody else, or nobody whom we can name."""
    verified_fields: FieldNotes = []
    """Fields, or parts of them, that were read in a source or follow from what was."""
    memory_fields: FieldNotes = []
    """Those that are known from memory only."""
    notes: LongText | None = None
    """What to know beyond the fields."""
    sources: Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=32)] = []
    """Files, documents and pages."""


class AcceleratorClassSpec(Model):
    """A kind of device."""

    type: AcceleratorType
    """GPU, TPU, FPGA, NPU, IPU, CPU or Other."""
    vendor: Text
    """The maker, such as NVIDIA."""
    resource_name: ResourceName | None = None
    """The extended resource of the device plugin, such as nvidia.com/gpu; cpu for a CPU. It is what
    pods request: where a plugin publishes devices and their cores, the devices."""
    resource_name_pattern: ResourcePattern | None = None
    """Instead of resourceName where the name differs from node to node, as after the shell of an FPGA:
    an anchored regular expression. Pods request the name that their pool's nodes publish."""
    match: Annotated[list[NodeMatch], Field(max_length=16)] = []
    """Ways to recognise the device; one is enough. Where two classes match a node by as many
    requirements, the node is reported and not used. Absent: the resource name alone identifies it."""
    dra: DynamicResources | None = None
    """How the device appears where its nodes publish it by dynamic resource allocation only."""
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
    """Nominal memory of one device. Absent: unknown, or the node's (see hostMemory)."""
    host_memory: bool = False
    """Whether models live in the node's own memory, as with an integrated NPU. A CPU's always do."""
    memory_labels: Annotated[list[MemoryLabel], Field(max_length=8)] = []
    """Live figures for the same, preferred: the first that a node has."""
    count_labels: Annotated[list[LabelKey], Field(max_length=8)] = []
    """Node labels that say how many whole devices a node has: the first that it has. A node that publishes
    more without saying that it shares them is reported and not used."""
    presence_labels: Annotated[list[LabelKey], Field(max_length=16)] = []
    """Node labels that say that such a device or a relative is there, never which one. A node that has one
    and publishes no device is reported; it is no CPU pool."""
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
    sharing: Annotated[list[Sharing], Field(max_length=8)] = []
    """How shared devices are recognised: the first of which a node has a label decides."""
    partition_pattern: ResourcePattern | None = None
    """What partitions of the device are published as, such as ^nvidia\\.com/mig-.+$: an anchored regular
    expression. A name that no class has is reported."""
    part_of: PartOf | None = None
    """For a partition: what it is a part of."""
    provenance: Provenance | None = None
    """Where the figures come from."""

    rules = (
        Rule(
            "self.type == 'CPU' || !has(self.resourceName) || self.resourceName != 'cpu'",
            "resourceName cpu belongs to type CPU; name the device plugin's resource, such as nvidia.com/gpu",
            lambda self: self.type == "CPU" or self.resource_name != "cpu",
            field="resourceName",
        ),
        Rule(
            "has(self.resourceName) != has(self.resourceNamePattern)",
            "write either resourceName, such as nvidia.com/gpu, or resourceNamePattern where nodes differ"
            " in the name",
            lambda self: (self.resource_name is None) != (self.resource_name_pattern is None),
            field="resourceName",
        ),
        Rule(
            "!(has(self.hostMemory) && self.hostMemory && has(self.memory))",
            "hostMemory is for devices without memory of their own; write either memory or hostMemory: true",
            lambda self: not (self.host_memory and self.memory is not None),
            field="hostMemory",
        ),
    )


class AcceleratorClass(Resource):
    """A kind of device: how to recognise it, what it can do."""

    kind: Literal["AcceleratorClass"] = "AcceleratorClass"
    spec: AcceleratorClassSpec
    """What the device is."""

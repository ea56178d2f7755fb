"""What providers' labels say of a pool: its name, and how its nodes were bought."""

from __future__ import annotations

from collections.abc import Mapping

from stowage.api.accelerator_class import AcceleratorClass

INSTANCE_TYPE = "node.kubernetes.io/instance-type"
ARCHITECTURE = "kubernetes.io/arch"

POOL_LABELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cloud.google.com/gke-nodepool", ()),
    ("karpenter.sh/nodepool", (INSTANCE_TYPE, "karpenter.sh/capacity-type")),
    ("eks.amazonaws.com/nodegroup", (INSTANCE_TYPE,)),
    ("kubernetes.azure.com/agentpool", ()),
    ("agentpool", ()),
    ("doks.digitalocean.com/node-pool", ()),
    ("compute.coreweave.com/node-pool", ()),
)
"""The label that names a pool, and the labels that part it where a provider's pool may mix shapes.
A pool of GKE, AKS, DigitalOcean or CoreWeave has one machine type by construction; a Karpenter NodePool may
have many."""

CAPACITY_LABELS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("karpenter.sh/capacity-type", {"spot": "spot", "on-demand": "on-demand", "reserved": "reserved"}),
    ("eks.amazonaws.com/capacityType", {"SPOT": "spot", "CAPACITY_BLOCK": "reserved"}),
    ("cloud.google.com/gke-spot", {"true": "spot"}),
    ("cloud.google.com/gke-preemptible", {"true": "spot"}),
    ("kubernetes.azure.com/scalesetpriority", {"spot": "spot"}),
)
"""Labels that say how a node was bought. Nothing said: on-demand."""


def named_by_label(labels: Mapping[str, str]) -> tuple[str, list[tuple[str, str]]] | None:
    """The pool's name and the labels that define it, where its provider names it."""
    for label, parting in POOL_LABELS:
        if label in labels and all(p in labels for p in parting):
            keys = [(k, labels[k]) for k in (label, *parting)]
            return ".".join(v for _, v in keys), keys
    return None


def with_resource(name: str, accelerator: AcceleratorClass, resource: str) -> str:
    """The pool's name, which implies what its pods request."""
    if resource == accelerator.spec.resource_name:
        return name
    return f"{name}.{resource.rpartition('/')[2]}"


def capacity_type(labels: Mapping[str, str]) -> str:
    """How nodes with these labels were bought."""
    if "cloud.google.com/reservation-name" in labels:
        return "reserved"
    for label, values in CAPACITY_LABELS:
        if labels.get(label) in values:
            return values[labels[label]]
    return "on-demand"

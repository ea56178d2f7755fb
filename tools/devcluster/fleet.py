"""The simulated fleet: reads node groups as data, and makes nodes of them in a cluster."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from devcluster.binaries import MODULE, Pins
from devcluster.components import DATA, FAKE_NODE_ANNOTATION
from devcluster.errors import FleetError, StepError
from devcluster.kubectl import Kubectl

FLEET_FILE = DATA / "fleet.yaml"
FLEET_LABEL = "simulated.stowage.dev/fleet"
"""Which group a node was made of; also finds all simulated nodes, to delete them."""

READY_TIMEOUT_SECONDS = 120.0
POLL_SECONDS = 0.2
FIELD_MANAGER = "devcluster"
NODE_NOT_READY_TAINT = "node.kubernetes.io/not-ready"

Node = dict[str, Any]


class NodeGroup(BaseModel):
    """Nodes that are alike."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=50)
    count: int = Field(ge=1)
    cordoned: int = Field(default=0, ge=0)
    """How many of them, counted from the last one, take no new pods."""
    zones: list[str] = Field(min_length=1)
    """Nodes are spread over these in turn."""
    labels: dict[str, str]
    taints: list[dict[str, str]] = Field(default_factory=list)
    capacity: dict[str, str]
    allocatable: dict[str, str]
    pods: int = 110

    @model_validator(mode="after")
    def _is_consistent(self) -> NodeGroup:
        if self.cordoned > self.count:
            raise ValueError(f"cordoned is {self.cordoned}, of {self.count} nodes")
        if self.capacity.keys() != self.allocatable.keys():
            raise ValueError("capacity and allocatable must name the same resources")
        return self

    def nodes(self) -> list[Node]:
        """Return the Node objects of this group."""
        return [self._node(index) for index in range(self.count)]

    def _node(self, index: int) -> Node:
        name = f"{self.name}-{index + 1}"
        labels = {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/os": "linux",
            "kubernetes.io/hostname": name,
            "topology.kubernetes.io/zone": self.zones[index % len(self.zones)],
            FLEET_LABEL: self.name,
            **self.labels,
        }
        pods = {"pods": str(self.pods)}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name, "labels": labels, "annotations": {FAKE_NODE_ANNOTATION: "fake"}},
            "spec": {
                # A field of its own even when false, so that applying again uncordons.
                "unschedulable": index >= self.count - self.cordoned,
                "taints": self.taints,
            },
            "status": {
                "capacity": {**self.capacity, **pods},
                "allocatable": {**self.allocatable, **pods},
                "nodeInfo": _node_info(),
            },
        }


def load_fleet(path: Path = FLEET_FILE) -> list[NodeGroup]:
    """Read node groups from a file. Raises FleetError."""
    try:
        content = yaml.safe_load(path.read_text())
        groups = [NodeGroup.model_validate(each) for each in content["groups"]]
    except (yaml.YAMLError, ValidationError, KeyError, TypeError) as error:
        raise FleetError(f"{path}: {error}") from error
    names = [each.name for each in groups]
    if len(set(names)) < len(names):
        raise FleetError(f"{path}: two groups have the same name")
    return groups


def nodes_of(groups: Sequence[NodeGroup]) -> list[Node]:
    """Return the Node objects of all groups."""
    return [node for group in groups for node in group.nodes()]


def listing(nodes: Sequence[Node]) -> str:
    """Return what ``kubectl get nodes -o yaml`` would write of the nodes once they are Ready, without what
    belongs to the simulation: a fleet to plan on where there is no cluster."""
    items = [
        {
            "apiVersion": node["apiVersion"],
            "kind": node["kind"],
            "metadata": {
                "name": node["metadata"]["name"],
                "labels": {k: v for k, v in node["metadata"]["labels"].items() if k != FLEET_LABEL},
            },
            "spec": {key: value for key, value in node["spec"].items() if value},
            "status": {
                **{key: node["status"][key] for key in ("capacity", "allocatable")},
                "conditions": [{"type": "Ready", "status": "True"}],
            },
        }
        for node in nodes
    ]
    document = {"apiVersion": "v1", "kind": "List", "items": items}
    return yaml.dump(document, Dumper=_NoAliases, sort_keys=False, width=110)


class _NoAliases(yaml.SafeDumper):
    """Writes what nodes of a group share out each time, as kubectl does."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def apply_fleet(kubectl: Kubectl, nodes: Sequence[Node]) -> None:
    """Create the nodes, or make those that exist what they should be. Harmless when repeated."""
    kubectl("apply", "-f", "-", input=_list(nodes))
    # An update of a node drops its status, so capacity is applied where it lives.
    statuses = [
        {
            "apiVersion": node["apiVersion"],
            "kind": node["kind"],
            "metadata": {"name": node["metadata"]["name"]},
            "status": {key: node["status"][key] for key in ("capacity", "allocatable")},
        }
        for node in nodes
    ]
    options = ("--server-side", "--subresource=status", "--force-conflicts")
    kubectl("apply", *options, f"--field-manager={FIELD_MANAGER}", "-f", "-", input=_list(statuses))


def wait_for_nodes(kubectl: Kubectl, nodes: Sequence[Node], timeout: float = READY_TIMEOUT_SECONDS) -> None:
    """Wait until all nodes are Ready and rid of the taint of new nodes. Raises StepError."""
    missing = {node["metadata"]["name"] for node in nodes}
    deadline = time.monotonic() + timeout
    while True:
        live = kubectl.json("get", "nodes", f"--selector={FLEET_LABEL}")["items"]
        missing -= {each["metadata"]["name"] for each in live if _takes_pods(each)}
        if not missing:
            return
        if time.monotonic() > deadline:
            raise StepError(f"not Ready after {timeout:.0f} s: {', '.join(sorted(missing))}")
        time.sleep(POLL_SECONDS)


def delete_fleet(kubectl: Kubectl) -> None:
    """Delete all simulated nodes of a cluster, and with them what ran there."""
    kubectl("delete", "nodes", f"--selector={FLEET_LABEL}", "--ignore-not-found")


def _takes_pods(node: Node) -> bool:
    """Whether the control plane has noticed that a node is ready. A cordon does not matter here."""
    conditions = {each["type"]: each["status"] for each in node["status"].get("conditions", [])}
    taints = {each["key"] for each in node["spec"].get("taints", [])}
    return conditions.get("Ready") == "True" and NODE_NOT_READY_TAINT not in taints


def _node_info() -> dict[str, str]:
    """Return what a kubelet says of its machine; the schema wants every field."""
    kubernetes = Pins.read(MODULE).kubernetes
    return {
        "architecture": "amd64",
        "operatingSystem": "linux",
        "osImage": "simulated",
        "kernelVersion": "simulated",
        "containerRuntimeVersion": "simulated://1.0",
        "kubeletVersion": kubernetes or "unknown",
        "kubeProxyVersion": "",
        "machineID": "",
        "systemUUID": "",
        "bootID": "",
    }


def _list(items: Sequence[Node]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(items)})

"""Hardware that the catalog doesn't know, or has no server for, is used by objects alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cluster.harness import ROOT, TEST_LABEL, OperatorProcess, Stage

from devcluster.cluster import LocalCluster
from devcluster.fleet import NodeGroup, apply_fleet, wait_for_nodes

pytestmark = pytest.mark.cluster

FILES = tuple(ROOT / "manifests" / "own-hardware" / name for name in ("ipu.yaml", "other.yaml"))
NAMESPACE = "own-hardware"
HOST = {"cpu": "32", "memory": "128Gi", "ephemeral-storage": "500Gi"}
PLACED = {
    # name: type, class, variant, devices, resource
    "on-an-ipu": ("IPU", "graphcore-gc200-c600", "fp16", 1, "c600.graphcore.ai/ipu"),
    "on-another-card": ("Other", "example-tensor-card", "bf16", 1, "example.com/tensor-card"),
}


@pytest.fixture
def stage(cluster: LocalCluster, operator: OperatorProcess) -> Iterator[Stage]:
    """A node with each of the devices, and the models, serving."""
    made = Stage(cluster, operator, NAMESPACE)
    groups = [
        NodeGroup(
            name=name,
            count=1,
            zones=["hall-1"],
            labels={TEST_LABEL: NAMESPACE},
            capacity={**HOST, resource: "2"},
            allocatable={**HOST, resource: "2"},
        )
        for name, (*_, resource) in PLACED.items()
    ]
    nodes = [node for group in groups for node in group.nodes()]
    apply_fleet(cluster.kubectl, nodes)
    wait_for_nodes(cluster.kubectl, nodes)
    try:
        cluster.kubectl("apply", "--server-side", *(f"-f={file}" for file in FILES))
        yield made
    finally:
        cluster.kubectl("delete", *(f"-f={file}" for file in FILES), "--wait=true", "--ignore-not-found")
        cluster.kubectl("delete", "nodes", *(node["metadata"]["name"] for node in nodes))


def test_an_object_of_yours_is_enough(stage: Stage) -> None:
    stage.wait_ready(*PLACED)
    found = {}
    for name in PLACED:
        placement = stage.placement(name)
        (pod,) = stage.pods(name)
        (container,) = pod["spec"]["containers"]
        fields = ("acceleratorType", "acceleratorClass", "variant", "devicesPerReplica")
        (resource,) = (key for key in container["resources"]["limits"] if "/" in key)
        found[name] = (*(placement[field] for field in fields), resource)
    assert found == PLACED

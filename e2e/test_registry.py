"""A variant is judged by the team's own script, pushed to a registry, and served from there as an image."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from devcluster.kubectl import Kubectl
from e2e.client import Client
from e2e.clusters import REAL_LABEL, Cluster
from e2e.platform import DATA, NAMESPACE, address, built, pods, ready_on, workload
from e2e.registry import AUTHORITIES, PULL, PUSH, Registry
from e2e.waiting import eventually

NAME = "digits-registry"
POLICY = "e2e-registry"
GATE = Decimal("0.97")
"""requirements.minQuality of data/digits-registry.yaml."""


@pytest.fixture
def registry(cluster: Cluster, network: dict[str, Any], tmp_path: Path) -> Iterator[Registry]:
    """The registry; the network is on the namespace's volume."""
    made = Registry(cluster, tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_built_variant_is_pushed_pulled_by_the_node_and_served(
    kubectl: Kubectl, network_client: Client, registry: Registry
) -> None:
    repository = f"{registry.host}/team/models"
    kubectl("apply", "-f", "-", input=json.dumps(_policy(repository)))
    kubectl("apply", "-f", str(DATA / f"{NAME}.yaml"))

    first = built(kubectl, NAME, "int8")
    assert first["uri"].startswith(f"oci://{repository}@sha256:")
    # By the script, in a Job's pod, where it saw no credentials: else it had failed.
    assert first["metric"] == "among the first two, as user 65532"
    assert GATE <= Decimal(first["quality"]) <= 1
    _serves_int8(kubectl)
    ready_on(kubectl, NAME, "CPU")
    tally = network_client.ask(address(kubectl, NAME), "unseen")
    assert tally.failed == 0, tally
    assert tally.right > 0.95 * tally.requests, tally
    (pod,) = pods(kubectl, NAME)
    (volume,) = (each for each in pod["spec"]["volumes"] if each["name"] == "model")
    assert volume["image"]["reference"] == first["uri"].removeprefix("oci://")
    assert "containerd/" in registry.log()
    log = kubectl("-n", NAMESPACE, "logs", pod["metadata"]["name"]).stdout
    assert f"the digest is the expected one, {first['digest']}" in log
    assert "serving /models/int8/model.onnx as 'digits' by onnxruntime" in log

    # Made anew, with nothing that remembers: what is in the registry is used, and not built again.
    kubectl("-n", NAMESPACE, "delete", "infd", NAME, "--cascade=foreground")
    kubectl("apply", "-f", str(DATA / f"{NAME}.yaml"))
    again = built(kubectl, NAME, "int8")
    job = again["provenance"]["job"]
    said = json.loads(kubectl("-n", NAMESPACE, "logs", f"job/{job}", "-c", "builder").stdout)
    assert said["reused"] is True
    stays = ("uri", "digest", "size", "quality", "metric")
    assert {key: again[key] for key in stays} == {key: first[key] for key in stays}
    kubectl("-n", NAMESPACE, "delete", "infd", NAME)


def _policy(repository: str) -> dict[str, Any]:
    """What a platform team writes: what may serve and build, and where results go."""
    real = {"types": ["CPU"], "nodeSelector": {REAL_LABEL: "true"}}
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "allowCPU": True,
            "goal": "LowestLatency",
            "tiers": [{"name": "real", "accelerators": real}],
            "moveBack": {"after": "1s", "minimumGain": "0.10"},
            "builds": {
                "registry": {
                    "repository": repository,
                    "secretName": PUSH,
                    "pullSecretName": PULL,
                    "trust": {"configMapName": AUTHORITIES},
                },
                "scripts": "Allowed",
                "nodeSelector": {REAL_LABEL: "true"},
                "cpu": "1",
                "memory": "2Gi",
                "deadline": "10m",
            },
        },
    }


def _serves_int8(kubectl: Kubectl) -> None:
    """Wait until the object is Ready by int8, and no pod of another variant is left."""

    def look() -> tuple[bool, list[str], int]:
        found = workload(kubectl, NAME)
        return found.settled, [each["variant"] for each in found.placements], len(pods(kubectl, NAME))

    eventually(look, lambda seen: seen == (True, ["int8"], 1), "int8 alone serves")

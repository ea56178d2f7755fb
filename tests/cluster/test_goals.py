"""One model under each goal, on the whole simulated fleet; and what GitOps sees of it afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import yaml
from tests.cluster.harness import ROOT, OperatorProcess, Stage, eventually

from devcluster.cluster import LocalCluster
from devcluster.fleet import apply_fleet, load_fleet, nodes_of, wait_for_nodes

pytestmark = pytest.mark.cluster

FILES = (ROOT / "manifests" / "samples" / "node-pools.yaml", ROOT / "manifests" / "goals" / "goals.yaml")
SAMPLES = sorted((ROOT / "manifests" / "samples").glob("*.yaml"))
NAMESPACE = "goals"
EXPECTED = {
    # name: goal, class, devices per replica, variant
    "busiest": ("HighestThroughput", "google-tpu-v5e", 4, "bf16"),
    "cheapest": ("Cheapest", "nvidia-l4", 1, "bf16"),
    "fastest": ("LowestLatency", "google-tpu-v5e", 4, "bf16"),
    "greenest": ("LowestEnergy", "nvidia-l4", 1, "fp8"),
    "snuggest": ("BestFit", "nvidia-l4", 1, "bf16"),
    "soonest": ("FirstAvailable", "aws-inferentia2", 1, "bf16"),
    "strongest": ("MostCapable", "nvidia-a100-80gb", 1, "bf16"),
}


def apply(cluster: LocalCluster, *files: object) -> None:
    """As Flux does: on the server, by a field manager of its own."""
    options = ("--server-side", "--field-manager=flux", "--force-conflicts")
    done = cluster.kubectl("apply", *options, *(f"-f={file}" for file in files))
    assert "Warning" not in done.stderr, done.stderr


@pytest.fixture(scope="module")
def goals(cluster: LocalCluster, shared_operator: OperatorProcess) -> Iterator[Stage]:
    """The fleet with the model under each goal, serving."""
    stage = Stage(cluster, shared_operator, NAMESPACE)
    nodes = nodes_of(load_fleet())
    apply_fleet(cluster.kubectl, nodes)
    wait_for_nodes(cluster.kubectl, nodes)
    try:
        apply(cluster, *FILES)
        stage.wait_ready(*EXPECTED)
        yield stage
    finally:
        print(shared_operator.text())
        cluster.kubectl("delete", *(f"-f={file}" for file in FILES), "--wait=true", "--ignore-not-found")
        cluster.kubectl("delete", "nodes", *(node["metadata"]["name"] for node in nodes))


def test_every_goal_has_a_policy() -> None:
    documents = list(yaml.safe_load_all(FILES[1].read_text()))
    goals = {d["metadata"]["name"]: d["spec"]["goal"] for d in documents if d["kind"] == "PlacementPolicy"}
    assert goals == {f"goal-{name}": expected[0] for name, expected in EXPECTED.items()}
    schema = yaml.safe_load((ROOT / "crds" / "stowage.dev_placementpolicies.yaml").read_text())
    spec = schema["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert set(goals.values()) == set(spec["properties"]["goal"]["enum"])


def test_each_goal_sends_the_model_where_it_says(goals: Stage) -> None:
    placements = {name: goals.placement(name) for name in EXPECTED}
    fields = ("acceleratorClass", "devicesPerReplica", "variant")
    found = {name: tuple(each[field] for field in fields) for name, each in placements.items()}
    assert found == {name: expected[1:] for name, expected in EXPECTED.items()}


def test_what_is_applied_again_is_not_written_and_shows_no_drift(goals: Stage) -> None:
    def versions() -> dict[str, str]:
        found = [*goals.items("infd"), *goals.items("plp,apool")]
        return {f"{o['kind']} {o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in found}

    names = [f"goal-{name}" for name in EXPECTED]
    eventually(lambda: all(goals.get("plp", name).get("status") for name in names))
    before = versions()
    apply(goals.cluster, *FILES)
    assert versions() == before
    options = ("--server-side", "--force-conflicts", "--field-manager=flux")
    shown = goals.cluster.kubectl("diff", *options, *(f"-f={file}" for file in FILES))
    assert shown.stdout == ""  # and exit code 0


def test_no_sample_differs_from_what_the_server_makes_of_it_but_by_defaults(goals: Stage) -> None:
    options = ("--server-side", "--force-conflicts", "--field-manager=flux", "--dry-run=server", "-o=json")
    stored = json.loads(goals.cluster.kubectl("apply", *options, *(f"-f={file}" for file in SAMPLES)).stdout)
    sent = [each for file in SAMPLES for each in yaml.safe_load_all(file.read_text())]
    found = [_common(each["spec"], item["spec"]) for each, item in zip(sent, stored["items"], strict=True)]
    assert found == [each["spec"] for each in sent]


def _common(sent: object, stored: object) -> object:
    """Of what is stored, what was sent."""
    if isinstance(sent, dict) and isinstance(stored, dict):
        return {key: _common(value, stored.get(key)) for key, value in sent.items()}
    if isinstance(sent, list) and isinstance(stored, list) and len(sent) == len(stored):
        return [_common(*pair) for pair in zip(sent, stored, strict=True)]
    return stored

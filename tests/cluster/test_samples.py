"""The samples as a user applies them, on the whole simulated fleet; and the silence afterwards."""

from __future__ import annotations

import collections
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.cluster.harness import ROOT, USER, Object, OperatorProcess, Stage, eventually

from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster
from devcluster.fleet import apply_fleet, load_fleet, nodes_of, wait_for_nodes

pytestmark = pytest.mark.cluster

SAMPLES = ROOT / "manifests" / "samples"
QUIET_SECONDS = 20.0

EXPECTED = {
    # name: type, class, devices per replica, variant
    "assistant": ("NPU", "aws-inferentia2", 1, "neuron-bf16"),
    "chat": ("GPU", "nvidia-l4", 1, "fp8"),
    "chat-70b": ("GPU", "nvidia-a100-80gb", 4, "bf16"),
    "classifier": ("CPU", "cpu-x86-amx-int8", 1, "int8"),
    "detector": ("FPGA", "amd-alveo-u250", 1, "u250"),
    "summaries": ("TPU", "google-tpu-v5e", 4, "bf16"),
}
UNPLACED = "giant"
POOL_LABELS = (
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "karpenter.sh/nodepool",
)


@pytest.fixture(scope="module")
def samples(cluster: LocalCluster, shared_operator: OperatorProcess) -> Iterator[Stage]:
    """The fleet with all samples, placed, in the namespace default."""
    stage = Stage(cluster, shared_operator, "default")
    nodes = nodes_of(load_fleet())
    apply_fleet(cluster.kubectl, nodes)
    wait_for_nodes(cluster.kubectl, nodes)
    files = sorted(SAMPLES.glob("*.yaml"))
    done = [cluster.kubectl("apply", "-f", str(file)) for file in files]
    try:
        assert not any("Warning" in each.stderr for each in done), [each.stderr for each in done]
        stage.wait_ready(*EXPECTED)
        stage.wait_for("Placed", "NoFeasibleCandidate", UNPLACED)
        yield stage
    finally:
        print(shared_operator.text())
        cluster.kubectl("delete", *(f"-f={file}" for file in files), "--wait=true")
        cluster.kubectl("delete", "nodes", *(node["metadata"]["name"] for node in nodes))
        eventually(lambda: stage.items("pods"), lambda found: not found)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_sample_serves_on_the_class_that_suits_it(samples: Stage, name: str) -> None:
    (found,) = samples.infd(name)["status"]["placements"]
    fields = ("acceleratorType", "acceleratorClass", "devicesPerReplica", "variant")
    assert tuple(found[field] for field in fields) == EXPECTED[name]
    assert found["readyReplicas"] == found["replicas"] > 0


@pytest.mark.parametrize("name", EXPECTED)
def test_pods_run_on_nodes_of_the_pool_and_ask_for_its_devices_once(samples: Stage, name: str) -> None:
    placement = samples.placement(name)
    nodes = {node["metadata"]["name"]: node for node in samples.items("nodes")}
    pods = samples.pods(name)
    assert len(pods) == placement["replicas"]
    for pod in pods:
        assert pod["status"]["phase"] == "Running"
        labels = nodes[pod["spec"]["nodeName"]]["metadata"]["labels"]
        pool = next((labels[key] for key in POOL_LABELS if key in labels), "fpga")
        assert pool in placement["pool"] or placement["acceleratorClass"] == "amd-alveo-u250"
        (server,) = pod["spec"]["containers"]
        devices = {k: v for k, v in server["resources"]["limits"].items() if "/" in k}
        if placement["acceleratorType"] == "CPU":
            assert devices == {}
        else:
            assert list(devices.values()) == [str(placement["devicesPerReplica"])]
        assert {*server["resources"]["requests"]} >= {"cpu", "memory", "ephemeral-storage", *devices}
        assert "nodeAffinity" in pod["spec"]["affinity"]
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= server.keys()


def test_tolerations_are_those_of_the_class(samples: Stage) -> None:
    (pod, *_) = samples.pods("chat")
    own = [t for t in pod["spec"]["tolerations"] if not t["key"].startswith("node.kubernetes.io/")]
    assert [t["key"] for t in own] == ["nvidia.com/gpu"]


@pytest.mark.parametrize("name", EXPECTED)
def test_service_and_budget_stand_over_the_pods(samples: Stage, name: str) -> None:
    selector = {"stowage.dev/inference-deployment": name}
    service, budget = samples.get("service", name), samples.get("pdb", name)
    assert service["spec"]["selector"] == selector
    assert [port["targetPort"] for port in service["spec"]["ports"]] == ["serve"]
    assert budget["spec"]["selector"]["matchLabels"] == selector
    assert budget["spec"]["minAvailable"] == 1
    addresses = [
        address
        for each in samples.items("endpointslices", f"--selector=kubernetes.io/service-name={name}")
        for address in each["endpoints"]
        if address["conditions"]["ready"]
    ]
    assert len(addresses) == samples.placement(name)["replicas"]


def test_what_fits_nowhere_says_what_is_missing_with_numbers(samples: Stage) -> None:
    status = samples.infd(UNPLACED)["status"]
    conditions = {each["type"]: each for each in status["conditions"]}
    assert {kind: each["status"] for kind, each in conditions.items()} == {
        "Ready": "False",
        "Placed": "False",
        "Reconciling": "False",
        "Stalled": "True",
    }
    message = conditions["Placed"]["message"]
    assert "nearest is bf16 on " in message
    assert "GiB" in message
    assert "short" in message
    assert status["candidates"]
    assert all(each["reasons"] for each in status["candidates"])
    assert samples.deployments(UNPLACED) == []


def test_kubectl_get_shows_the_columns(samples: Stage) -> None:
    header, *lines = samples.kubectl("get", "infd").splitlines()
    columns = ["NAME", "READY", "ACCELERATOR", "VARIANT", "POOL", "REPLICAS", "COST/H", "REASON", "AGE"]
    assert header.split() == columns
    rows = {line.split()[0]: line for line in lines}
    assert rows.keys() == {*EXPECTED, UNPLACED}
    assert "True" in rows["chat"]
    assert "1 x nvidia-l4" in rows["chat"]
    assert "2/2" in rows["chat"]
    assert "0/1" in rows[UNPLACED]
    assert "NoFeasibleCandidate" in rows[UNPLACED]


def test_kubectl_describe_shows_events(samples: Stage) -> None:
    described = samples.kubectl("describe", "infd", "chat")
    events = described.partition("\nEvents:")[2]
    assert "Placed" in events
    assert "Serving" in events
    assert "NoFeasibleCandidate" in samples.kubectl("describe", "infd", UNPLACED).partition("\nEvents:")[2]


def test_no_object_has_a_finalizer(samples: Stage) -> None:
    for kind in ("infd", "deployments", "services", "pdb", "plp", "accel", "infrt", "apool"):
        assert all("finalizers" not in each["metadata"] for each in samples.items(kind)), kind


def test_nothing_changed_means_nothing_is_written(
    samples: Stage, audit: AuditLog, record_property: Any
) -> None:
    """Through heartbeats, other people's pods, resyncs, and a restart of the operator."""
    pods = {name: samples.pod_names(name) for name in EXPECTED}
    eventually(lambda: _settled_writes(audit), bool)
    audit.mark()
    started = time.monotonic()
    round_number = 0
    while time.monotonic() - started < QUIET_SECONDS:
        round_number += 1
        samples.apply(*_foreign_pods())
        _beat(samples, round_number)
        if round_number == 2:
            samples.operator.restart()
        eventually(lambda: [p for p in samples.items("pods", "-l=foreign") if p["spec"].get("nodeName")])
        time.sleep(1.0)
        samples.kubectl("delete", "pods", "--selector=foreign", "--wait=true")
    writes = audit.writes(user=USER)
    reads = collections.Counter(each.verb for each in audit.requests(user=USER))
    record_property(f"writes in {QUIET_SECONDS:.0f} quiet seconds", len(writes))
    assert reads["watch"] > 0, "the operator was there"
    assert writes == [], "\n".join(str(each) for each in writes)
    assert {name: samples.pod_names(name) for name in EXPECTED} == pods


def _settled_writes(audit: AuditLog) -> bool:
    audit.mark()
    time.sleep(1.0)
    return not audit.writes(user=USER)


def _beat(stage: Stage, number: int) -> None:
    """A kubelet's heartbeat, and a label that nobody selects by."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for node in stage.items("nodes"):
        beats = [{**each, "lastHeartbeatTime": now} for each in node["status"]["conditions"]]
        change = json.dumps({"status": {"conditions": beats}})
        name = node["metadata"]["name"]
        stage.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", change)
        if number == 1:
            break  # one is as good as all, and quicker


def _foreign_pods() -> list[Object]:
    """Pods of somebody else on the free devices and cores of several pools."""
    wants = {"l4-spot": {"nvidia.com/gpu": "1"}, "cpu-amx": {"cpu": "8"}, "tpu-v5e": {"google.com/tpu": "4"}}
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"foreign-{pool}", "labels": {"foreign": pool}},
            "spec": {
                "nodeSelector": {"cloud.google.com/gke-nodepool": pool},
                "tolerations": [{"operator": "Exists"}],
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "main", "image": "example.com/x", "resources": {"limits": limits}}],
            },
        }
        for pool, limits in wants.items()
    ]

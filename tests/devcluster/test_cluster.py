"""A booted cluster is a real one: RBAC, tokens, audit, and a scheduler that counts devices."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster
from devcluster.components import API_SERVER, BOOT_ORDER, ETCD
from devcluster.errors import ComponentError, ForeignStateError, KubectlError
from devcluster.fleet import apply_fleet, load_fleet, nodes_of, wait_for_nodes
from devcluster.kubectl import Kubectl
from devcluster.ports import free_ports
from devcluster.processes import ProcessTable, wait_until_gone
from devcluster.testing import ephemeral_cluster

pytestmark = pytest.mark.cluster

TIMEOUT = "60s"


def test_clients_are_bound_by_rbac(booted: LocalCluster) -> None:
    booted.kubectl("create", "serviceaccount", "nobody")
    token = booted.kubectl("create", "token", "nobody").stdout.strip()
    stranger = stranger_kubeconfig(booted, token)
    name = stranger.json("auth", "whoami")["status"]["userInfo"]["username"]
    assert name == "system:serviceaccount:default:nobody"
    with pytest.raises(KubectlError, match="is forbidden"):
        stranger("get", "secrets")


def stranger_kubeconfig(cluster: LocalCluster, token: str) -> Kubectl:
    """Return kubectl without the administrator's certificate, for it would win over the token."""
    path = cluster.state / "stranger"
    config = cluster.kubectl.json("config", "view", "--raw")
    config["users"] = [{"name": "admin", "user": {"token": token}}]
    path.write_text(json.dumps(config))
    return Kubectl(path)


def test_writes_are_audited_with_their_user(booted: LocalCluster) -> None:
    log = AuditLog(booted.audit_log)
    log.mark()
    booted.kubectl("create", "configmap", "seen")
    booted.kubectl("get", "configmap", "seen")
    writes = log.writes(user="admin", user_agent="kubectl")
    assert [(each.verb, each.resource, each.name, each.code) for each in writes] == [
        ("create", "configmaps", "seen", 201)
    ]
    assert log.writes(user="nobody-of-that-name") == []


def test_five_pods_for_four_devices(booted: LocalCluster) -> None:
    group = next(each for each in load_fleet() if each.name == "a100-80").model_copy(
        update={"count": 1, "name": "four"}
    )
    apply_fleet(booted.kubectl, group.nodes())
    wait_for_nodes(booted.kubectl, group.nodes())
    booted.kubectl("apply", "-f", "-", input=json.dumps(deployment("gpu", replicas=5)))
    # Not `rollout status`: it would wait for the fifth.
    ready = "jsonpath={.status.readyReplicas}=4"
    booted.kubectl("wait", "deployment/gpu", f"--for={ready}", f"--timeout={TIMEOUT}")
    pods = booted.kubectl.json("get", "pods", "--selector=app=gpu")["items"]
    assert sorted(pod["status"]["phase"] for pod in pods) == ["Pending", *["Running"] * 4]
    (pending,) = (pod for pod in pods if pod["status"]["phase"] == "Pending")
    assert "Insufficient nvidia.com/gpu" in pending["status"]["conditions"][0]["message"]
    booted.kubectl("delete", "deployment", "gpu")
    booted.kubectl("wait", "--for=delete", "pod", "--selector=app=gpu", f"--timeout={TIMEOUT}")


def deployment(name: str, replicas: int) -> dict[str, object]:
    container = {
        "name": "server",
        "image": "example.com/server",
        "resources": {"limits": {"nvidia.com/gpu": "1"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [container],
                    "nodeSelector": {"simulated.stowage.dev/fleet": "four"},
                    "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
                },
            },
        },
    }


def test_the_whole_fleet_gets_ready_with_what_it_was_given(booted: LocalCluster) -> None:
    nodes = nodes_of(load_fleet())
    for _ in range(2):  # applying again changes nothing
        apply_fleet(booted.kubectl, nodes)
        wait_for_nodes(booted.kubectl, nodes)
    live = {each["metadata"]["name"]: each for each in booted.kubectl.json("get", "nodes")["items"]}
    for node in nodes:
        found = live[node["metadata"]["name"]]
        assert resources(found) == resources(node)
        assert found["metadata"]["labels"].items() >= node["metadata"]["labels"].items()
        assert {taint["key"] for taint in node["spec"]["taints"]} <= {
            taint["key"] for taint in found["spec"].get("taints", [])
        }
    cordoned = [name for name, each in live.items() if each["spec"].get("unschedulable")]
    assert cordoned == ["l4-spot-4"]


def resources(node: dict[str, dict[str, dict[str, str]]]) -> dict[str, str]:
    """Return the allocatable amounts that the API server does not write in another unit."""
    allocatable = node["status"]["allocatable"]
    return {key: value for key, value in allocatable.items() if key != "memory"}


def test_a_changed_capacity_is_applied_to_a_live_node(booted: LocalCluster) -> None:
    (node,) = nodes_of([load_fleet()[0].model_copy(update={"name": "shrinking", "count": 1, "cordoned": 0})])
    apply_fleet(booted.kubectl, [node])
    node["status"]["allocatable"]["nvidia.com/gpu"] = "1"
    apply_fleet(booted.kubectl, [node])
    live = booted.kubectl.json("get", "node", "shrinking-1")
    assert live["status"]["allocatable"]["nvidia.com/gpu"] == "1"


def test_clusters_stand_side_by_side(booted: LocalCluster, tmp_path: Path) -> None:
    with ephemeral_cluster(tmp_path) as other:
        other.kubectl("create", "namespace", "only-here")
        assert other.running()
        assert booted.running()
        with pytest.raises(KubectlError, match="not found"):
            booted.kubectl("get", "namespace", "only-here")
    assert not other.running()
    assert booted.running()


def test_a_component_that_ends_is_named_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("devcluster.components.SERVICE_RANGE", "no range")
    cluster = LocalCluster(tmp_path / "broken")
    with pytest.raises(ComponentError) as caught:
        cluster.start()
    assert caught.value.component == API_SERVER
    assert "service-cluster-ip-range" in str(caught.value)
    assert cluster.processes.records() == []


def test_a_port_taken_in_between_is_replaced(
    booted: LocalCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = booted.kubectl.json("config", "view")["clusters"][0]["cluster"]["server"]
    taken = int(server.rpartition(":")[2])
    offers = iter([[taken], free_ports(1)])

    def offered(_count: int) -> list[int]:
        return next(offers)

    monkeypatch.setattr("devcluster.cluster.free_ports", offered)
    with ephemeral_cluster(tmp_path / "second") as cluster:
        assert cluster.running()
    assert next(offers, None) is None


def test_a_folder_of_someone_else_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ForeignStateError):
        LocalCluster(tmp_path).start()
    assert (tmp_path / "thesis.tex").exists()


PARENT = """
import sys, time
from pathlib import Path
from devcluster.testing import ephemeral_cluster
with ephemeral_cluster(Path(sys.argv[1])):
    print("booted", flush=True)
    time.sleep(600)
"""


def test_nothing_outlives_a_killed_test_run(tmp_path: Path) -> None:
    state = tmp_path / "state"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(state)], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"booted\n"
        records = ProcessTable(state / "processes.json").records()
        parent.kill()
    assert [each.name for each in records] == list(BOOT_ORDER)
    assert all(wait_until_gone(each, 10.0) for each in records)


def test_a_cluster_left_over_is_replaced(tmp_path: Path) -> None:
    first = LocalCluster(tmp_path / "state")
    first.start()
    left_over = first.processes.records()
    second = LocalCluster(tmp_path / "state")
    second.start()
    try:
        assert not any(each.is_alive() for each in left_over)
        assert second.running()
    finally:
        second.stop()
    assert second.log_file(ETCD).exists()

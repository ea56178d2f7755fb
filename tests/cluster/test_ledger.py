"""The ledger: no device is given twice, whoever holds it, and whatever happens to the operator meanwhile."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.cluster.foreign import foreign_pod
from tests.cluster.harness import TEST_LABEL, Object, Stage, eventually

pytestmark = pytest.mark.cluster

WAIT = 60.0


def reasons(stage: Stage) -> Counter[str]:
    found = stage.items("infd")
    return Counter(
        condition["reason"]
        for each in found
        for condition in (each.get("status") or {}).get("conditions", ())
        if condition["type"] == "Ready"
    )


def nodes_of(stage: Stage) -> list[str]:
    return [
        each["metadata"]["name"]
        for each in stage.items("nodes", f"--selector={TEST_LABEL}={stage.namespace}")
    ]


def test_slots_are_per_node_and_other_peoples_pods_count(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    first, second = nodes_of(stage)
    foreign_pod(stage, "takes-cpu", first, cpu="22")  # both devices are free, and no replica has its CPU
    foreign_pod(stage, "takes-a-device", second, gpu="1")
    stage.apply(stage.policy(), *(stage.workload(f"w-{number}") for number in range(3)))
    eventually(lambda: reasons(stage), lambda found: found == {"Serving": 1, "NoCapacity": 2}, WAIT)
    placed = [p for p in stage.items("pods") if "stowage.dev/placement" in p["metadata"].get("labels", {})]
    assert [p["spec"]["nodeName"] for p in placed] == [second]
    stage.kubectl("delete", "pod", "takes-cpu", "--wait=false")
    eventually(lambda: reasons(stage), lambda found: found == {"Serving": 3}, WAIT)


def test_a_reservation_dies_with_its_placement(stage: Stage) -> None:
    name = f"{stage.namespace}-to-come"
    pool: Object = {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "AcceleratorPool",
        "metadata": {"name": name, "labels": {TEST_LABEL: stage.namespace}},
        "spec": {
            "nodeSelector": {"cloud.google.com/gke-nodepool": name, TEST_LABEL: stage.namespace},
            "acceleratorClass": "nvidia-l4",
            "provisionable": {"maxNodes": 1, "devicesPerNode": 1},
        },
    }
    stage.apply(pool, stage.policy(fallback={"after": "1h"}), stage.workload("holds"))
    stage.wait_for("Placed", "Placed", "holds", WAIT)
    stage.apply(stage.workload("waits"))
    stage.wait_for("Placed", "NoCapacity", "waits", WAIT)
    assert stage.pods("waits") == []
    stage.kubectl("delete", "infd", "holds")
    stage.wait_for("Placed", "Placed", "waits", WAIT)


def test_a_kill_among_many_decisions_gives_no_device_twice(stage: Stage) -> None:
    stage.pool("l4-spot", 3)
    stage.apply(stage.policy(), *(stage.workload(f"w-{number}") for number in range(10)))
    eventually(lambda: stage.items("deployments"))
    stage.operator.restart()
    eventually(lambda: reasons(stage), lambda found: found == {"Serving": 6, "NoCapacity": 4}, WAIT)
    pods = stage.items("pods")
    assert Counter(p["status"]["phase"] for p in pods) == {"Running": 6}
    assert set(Counter(p["spec"]["nodeName"] for p in pods).values()) == {2}
    assert len(stage.items("deployments")) == 6

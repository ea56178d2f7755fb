"""Owner references and no finalizers: what is deleted is gone, with all that was made for it."""

from __future__ import annotations

import pytest
from tests.cluster.harness import Object, Stage, eventually

pytestmark = pytest.mark.cluster

CHILDREN = ("deployments", "replicasets", "services", "pdb", "pods")


def children(stage: Stage) -> list[str]:
    found: list[Object] = [each for kind in CHILDREN for each in stage.items(kind)]
    return [f"{each['kind']}/{each['metadata']['name']}" for each in found]


def test_children_go_with_their_owner(stage: Stage) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    assert len(children(stage)) == 5
    assert all(
        "finalizers" not in each["metadata"] for kind in ("infd", *CHILDREN) for each in stage.items(kind)
    )
    stage.kubectl("delete", "infd", "chat")
    eventually(lambda: children(stage), lambda found: not found)


def test_of_two_for_the_last_device_one_is_placed_and_the_other_next(stage: Stage) -> None:
    stage.pool("inf2", 1)
    variants = [{"name": "bf16", "precision": "bf16", "format": "safetensors",
                 "uri": "oci://example.com/m:1", "size": "14Gi"}]  # fmt: skip
    names = ("one", "two")
    stage.apply(stage.policy(), *(stage.workload(name, variants=variants) for name in names))
    reasons = eventually(
        lambda: {name: stage.condition("Ready", name).get("reason") for name in names},
        lambda found: set(found.values()) == {"Serving", "NoCapacity"},
    )
    winner, loser = sorted(names, key=lambda name: reasons[name] != "Serving")
    assert stage.deployments(loser) == []
    assert "aws.amazon.com/neuron" in stage.condition("Placed", loser)["message"]
    stage.kubectl("delete", "infd", winner)
    stage.wait_ready(loser)


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_an_object_deleted_and_made_anew_gets_children_of_its_own(stage: Stage, cascade: str) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    old = {each["metadata"]["uid"] for each in stage.deployments()}
    stage.kubectl("delete", "infd", "chat", f"--cascade={cascade}")
    stage.apply(stage.workload())
    stage.wait_ready()
    (found,) = stage.deployments()
    assert found["metadata"]["uid"] not in old
    owner = stage.infd()["metadata"]["uid"]
    for kind in ("deployments", "services", "pdb"):
        assert [r["uid"] for each in stage.items(kind) for r in each["metadata"]["ownerReferences"]] == [
            owner
        ]


def test_a_namespace_goes_quietly(stage: Stage) -> None:
    stage.pool("l4-spot", 2)
    stage.apply(stage.policy(), *(stage.workload(f"chat-{number}") for number in range(4)))
    stage.wait_ready(*(f"chat-{number}" for number in range(4)))
    start = stage.operator.size()
    stage.kubectl("delete", "namespace", stage.namespace)
    assert "ERROR" not in stage.operator.text(start)
    assert "WARNING" not in stage.operator.text(start)

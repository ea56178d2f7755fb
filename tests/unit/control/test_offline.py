"""Plans of what files and clusters hold: what is left alone, whose room it is, what would be applied."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from devcluster.fleet import NodeGroup, load_fleet
from stowage.control.offline import Offline, Planned
from stowage.render.names import SPEC_HASH

NOW = datetime(2026, 1, 1, tzinfo=UTC)
Object = dict[str, Any]


def nodes(group: str, count: int) -> list[Object]:
    """Nodes like those of a group of the simulated fleet."""
    template = next(each for each in load_fleet() if each.name == group)
    changes = {"count": count, "cordoned": 0}
    found = NodeGroup.model_validate({**template.model_dump(), **changes}).nodes()
    for each in found:
        each["status"]["conditions"] = [{"type": "Ready", "status": "True"}]
    return found


def infd(name: str = "chat", status: Object | None = None, **spec: Any) -> Object:
    """An 8 GiB model in bf16 that an L4 or an A100 serves."""
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "InferenceDeployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {
            "model": {"name": "m", "task": "text-generation"},
            "variants": [
                {"name": "a", "precision": "bf16", "format": "safetensors", "uri": "hf://a/b", "size": "8Gi"}
            ],
            **spec,
        },
        **({"status": status} if status else {}),
    }


def world(*bodies: Object) -> Offline:
    """One L4 node of two devices and one A100 node, and more objects."""
    offline = Offline(clock=NOW.timestamp)
    for body in (*nodes("l4-spot", 1), *nodes("a100-80", 1), *bodies):
        assert offline.add(body)
    return offline


def plan(offline: Offline) -> dict[str, Planned]:
    return {p.workload.name: p for p in offline.plan(offline.workloads())}


def pools(planned: Planned) -> list[str]:
    found = planned.decision.placements if planned.decision else ()
    return [c.as_placed.pool for c in found]


def only(offline: Offline) -> Planned:
    (found,) = plan(offline).values()
    return found


def backoff(until: str, candidate: str = "a/vllm/l4-spot/1", reason: str = "CrashLoop") -> Object:
    entry = {"candidate": candidate, "reason": reason, "message": "m", "until": until, "failures": 1}
    return {"backoffs": [entry]}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        pytest.param(None, "vllm on l4-spot", id="nothing failed"),
        pytest.param(backoff("2026-01-01T00:05:00Z"), "sglang on l4-spot", id="left alone"),
        pytest.param(backoff("2026-01-01T00:00:00Z"), "vllm on l4-spot", id="until now"),
        pytest.param(
            backoff("2026-01-01T00:05:00Z", reason="Unschedulable"), "vllm on a100-80", id="the whole pool"
        ),
        pytest.param(backoff("2027-01-01T00:00:00Z"), "vllm on l4-spot", id="by a clock that was wrong"),
    ],
)
def test_what_failed_is_left_alone_until_its_time(status: Object | None, expected: str) -> None:
    (chosen,) = only(world(infd(status=status))).decision.placements  # type: ignore[union-attr]
    assert f"{chosen.as_placed.runtime} on {chosen.as_placed.pool}" == expected


def test_a_file_has_the_status_that_its_object_has_in_the_cluster() -> None:
    known = live(infd(status=backoff("2026-01-01T00:05:00Z", reason="Unschedulable")))
    found = only(world(known, infd(replicas=2)))
    assert (found.workload.metadata.uid, found.workload.spec.replicas, pools(found)) == (
        "u-1",
        2,
        ["a100-80"],
    )
    assert [m["metadata"]["ownerReferences"][0]["uid"] for m in found.manifests] == ["u-1"] * 3


def foreign(name: str, node: str, devices: int) -> Object:
    requests = {"nvidia.com/gpu": str(devices)}
    return {
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "other"},
        "spec": {"nodeName": node, "containers": [{"name": "c", "resources": {"requests": requests}}]},
    }


def test_a_pod_that_is_listed_twice_counts_once() -> None:
    node = nodes("l4-spot", 1)[0]["metadata"]["name"]
    once = foreign("p", node, 1)
    assert pools(only(world(once, once, infd()))) == ["l4-spot"]
    assert pools(only(world(once, foreign("q", node, 1), infd()))) == ["a100-80"]


def test_the_room_of_each_candidate() -> None:
    """Two L4s; four A100s to a node: what each has before the plan takes any."""
    found = only(world(foreign("p", nodes("l4-spot", 1)[0]["metadata"]["name"], 1), infd()))
    assert found.decision is not None
    verdicts = found.decision.verdicts
    seen = [c.candidate for c in found.decision.placements] + [v.candidate for v in verdicts if v.feasible]
    rooms = {c.pool.name: room.free for c in seen if (room := found.room(c)) is not None}
    assert rooms == {"l4-spot": 1, "a100-80": 4}


CLASSES = {
    "apiVersion": "stowage.dev/v1alpha1",
    "kind": "PlacementPolicy",
    "metadata": {"name": "p"},
    "spec": {
        "default": True,
        "priorityClasses": ["interactive", "batch"],
        "tiers": [{"name": "l4", "accelerators": {"classes": ["nvidia-l4"]}}],
    },
}


def test_the_higher_priority_class_has_the_room() -> None:
    """Two devices, three deployments: the batch job comes first by name and gets none."""
    found = plan(
        world(
            CLASSES,
            infd("a", priorityClassName="batch"),
            infd("b", priorityClassName="interactive"),
            infd("c", priorityClassName="interactive"),
        )
    )
    assert {name: p.placed for name, p in found.items()} == {"a": False, "b": True, "c": True}
    assert list(found) == ["a", "b", "c"]


def kinds(planned: Planned) -> list[str]:
    return [m["kind"] for m in planned.manifests]


def test_manifests_are_those_of_the_next_step() -> None:
    children = ["Service", "PodDisruptionBudget"]
    assert kinds(only(world(infd()))) == [*children, "Deployment"]
    assert kinds(only(world(infd(replicas=0)))) == children
    assert kinds(only(world(infd(paused=True)))) == []
    nowhere = only(world(infd(requirements={"maxCostPerHour": "1"})))
    assert (nowhere.placed, kinds(nowhere)) == (False, children)
    assert "ownerReferences" not in only(world(infd())).manifests[0]["metadata"]


def test_an_argument_of_the_runtimes_own_is_refused_as_the_operator_does() -> None:
    found = only(world(infd(template={"extraArguments": ["--port=1"]})))
    assert (found.placed, found.outcome.code.value, found.manifests) == (False, "ReservedArgument", ())


def live(body: Object) -> Object:
    """The object as a cluster has it."""
    return {**body, "metadata": {**body["metadata"], "uid": "u-1"}}


def live_deployment(offline: Offline, *, ready: int, edited: bool = False) -> Object:
    """The Deployment of the plan as a cluster would have it."""
    made = only(offline).manifests[-1]
    annotations = {**made["metadata"]["annotations"], **({SPEC_HASH: "old"} if edited else {})}
    metadata = {**made["metadata"], "uid": "d-1", "annotations": annotations}
    counts = {"readyReplicas": ready, "updatedReplicas": ready, "replicas": 1}
    return {**made, "metadata": metadata, "status": counts}


@pytest.mark.parametrize(
    ("ready", "edited", "expected"),
    [
        pytest.param(0, False, ["a100-80"], id="it failed"),
        pytest.param(1, False, ["l4-spot"], id="it serves by now"),
        pytest.param(0, True, ["l4-spot"], id="the spec was edited since"),
    ],
)
def test_what_serves_or_was_edited_is_not_left_alone(ready: int, edited: bool, expected: list[str]) -> None:
    serving = live_deployment(world(live(infd())), ready=ready, edited=edited)
    failed = live(infd(status=backoff("2026-01-01T00:05:00Z", reason="Unschedulable")))
    assert pools(only(world(serving, failed))) == expected


def test_what_cannot_be_understood_says_why() -> None:
    broken = infd(replicas="many")
    offline = world(broken)
    assert offline.workloads() == []
    assert "replicas" in offline.misunderstood(("shop", "chat"))

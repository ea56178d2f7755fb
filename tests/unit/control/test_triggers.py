"""Which keys are looked at when something changed, and how soon."""

from __future__ import annotations

from typing import Any

import pytest

from stowage.catalog import load_catalog
from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key
from stowage.control.failing.pods import OwnPod
from stowage.control.line import ROOM, WorkKey
from stowage.control.projections import PodUse, project_node
from stowage.control.triggers import (
    CHILD_SECONDS,
    FLEET_SECONDS,
    PROGRESS_SECONDS,
    ROOM_SECONDS,
    Triggers,
    hit,
)
from stowage.control.world import World
from stowage.placement.failure import PodState
from stowage.placement.snapshot import Holding, Placement

INFDS, FLEET, POLICIES = "inferencedeployments", ("fleet", "", ""), "placementpolicies"


class Bench:
    def __init__(self) -> None:
        self.added: list[tuple[WorkKey, float]] = []
        self.triggers = Triggers(lambda key, seconds: self.added.append((key, seconds)))
        self.world = World(load_catalog(), self.triggers.changed)

    def begin(self) -> None:
        self.triggers.world = self.world
        self.added.clear()


def infd(name: str, version: int = 1, status: dict[str, Any] | None = None) -> Body:
    variant = {"name": "a", "precision": "fp16", "format": "safetensors", "uri": "hf://a/b", "size": "1Gi"}
    return {
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": str(version), "uid": name},
        "spec": {"model": {"name": "m", "task": "text-generation"}, "variants": [variant]},
        **({"status": status} if status else {}),
    }


def child(name: str, owner: str, version: int = 1) -> Body:
    references = [{"kind": "InferenceDeployment", "name": owner, "uid": owner, "controller": True}]
    metadata = {"name": name, "namespace": "shop", "resourceVersion": str(version)}
    return {"metadata": {**metadata, "ownerReferences": references if owner else []}}


@pytest.fixture
def bench() -> Bench:
    made = Bench()
    for name in ("chat", "chat-8b"):
        made.world.workloads.observe("ADDED", infd(name))
    made.begin()
    return made


def test_nothing_is_looked_at_before_everything_is_known() -> None:
    bench = Bench()
    bench.world.workloads.observe("ADDED", infd("chat"))
    assert bench.added == []


@pytest.mark.parametrize(
    ("plural", "key", "expected"),
    [
        (INFDS, ("shop", "chat"), [((INFDS, "shop", "chat"), 0)]),
        ("nodes", ("", "n1"), [(FLEET, FLEET_SECONDS)]),
        ("acceleratorclasses", ("", "c"), [(FLEET, FLEET_SECONDS)]),
        ("acceleratorpools", ("", "p"), [(FLEET, FLEET_SECONDS)]),
        ("inferenceruntimes", ("", "r"), [(FLEET, FLEET_SECONDS)]),
        ("namespaces", ("", "shop"), [(FLEET, FLEET_SECONDS)]),
        (POLICIES, ("", "p"), [(FLEET, FLEET_SECONDS), ((POLICIES, "", ""), FLEET_SECONDS)]),
        ("pods", ("shop", "p"), [(ROOM, ROOM_SECONDS)]),
        ("services", ("shop", "chat"), [((INFDS, "shop", "chat"), CHILD_SECONDS)]),
        ("services", ("shop", "chat-8b-12345678"), [((INFDS, "shop", "chat-8b"), CHILD_SECONDS)]),
        ("services", ("shop", "other"), []),
        ("services", ("elsewhere", "chat-12345678"), []),
    ],
)
def test_what_is_looked_at(
    bench: Bench, plural: str, key: Key, expected: list[tuple[WorkKey, float]]
) -> None:
    bench.triggers.changed(plural, key)
    assert bench.added == expected


def test_a_child_leads_to_its_owner_whatever_it_is_called(bench: Bench) -> None:
    bench.world.deployments.observe("ADDED", child("odd", "chat"))
    assert bench.added == [((INFDS, "shop", "chat"), CHILD_SECONDS)]


def test_a_deployment_that_went_makes_room(bench: Bench) -> None:
    bench.world.deployments.observe("ADDED", child("chat-12345678", "chat"))
    bench.added.clear()
    bench.world.deployments.observe("DELETED", child("chat-12345678", "chat", 2))
    assert bench.added == [((INFDS, "shop", "chat"), CHILD_SECONDS), (ROOM, ROOM_SECONDS)]


def test_who_lost_a_node(bench: Bench) -> None:
    assert hit(bench.world) == set()
    placement = Placement("a", "vllm", "p", "c", 1)
    holding = Holding(("shop", "chat-8b"), "chat-8b-12345678", placement, {}, 1, ("n1",))
    bench.world.reserve("shop", holding)
    assert hit(bench.world) == {("shop", "chat-8b")}
    bench.world.node_changed(("", "n1"), None, project_node({"metadata": {"name": "n1"}}))
    assert hit(bench.world) == set()


def pod(**state: Any) -> OwnPod:
    return OwnPod("uid", "chat", "12345678", PodState(**state))


MADE, BOUND = pod(), pod(node="n1", since=1.0)
READY = pod(node="n1", ready=True, running=True)
NO_ROOM, CRASHED = pod(since=1.0), pod(node="n1", since=1.0, ended="OOMKilled", restarts=1)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (None, MADE, PROGRESS_SECONDS),
        (MADE, BOUND, PROGRESS_SECONDS),
        (BOUND, pod(node="n1", since=1.0, waiting="ContainerCreating"), PROGRESS_SECONDS),
        (BOUND, READY, PROGRESS_SECONDS),
        (MADE, NO_ROOM, CHILD_SECONDS),
        (NO_ROOM, BOUND, CHILD_SECONDS),
        (BOUND, pod(node="n1", since=1.0, waiting="ImagePullBackOff"), CHILD_SECONDS),
        (BOUND, CRASHED, CHILD_SECONDS),
        (CRASHED, READY, CHILD_SECONDS),
        (READY, None, CHILD_SECONDS),
    ],
)
def test_a_pod_that_gets_on_is_less_urgent(
    bench: Bench, old: OwnPod | None, new: OwnPod | None, expected: float
) -> None:
    bench.triggers.own_pod(lambda *_: None)(("shop", "p"), old, new)
    assert bench.added == [((INFDS, "shop", "chat"), expected)]


def test_a_foreign_pod_makes_room_only_when_it_goes(bench: Bench) -> None:
    pod = PodUse("n1", {"pods": 1})
    bench.world.pod_changed(("shop", "p"), None, pod)
    assert bench.added == []
    bench.world.pod_changed(("shop", "p"), pod, None)
    assert bench.added == [(ROOM, ROOM_SECONDS)]

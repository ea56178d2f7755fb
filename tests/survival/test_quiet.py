"""A steady cluster: other people's pods come and go, nodes beat, and the operator writes nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from tests.cluster.harness import USER, Object, Stage, eventually
from tests.survival.town import RESULTS, SOAK, Measure, Town, number_of

pytestmark = pytest.mark.cluster

MODELS = number_of("STOWAGE_QUIET_MODELS", 200 if SOAK else 20)
SECONDS = number_of("STOWAGE_QUIET_SECONDS", 600 if SOAK else 10)
WAIT_SECONDS = 600.0 if SOAK else 120.0
AT_ONCE = 20
FOREIGN = 6
"""Pods of others that come and go at once."""


@pytest.fixture
def crowd(town: Town) -> Iterator[Stage]:
    """Many models that serve, in a namespace of their own."""
    cluster = town.stage.cluster
    cluster.kubectl("create", "namespace", "crowd")
    stage = Stage(cluster, town.stage.operator, "crowd")
    stage.pool("l4-spot", MODELS // 2 + FOREIGN)
    stage.apply(stage.policy())
    for first in range(0, MODELS, AT_ONCE):  # a loaded machine takes long over each kubectl
        numbers = range(first, min(first + AT_ONCE, MODELS))
        stage.apply(*(stage.workload(f"model-{number}") for number in numbers))

    def serving() -> int:
        return stage.kubectl("get", "infd").count(" Serving ")

    eventually(serving, lambda count: count == MODELS, WAIT_SECONDS)
    yield stage
    stage.close()
    cluster.kubectl("wait", "--for=delete", "namespace/crowd", f"--timeout={WAIT_SECONDS:.0f}s")


def test_nothing_is_written(town: Town, crowd: Stage) -> None:
    town.silent()
    before = sorted(pod["metadata"]["uid"] for pod in crowd.items("pods"))
    generations = {d["metadata"]["name"]: d["metadata"]["generation"] for d in crowd.items("deployments")}
    town.audit.mark()
    town.proxy.requests = 0
    started = time.monotonic()
    foreign = 0
    while time.monotonic() - started < SECONDS:
        foreign += 1
        crowd.apply(*(pod(number, foreign) for number in range(FOREIGN)))
        names = [f"foreign-{number}" for number in range(FOREIGN)]
        eventually(lambda: _bound(crowd), lambda count: count == FOREIGN, WAIT_SECONDS)
        crowd.kubectl("delete", "pods", *names, "--wait=true")
        if foreign % 20 == 0:
            past = time.monotonic() - started
            print(f"{past:.0f} of {SECONDS} s, {foreign * FOREIGN} pods of others", flush=True)
    writes = [str(each) for each in town.audit.writes(user=USER) if each.resource != "leases"]
    fault = f"{MODELS} models quiet for {SECONDS} s, {foreign * FOREIGN} pods"
    RESULTS.append(Measure(fault, 0.0, 0.0, len(writes), town.proxy.requests, 0))
    assert writes == []
    assert sorted(pod["metadata"]["uid"] for pod in crowd.items("pods")) == before
    assert {
        d["metadata"]["name"]: d["metadata"]["generation"] for d in crowd.items("deployments")
    } == generations


def _bound(stage: Stage) -> int:
    return sum("nodeName" in each["spec"] for each in stage.items("pods", "--selector=foreign"))


def pod(number: int, turn: int) -> Object:
    """A pod of somebody else that takes one device of the pool."""
    limits = {"nvidia.com/gpu": "1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"foreign-{number}", "labels": {"foreign": str(turn)}},
        "spec": {
            "nodeSelector": {"tests.stowage.dev/namespace": "crowd"},
            "tolerations": [{"operator": "Exists"}],
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "main", "image": "example.com/x", "resources": {"limits": limits}}],
        },
    }

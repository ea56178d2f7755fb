"""A leader that is told to end while its API server is away ends all the same, on a cluster of its own."""

from __future__ import annotations

import itertools
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.cluster.harness import OperatorProcess, Stage, eventually, give_rights, kubeconfig_of
from tests.cluster.test_metrics import scrape, value
from tests.conftest import create_kinds

from devcluster.cluster import LocalCluster
from devcluster.components import API_SERVER
from devcluster.testing import ephemeral_cluster
from stowage.control.ending import LAST_SECONDS

pytestmark = pytest.mark.cluster

_numbers = itertools.count(1)
SLACK_SECONDS = 1.0
"""For a busy machine."""


@pytest.fixture(scope="module")
def frail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with ephemeral_cluster(tmp_path_factory.mktemp("ending") / "cluster", node_leases=False) as cluster:
        create_kinds(cluster)
        give_rights(cluster)
        yield cluster


@pytest.fixture(scope="module")
def leader(frail: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OperatorProcess]:
    token = frail.kubectl("-n", "stowage-system", "create", "token", "stowage-operator").stdout.strip()
    folder = tmp_path_factory.mktemp("leader")
    config = kubeconfig_of(frail, folder / "kubeconfig", {"token": token})
    operator = OperatorProcess(
        config, folder / "log", "--leader-elect", "--lease-namespace", "stowage-system"
    )
    yield operator
    if operator.running:
        operator.stop(signal.SIGKILL)


@pytest.fixture
def stage(frail: LocalCluster, leader: OperatorProcess) -> Iterator[Stage]:
    """A leader, and a deployment of which it has written something."""
    leader.start()
    eventually(lambda: value(scrape(leader), "stowage_leader"), lambda found: found == 1)
    namespace = f"ending-{next(_numbers)}"
    frail.kubectl("create", "namespace", namespace)
    made = Stage(frail, leader, namespace)
    made.pool("l4-spot", 2)
    made.apply(made.policy(), made.workload())
    made.wait_ready()
    yield made
    made.close()
    print(f"--- the leader's log\n{leader.text()}")
    assert "Traceback" not in leader.text()


def refuse(frail: LocalCluster) -> Callable[[], object]:
    frail.kill(API_SERVER)
    return lambda: frail.revive(API_SERVER)


def hang(frail: LocalCluster) -> Callable[[], object]:
    """Connections are taken, and nothing ever answers."""
    (server,) = [each for each in frail.processes.alive() if each.name == API_SERVER]
    server.signal(signal.SIGSTOP)
    return lambda: server.signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("take_away", "seconds"),
    [
        pytest.param(refuse, 3.0, id="refused, and known to be away"),
        pytest.param(hang, 0.0, id="hanging, in the midst of a run"),
    ],
)
def test_it_ends_within_seconds_with_0(
    frail: LocalCluster,
    stage: Stage,
    take_away: Callable[[LocalCluster], Callable[[], object]],
    seconds: float,
    record_property: Any,
) -> None:
    stage.patch("infd/chat", {"spec": {"replicas": 2}})  # something to write meanwhile
    give_back = take_away(frail)
    try:
        time.sleep(seconds)
        started = time.monotonic()
        code = stage.operator.stop(signal.SIGTERM)
        took = time.monotonic() - started
    finally:
        give_back()
        frail.wait_ready()
    record_property(f"seconds from SIGTERM to the end, connections {take_away.__name__}", f"{took:.1f}")
    assert (code, took < LAST_SECONDS + SLACK_SECONDS) == (0, True), f"{code} after {took:.1f} s"

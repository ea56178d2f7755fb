"""The operator as a process: what it lacks it says, and it ends when it is told to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.harness import ROOT, OperatorProcess, eventually, kubeconfig_of
from tests.conftest import create_kinds

from devcluster.cluster import LocalCluster
from devcluster.ports import LOOPBACK
from devcluster.processes import start_time_of
from devcluster.testing import ephemeral_cluster

pytestmark = pytest.mark.cluster


Launch = Callable[..., OperatorProcess]


@pytest.fixture
def launch(operator_kubeconfig: Path, tmp_path: Path) -> Iterator[Launch]:
    """Makes operators of this test alone; their logs are shown where it fails."""
    made: list[OperatorProcess] = []

    def make(kubeconfig: Path = operator_kubeconfig, *arguments: str) -> OperatorProcess:
        made.append(OperatorProcess(kubeconfig, tmp_path / f"operator-{len(made)}.log", *arguments))
        return made[-1]

    yield make
    for each in made:
        if each.running:
            each.stop(signal.SIGKILL)
        print(f"--- an operator's log\n{each.text()}")


@pytest.fixture
def limited(cluster: LocalCluster, tmp_path: Path) -> Iterator[tuple[Path, Callable[[list[str]], None]]]:
    """A kubeconfig of an operator without rights, and what gives it all but those to some resources."""
    name = "limited-operator"
    cluster.kubectl("-n", "default", "create", "serviceaccount", name)
    rules = cluster.kubectl.json("get", "clusterrole", "stowage-operator")["rules"]

    def allow(except_for: list[str], verbs: tuple[str, ...] = ()) -> None:
        kept = []
        for rule in rules:
            for resource in rule["resources"]:
                left = [v for v in rule["verbs"] if resource not in except_for or (verbs and v not in verbs)]
                if left:
                    kept.append({**rule, "resources": [resource], "verbs": left})
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name},
        }
        cluster.kubectl("apply", "-f", "-", input=json.dumps({**role, "rules": kept}))

    allow([rule for each in rules for rule in each["resources"]])
    cluster.kubectl(
        "create", "clusterrolebinding", name, f"--clusterrole={name}", f"--serviceaccount=default:{name}"
    )
    token = cluster.kubectl("-n", "default", "create", "token", name).stdout.strip()
    yield kubeconfig_of(cluster, tmp_path / "limited", {"token": token}), allow
    cluster.kubectl("delete", "clusterrole,clusterrolebinding", name)
    cluster.kubectl("-n", "default", "delete", "serviceaccount", name)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_in_good_order(launch: Launch, number: signal.Signals) -> None:
    operator = launch()
    operator.start()
    assert operator.stop(number) == 0
    assert "Traceback" not in operator.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_before_it_has_listed_everything(
    launch: Launch, limited: tuple[Path, Callable[..., None]], number: signal.Signals
) -> None:
    operator = launch(limited[0])
    operator.start(ready=False)
    eventually(lambda: "403" in operator.text())
    assert operator.stop(number) == 0
    assert "Traceback" not in operator.text()


@pytest.mark.parametrize("resource", ["nodes", "pods", "inferencedeployments"])
def test_a_right_that_it_lacks_is_named_and_waited_for(
    launch: Launch, limited: tuple[Path, Callable[..., None]], resource: str
) -> None:
    kubeconfig, allow = limited
    allow([resource])
    operator = launch(kubeconfig)
    operator.start(ready=False)
    eventually(lambda: f"list {resource}" in operator.text() and "403" in operator.text())
    assert operator.running
    assert "Traceback" not in operator.text()
    allow([])
    eventually(operator.answers)


def test_a_right_to_watch_that_it_lacks_is_named(
    launch: Launch, limited: tuple[Path, Callable[..., None]]
) -> None:
    kubeconfig, allow = limited
    allow(["nodes"], verbs=("watch",))
    operator = launch(kubeconfig)
    operator.start(ready=False)
    eventually(lambda: "nodes" in operator.text() and "forbidden" in operator.text())


def test_a_port_in_use_is_one_line(launch: Launch) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        operator = launch()
        operator.port = taken.getsockname()[1]
        operator.start(ready=False)
        assert operator.wait() == 1
    (line,) = operator.text().splitlines()
    assert "address already in use" in line


def test_no_cluster_is_one_line(launch: Launch, tmp_path: Path) -> None:
    operator = launch(tmp_path / "nothing")
    operator.start(ready=False)
    assert operator.wait() == 1
    (line,) = operator.text().splitlines()
    assert "no cluster" in line


def test_without_its_kinds_it_says_what_to_do_and_goes_on_when_they_are_there(
    launch: Launch, tmp_path: Path
) -> None:
    with ephemeral_cluster(tmp_path / "bare") as bare:
        operator = launch(bare.kubeconfig)
        operator.start(ready=False)
        eventually(lambda: "kubectl apply -f crds/" in operator.text())
        create_kinds(bare)
        eventually(operator.answers)
        assert operator.stop() == 0


PARENT = """
import sys, time
from pathlib import Path
from tests.cluster.harness import OperatorProcess
operator = OperatorProcess(Path(sys.argv[1]), Path(sys.argv[2]), "--namespace", "nobodys")
operator.start()
print(operator.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("stopped", [False, True], ids=["as it runs", "stopped by a test"])
def test_none_outlives_a_killed_test_run(operator_kubeconfig: Path, tmp_path: Path, stopped: bool) -> None:
    path = os.pathsep.join(filter(None, (str(ROOT), *sys.path)))
    command = [sys.executable, "-c", PARENT, str(operator_kubeconfig), str(tmp_path / "log")]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        if stopped:
            os.kill(pid, signal.SIGSTOP)
        assert start_time_of(pid) is not None
        parent.kill()
    eventually(lambda: start_time_of(pid) is None)

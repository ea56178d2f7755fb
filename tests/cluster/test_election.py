"""Two operators and one Lease, on a cluster of their own: who decides, and what a fail-over costs."""

from __future__ import annotations

import itertools
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.harness import OperatorProcess, Stage, eventually, give_rights, kubeconfig_of
from tests.cluster.test_metrics import scrape, value
from tests.conftest import create_kinds

from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster
from devcluster.testing import ephemeral_cluster
from stowage.control.lease import Timing

pytestmark = pytest.mark.cluster

SYSTEM = "stowage-system"
LEASE = "stowage-operator"
NAMES = ("stowage-a", "stowage-b")
LOST_LEASE = 3
_numbers = itertools.count(1)
TAKEOVER_SECONDS = 90.0
"""Until a test gives up; the Lease's duration is 15 s."""


class Pair:
    """Two replicas, each with an identity of its own in the audit log."""

    def __init__(self, cluster: LocalCluster, folder: Path) -> None:
        self.cluster = cluster
        self.replicas = {name: self._make(name, folder) for name in NAMES}

    def _make(self, name: str, folder: Path) -> OperatorProcess:
        kubectl = self.cluster.kubectl
        account = f"{SYSTEM}:{name}"
        kubectl("-n", SYSTEM, "create", "serviceaccount", name)
        kubectl(
            "create",
            "clusterrolebinding",
            name,
            "--clusterrole=stowage-operator",
            f"--serviceaccount={account}",
        )
        kubectl(
            "-n",
            SYSTEM,
            "create",
            "rolebinding",
            name,
            "--role=stowage-operator-leader",
            f"--serviceaccount={account}",
        )
        token = kubectl("-n", SYSTEM, "create", "token", name).stdout.strip()
        config = kubeconfig_of(self.cluster, folder / name, {"token": token})
        flags = ("--leader-elect", "--lease-namespace", SYSTEM)
        return OperatorProcess(config, folder / f"{name}.log", *flags, POD_NAME=name)

    def start(self) -> None:
        """Sees to it that both run and one of them leads."""
        for each in self.replicas.values():
            if not each.running:
                each.start()
        self.wait_for_leader(*NAMES)

    def lease(self) -> dict[str, Any]:
        text = self.cluster.kubectl(
            "-n", SYSTEM, "get", "lease", LEASE, "--ignore-not-found", "-o", "json"
        ).stdout
        return dict(json.loads(text)["spec"]) if text else {}

    def holder(self) -> str:
        """Which replica holds the Lease."""
        return str(self.lease().get("holderIdentity") or "").partition("_")[0]

    def wait_for_leader(self, *names: str) -> str:
        return eventually(self.holder, lambda found: found in names, TAKEOVER_SECONDS)

    def roles(self) -> tuple[OperatorProcess, OperatorProcess]:
        """The leader and the standby."""
        leader = self.wait_for_leader(*NAMES)
        (standby,) = set(NAMES) - {leader}
        return self.replicas[leader], self.replicas[standby]

    def name(self, replica: OperatorProcess) -> str:
        (found,) = [name for name, each in self.replicas.items() if each is replica]
        return found


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("election")
    with ephemeral_cluster(folder / "cluster") as cluster:
        create_kinds(cluster)
        give_rights(cluster)
        made = Pair(cluster, folder)
        yield made
        for each in made.replicas.values():
            if each.running:
                each.stop(signal.SIGKILL)


@pytest.fixture
def stage(pair: Pair) -> Iterator[Stage]:
    """A namespace with one deployment that serves."""
    pair.start()
    namespace = f"e{next(_numbers)}"
    pair.cluster.kubectl("create", "namespace", namespace)
    made = Stage(pair.cluster, pair.roles()[0], namespace)
    made.pool("l4-spot", 2)
    made.apply(made.policy(), made.workload())
    made.wait_ready(seconds=60)
    yield made
    made.close()
    for name, each in pair.replicas.items():
        print(f"--- the log of {name}\n{each.text()}")
        assert "Traceback" not in each.text()


def scale(stage: Stage, replicas: int) -> None:
    stage.patch("infd/chat", {"spec": {"replicas": replicas}})


def decides(stage: Stage, replicas: int) -> None:
    """Whoever leads follows a change of the spec, and no pod of before was restarted."""
    before = stage.pod_names()
    scale(stage, replicas)
    eventually(lambda: len(stage.pods()), lambda found: found == replicas, 60)
    stage.wait_ready(seconds=60)
    if replicas >= len(before):
        assert set(before) <= set(stage.pod_names())


def test_one_decides_and_the_other_is_ready(pair: Pair, stage: Stage) -> None:
    leader, standby = pair.roles()
    assert (leader.answers(), standby.answers()) == (True, True)
    log = AuditLog(pair.cluster.audit_log)
    log.mark()
    decides(stage, 2)
    by_standby = log.writes(user=f"system:serviceaccount:{SYSTEM}:{pair.name(standby)}")
    by_leader = log.writes(user=f"system:serviceaccount:{SYSTEM}:{pair.name(leader)}")
    assert by_standby == []
    assert [each for each in by_leader if each.resource == "deployments"] != []
    assert {each.code for each in by_leader if each.resource == "leases"} <= {200}
    assert [value(scrape(each), "stowage_leader") for each in (leader, standby)] == [1, 0]


def test_while_nothing_changes_only_the_lease_is_written(pair: Pair, stage: Stage) -> None:
    log = AuditLog(pair.cluster.audit_log)

    def written() -> dict[str, int]:
        log.mark()
        time.sleep(10.0)
        return Counter(each.resource for each in log.writes(user=f"system:serviceaccount:{SYSTEM}:"))

    # What the deployment's own start asks for, its events among it, may come into the first window.
    started = time.monotonic()
    found = eventually(written, lambda found: found.keys() == {"leases"}, 60)
    assert found["leases"] <= (time.monotonic() - started) / Timing().retry_period + 2


def test_a_leader_that_is_told_to_end_hands_over(pair: Pair, stage: Stage, record_property: Any) -> None:
    leader, standby = pair.roles()
    started = time.monotonic()
    assert leader.stop(signal.SIGTERM) == 0
    assert "released Lease" in leader.text()
    pair.wait_for_leader(pair.name(standby))
    record_property("seconds from SIGTERM to the next leader", f"{time.monotonic() - started:.1f}")
    decides(stage, 2)


def test_a_leader_that_is_killed_is_replaced(pair: Pair, stage: Stage, record_property: Any) -> None:
    leader, standby = pair.roles()
    started = time.monotonic()
    leader.stop(signal.SIGKILL)
    scale(stage, 2)
    pair.wait_for_leader(pair.name(standby))
    record_property("seconds from SIGKILL to the next leader", f"{time.monotonic() - started:.1f}")
    eventually(lambda: len(stage.pods()), lambda found: found == 2, 60)
    record_property("seconds from SIGKILL to a decision", f"{time.monotonic() - started:.1f}")


def test_a_leader_that_was_paused_begins_no_write(pair: Pair, stage: Stage) -> None:
    leader, standby = pair.roles()
    log = AuditLog(pair.cluster.audit_log)
    leader.send(signal.SIGSTOP)
    try:
        pair.wait_for_leader(pair.name(standby))
        decides(stage, 2)
        scale(stage, 1)  # something to do for whoever thinks to be the leader
        log.mark()
    finally:
        leader.send(signal.SIGCONT)
    assert leader.wait(60) == LOST_LEASE
    assert log.writes(user=f"system:serviceaccount:{SYSTEM}:{pair.name(leader)}") == []
    assert "ending, since another process may lead" in leader.text()
    eventually(lambda: len(stage.pods()), lambda found: found == 1, 60)


def test_a_deleted_lease_is_made_anew_and_the_leader_stays(pair: Pair, stage: Stage) -> None:
    leader, _ = pair.roles()
    pair.cluster.kubectl("-n", SYSTEM, "delete", "lease", LEASE)
    assert pair.wait_for_leader(*NAMES) == pair.name(leader)
    decides(stage, 2)


def test_a_lease_given_to_nobody_by_hand_ends_the_leader_and_is_taken_when_it_expires(
    pair: Pair, stage: Stage
) -> None:
    leader, standby = pair.roles()
    change = {"spec": {"holderIdentity": "nobody", "leaseDurationSeconds": 5}}
    pair.cluster.kubectl("-n", SYSTEM, "patch", "lease", LEASE, "--type=merge", "-p", json.dumps(change))
    assert leader.wait(60) == LOST_LEASE
    pair.wait_for_leader(pair.name(standby))
    decides(stage, 2)

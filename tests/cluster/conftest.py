"""One operator for the folder, under an identity of its own, and a stage for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cluster.harness import OperatorProcess, Stage, give_rights, kubeconfig_of

from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster

_numbers = itertools.count(1)
BUILDER = "registry.example.com/stowage/variant-builder:2"


@pytest.fixture(scope="session")
def operator_kubeconfig(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig with a token of the operator's ServiceAccount, which has the least rights."""
    give_rights(cluster)
    token = cluster.kubectl("-n", "stowage-system", "create", "token", "stowage-operator").stdout.strip()
    return kubeconfig_of(cluster, tmp_path_factory.mktemp("operator") / "kubeconfig", {"token": token})


@pytest.fixture(scope="session")
def shared_operator(operator_kubeconfig: Path) -> Iterator[OperatorProcess]:
    options = ("--resync", "10", "--builder-image", BUILDER)
    operator = OperatorProcess(operator_kubeconfig, operator_kubeconfig.with_name("log"), *options)
    operator.start()
    yield operator
    if operator.running:
        operator.stop()


@pytest.fixture
def operator(shared_operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """The running operator; what it logged meanwhile is shown where the test fails."""
    start = shared_operator.size()
    if not shared_operator.running:
        shared_operator.start()
    yield shared_operator
    print(f"--- the operator's log during this test\n{shared_operator.text(start)}")
    assert shared_operator.running, "the operator ended"
    assert "Traceback" not in shared_operator.text(start)


@pytest.fixture
def stage(cluster: LocalCluster, operator: OperatorProcess) -> Iterator[Stage]:
    namespace = f"t{next(_numbers)}"
    cluster.kubectl("create", "namespace", namespace)
    made = Stage(cluster, operator, namespace)
    yield made
    made.close()


@pytest.fixture
def audit(cluster: LocalCluster) -> AuditLog:
    """The API server's audit log from now on."""
    log = AuditLog(cluster.audit_log)
    log.mark()
    return log

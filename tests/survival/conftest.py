"""A cluster of its own, since its components are killed here, an operator behind a proxy that injects
faults, and what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.cluster.harness import OperatorProcess, Stage, give_rights, kubeconfig_of
from tests.conftest import create_kinds
from tests.survival.table import SURVIVED
from tests.survival.town import RESULTS, SEED, Town, number_of

from devcluster.audit import AuditLog
from devcluster.cluster import LocalCluster
from devcluster.faultproxy import FaultProxy
from devcluster.testing import ephemeral_cluster

NAMESPACE = "town"


@pytest.fixture(scope="session")
def frail_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    folder = tmp_path_factory.mktemp("frail") / "cluster"
    with ephemeral_cluster(folder, node_leases=False) as local:
        create_kinds(local)
        give_rights(local)
        yield local


@pytest.fixture(scope="session")
def direct_kubeconfig(frail_cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the operator's ServiceAccount, past the proxy."""
    arguments = ("-n", "stowage-system", "create", "token", "stowage-operator", "--duration=24h")
    token = frail_cluster.kubectl(*arguments).stdout.strip()
    folder = tmp_path_factory.mktemp("frail-operator")
    return kubeconfig_of(frail_cluster, folder / "kubeconfig", {"token": token})


@pytest.fixture(scope="session")
def proxy(direct_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultProxy]:
    with FaultProxy(tmp_path_factory.mktemp("proxy"), direct_kubeconfig, SEED) as running:
        yield running


@pytest.fixture(scope="session")
def frail_operator(proxy: FaultProxy) -> Iterator[OperatorProcess]:
    log = proxy.kubeconfig.with_name("operator.log")
    operator = OperatorProcess(proxy.kubeconfig, log, "--resync", "600")
    operator.start()
    yield operator
    if operator.running:
        operator.stop()


@pytest.fixture(scope="session")
def built_town(frail_cluster: LocalCluster, frail_operator: OperatorProcess, proxy: FaultProxy) -> Town:
    frail_cluster.kubectl("create", "namespace", NAMESPACE)
    stage = Stage(frail_cluster, frail_operator, NAMESPACE)
    made = Town(stage, proxy, AuditLog(frail_cluster.audit_log))
    made.build()
    return made


@pytest.fixture
def town(built_town: Town, request: pytest.FixtureRequest) -> Iterator[Town]:
    """The town, all of it serving; the operator's log during the test is shown where it fails."""
    operator = built_town.stage.operator
    before = len(RESULTS)
    start = operator.size()
    print(f"seed {SEED}; STOWAGE_SEED={SEED} repeats its choices")
    if not operator.running:
        operator.start()
    built_town.converged()
    yield built_town
    built_town.proxy.clear()
    request.node.user_properties += [(SURVIVED, {**asdict(each), "seed": SEED}) for each in RESULTS[before:]]
    print(f"--- the operator's log during this test\n{operator.text(start)}")
    assert operator.running, "the operator ended"
    assert "Traceback" not in operator.text(start)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeats each test that breaks something; the quiet one is long instead."""
    again = number_of("STOWAGE_REPEAT", 1)
    if again > 1 and "town" in metafunc.fixturenames and "crowd" not in metafunc.fixturenames:
        metafunc.fixturenames.append("turn")
        metafunc.parametrize("turn", range(again))

"""A cluster of its own, whose kinds come and go with the chart, and both versions of helm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.chart.harness import HELMS, Helm

from devcluster.cluster import LocalCluster
from devcluster.fleet import apply_fleet, load_fleet, nodes_of, wait_for_nodes
from devcluster.testing import ephemeral_cluster

MONITORING = Path(__file__).with_name("monitoring")


@pytest.fixture(scope="session")
def bare_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """Knows the Prometheus Operator's kinds and none of Stowage's; has nodes for the operator's pods."""
    with ephemeral_cluster(tmp_path_factory.mktemp("chart") / "cluster") as local:
        local.kubectl("apply", "--server-side", "-f", str(MONITORING))
        local.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(MONITORING))
        nodes = nodes_of([each for each in load_fleet() if each.name.startswith("cpu")])
        apply_fleet(local.kubectl, nodes)
        wait_for_nodes(local.kubectl, nodes)
        yield local


@pytest.fixture(scope="session", params=HELMS)
def helm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Each version of helm, without a cluster."""
    return Helm(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """One version of helm, where it doesn't matter which."""
    return Helm("helm4", tmp_path_factory.mktemp("helm"))


@pytest.fixture
def installer(helm: Helm, bare_cluster: LocalCluster) -> Helm:
    """Each version of helm, as the cluster's administrator."""
    return Helm(helm.version, helm.folder, bare_cluster.kubeconfig)

"""One cluster, one installation and one trained model for the whole run. Tests build on each other."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.fleet import FLEET_FILE
from devcluster.kubectl import Kubectl
from devcluster.steps import step
from e2e.client import SAMPLES, Client
from e2e.clusters import Cluster, ClusterKind, make_cluster
from e2e.figures import Figures
from e2e.images import BUILDER, ONNX_SERVER, ensure_images, reference
from e2e.installation import Installation
from e2e.models import train
from e2e.platform import DATA, NAMESPACE, add_nodes, mlserver_override
from e2e.report import collect

ORDER = (
    "install",
    "samples",
    "serving",
    "fallback",
    "variants",
    "registry",
    "openvino",
    "fetching",
    "upgrade",
    "failover",
    "uninstall",
)
"""A test file for each, in the order of an installation's life."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In the order of an installation's life."""
    items.sort(key=lambda item: ORDER.index(item.path.stem.removeprefix("test_")))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Where a test fails, its report shows the cluster as it is at that moment."""
    report = yield
    cluster = item.session.stash.get(CLUSTER, None)
    if report.failed and cluster is not None:
        report.sections.append(("the cluster", collect(cluster)))
    return report


CLUSTER = pytest.StashKey[Cluster]()
FIGURES = pytest.StashKey[Figures]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[FIGURES] = Figures()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What was measured, also of tests that passed."""
    for title, lines in config.stash[FIGURES].tables():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def figures(request: pytest.FixtureRequest) -> Figures:
    """Takes tables of what was measured; they are printed at the end."""
    return request.config.stash[FIGURES]


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster, with the images on its real node."""
    kind = ClusterKind(os.environ.get("STOWAGE_E2E_CLUSTER", "local"))
    state = Path(os.environ["STOWAGE_E2E_STATE"])
    made = make_cluster(kind, state)
    try:
        with step(f"boot the cluster ({kind})"):
            made.start()
        request.session.stash[CLUSTER] = made
        with step("load the images"):
            for archive in ensure_images():
                made.load(archive)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="session")
def kubectl(cluster: Cluster) -> Kubectl:
    """kubectl as the cluster's administrator."""
    return cluster.kubectl


@pytest.fixture(scope="session")
def installation(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The chart, packaged and installed; both replicas are ready."""
    made = Installation(cluster, tmp_path_factory.mktemp("helm"))
    with step("helm install"):
        made.install()
    return made


@pytest.fixture(scope="session")
def fleet(kubectl: Kubectl, installation: Installation) -> None:
    """The demo's simulated accelerators."""
    with step("add the simulated fleet"):
        add_nodes(kubectl, FLEET_FILE)


@pytest.fixture(scope="session")
def samples(cluster: Cluster, installation: Installation) -> dict[str, Any]:
    """Pictures and the digits on them; the models that know them are on a volume of the namespace e2e."""
    cluster.kubectl("create", "namespace", NAMESPACE)
    cluster.kubectl("apply", "-f", "-", input=json.dumps(mlserver_override()))
    cluster.kubectl("apply", "-f", str(DATA / "platform.yaml"))
    with step("train the models in the cluster"):
        return train(cluster, NAMESPACE, reference("mlserver"))


@pytest.fixture(scope="session")
def client(cluster: Cluster, samples: dict[str, Any]) -> Client:
    """A pod that asks model servers."""
    made = Client(cluster, reference(ONNX_SERVER))
    with step("start the client"):
        made.start({SAMPLES: samples})
    return made


@pytest.fixture(scope="session")
def network(cluster: Cluster, samples: dict[str, Any]) -> dict[str, Any]:
    """Sets of pictures and the digits on them; a network that knows them is on the volume, with data."""
    with step("train a network in the cluster"):
        return train(cluster, NAMESPACE, reference(BUILDER), "train_network.py", "measure.py")


@pytest.fixture(scope="session")
def network_client(cluster: Cluster, network: dict[str, Any]) -> Client:
    """A pod that asks for the network's sets: `unseen`, and of these the `clear` ones."""
    made = Client(cluster, reference(ONNX_SERVER), "network-client")
    made.start(network)
    return made

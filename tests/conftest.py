"""What several folders share: one real API server that knows Stowage's kinds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.cluster import LocalCluster
from devcluster.testing import ephemeral_cluster

DESELECTED = pytest.StashKey[bool]()
CRDS = Path(__file__).parents[1] / "crds"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quick ones first, then those that break a cluster, and at the end what looks back at all of it."""
    items.sort(
        key=lambda item: (
            item.get_closest_marker("looks_back") is not None,
            item.get_closest_marker("cluster") is not None,
            "survival" in item.path.parts,
        )
    )


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remembers that only some of the collected tests run."""
    for item in items[:1]:
        item.config.stash[DESELECTED] = True


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A control plane with simulated kubelets and the five kinds, for the whole session."""
    with ephemeral_cluster(tmp_path_factory.mktemp("shared") / "cluster") as local:
        create_kinds(local)
        yield local


def create_kinds(local: LocalCluster) -> None:
    """Creates the CRDs, and waits until the API server serves and lists them all."""
    local.kubectl("apply", "--server-side", "-f", str(CRDS))
    local.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
    # Discovery lists a kind up to some seconds after it is established.
    wanted = len(list(CRDS.glob("*.yaml")))
    deadline = time.monotonic() + 60
    listing = ("api-resources", "--cached=false", "--categories=stowage", "-o", "name")
    while len(local.kubectl(*listing).stdout.splitlines()) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError("the API server doesn't list Stowage's kinds")
        time.sleep(0.1)

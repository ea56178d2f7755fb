from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from devcluster.cluster import LocalCluster
from devcluster.testing import ephemeral_cluster

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def api_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A cluster that knows the five kinds."""
    with ephemeral_cluster(tmp_path_factory.mktemp("api") / "cluster") as cluster:
        cluster.kubectl("apply", "--server-side", "-f", str(CRDS))
        cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
        _wait_until_discovered(cluster)
        yield cluster


def _wait_until_discovered(cluster: LocalCluster) -> None:
    """Discovery lists a kind up to some seconds after it is established."""
    for _ in range(100):
        listed = cluster.kubectl(
            "api-resources", "--cached=false", "--categories=stowage", "-o", "name"
        ).stdout
        if len(listed.splitlines()) == len(list(CRDS.glob("*.yaml"))):
            return
        time.sleep(0.1)
    raise TimeoutError("the API server doesn't list the kinds")

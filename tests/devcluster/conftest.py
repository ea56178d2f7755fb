"""One cluster for all tests here that only read it, or clean up after themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from devcluster.cluster import LocalCluster
from devcluster.testing import ephemeral_cluster


@pytest.fixture(scope="session")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    with ephemeral_cluster(tmp_path_factory.mktemp("booted")) as cluster:
        yield cluster

"""What tests use: a cluster that lives as long as a block, and dies with the test run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from devcluster.cluster import LocalCluster
from devcluster.processes import Lifetime


@contextmanager
def ephemeral_cluster(state: Path, *, node_leases: bool = True) -> Iterator[LocalCluster]:
    """Boot a cluster with its state in the folder `state`, and end it with the block.

    Its processes end with this interpreter too, even when that one is killed.
    """
    cluster = LocalCluster(state, Lifetime.EPHEMERAL, node_leases=node_leases)
    cluster.start()
    try:
        yield cluster
    finally:
        cluster.stop()

"""The API server accepts every entry of the embedded catalog: each is where an override starts from."""

from __future__ import annotations

import pytest

from devcluster.cluster import LocalCluster
from stowage.catalog import load_catalog, source

pytestmark = pytest.mark.cluster


@pytest.mark.parametrize("kind", ["classes", "runtimes"])
def test_every_entry_is_accepted(kind: str, api_cluster: LocalCluster) -> None:
    names = sorted(getattr(load_catalog(), kind))
    manifests = "\n---\n".join(source(name) for name in names)
    answer = api_cluster.kubectl("create", "--dry-run=server", "-o", "name", "-f", "-", input=manifests)
    assert sorted(line.partition("/")[2] for line in answer.stdout.split()) == names
    assert "Warning" not in answer.stderr

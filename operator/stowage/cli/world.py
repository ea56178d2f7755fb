"""Makes a world of what the command line names: files, a fleet, or the cluster of a context."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from stowage.cli.errors import UsageError
from stowage.cli.manifests import Manifest, read, validate
from stowage.cluster.errors import ClusterError
from stowage.control.offline import Offline

Key = tuple[str, str]


def load_world(files: Iterable[str], fleet: str | None, context: str | None) -> tuple[Offline, set[Key]]:
    """A world, and the namespaces and names of the InferenceDeployments that the files hold.

    Files win over the cluster; a fleet stands in for it.

    Raises:
        UsageError: something can't be read, or isn't what it should be.
    """
    offline = Offline()
    manifests = read(files)
    for manifest in manifests:
        validate(manifest)
    if fleet is not None:
        _add_fleet(offline, fleet)
    else:
        read_context(offline, context, workloads=True)
    for manifest in manifests:
        _add(offline, manifest)
    named = {
        (m.body["metadata"].get("namespace", "default"), m.body["metadata"]["name"])
        for m in manifests
        if m.body["kind"] == "InferenceDeployment"
    }
    return offline, named


def _add(offline: Offline, manifest: Manifest) -> None:
    metadata = manifest.body.get("metadata")
    if not isinstance(metadata, dict) or not metadata.get("name"):
        raise UsageError(f"{manifest.place}:{manifest.line_of('metadata')}: metadata.name is missing")
    try:
        offline.add(manifest.body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        kind = f"{manifest.body['kind']} {metadata['name']}"
        raise UsageError(f"{manifest.place}:{manifest.line_of('metadata')}: {kind}: {error}") from None


def _add_fleet(offline: Offline, fleet: str) -> None:
    manifests = read([fleet])
    for manifest in manifests:
        _add(offline, manifest)
    if not any(m.body["kind"] == "Node" for m in manifests):
        raise UsageError(f"{fleet}: no Node in it; write it with kubectl get nodes -o yaml")


def read_context(offline: Offline, context: str | None, *, workloads: bool) -> None:
    """Adds what the cluster of a context has, read-only.

    Raises:
        UsageError: there is no such context, or the cluster doesn't answer or doesn't let us read.
    """
    from stowage.cluster.client import KubernetesCluster
    from stowage.control.live import read_cluster

    async def fetch() -> None:
        async with KubernetesCluster.connect(context) as cluster:
            await read_cluster(cluster, offline, workloads=workloads)

    try:
        asyncio.run(fetch())
    except ClusterError as error:
        raise UsageError(str(error)) from None

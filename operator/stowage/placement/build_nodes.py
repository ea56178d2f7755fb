"""Which nodes may build, where a policy says so by their class."""

from __future__ import annotations

from collections.abc import Iterable

from stowage.api.builds import Builds
from stowage.placement.snapshot import Pool


def building_pools(builds: Builds, pools: Iterable[Pool]) -> tuple[Pool, ...]:
    """The pools of the policy's class whose nodes have the labels that it asks for besides. A pool without a
    node yet counts if nodes can come to it: whether they will have the labels is then not known."""
    asked = builds.node_selector.items()
    return tuple(
        pool
        for pool in pools
        if pool.accelerator_class.name == builds.accelerator_class
        and (any(asked <= node.labels.items() for node in pool.nodes) or (pool.provision and not pool.nodes))
    )

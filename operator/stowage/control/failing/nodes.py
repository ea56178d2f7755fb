"""Which nodes live, as far as a placement on them goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from stowage.cluster.reflector import Key
from stowage.placement.snapshot import Node

DISRUPTED_NODES = 3
DISRUPTED_PERCENT = 55
"""Where so many nodes, and such a share of all, are not ready at once, it is not the nodes that are lost but
their way to the API server, as after its restart. The node controller stops evicting then too
(k8s.io/kubernetes/pkg/controller/nodelifecycle, ComputeZoneState and unhealthy-zone-threshold)."""
COUNT_SECONDS = 1.0
"""How old a count of the nodes may be: counting thousands for each pod would be waste."""


class Nodes:
    """Asks the store of nodes."""

    def __init__(self, nodes: Mapping[Key, Node], clock: Callable[[], float] = time.monotonic) -> None:
        self._nodes = nodes
        self._clock = clock
        self._counted: float | None = None
        self._disrupted = False

    def alive(self, name: str) -> bool | None:
        """Whether a node lives; None for one that isn't there. One that isn't ready counts as alive while
        most are not."""
        node = self._nodes.get(("", name))
        if node is None:
            return None
        return node.ready or self._is_disrupted()

    def _is_disrupted(self) -> bool:
        now = self._clock()
        if self._counted is None or now - self._counted >= COUNT_SECONDS:
            lost = sum(not node.ready for node in self._nodes.values())
            self._disrupted = lost >= DISRUPTED_NODES and 100 * lost >= DISRUPTED_PERCENT * len(self._nodes)
            self._counted = now
        return self._disrupted

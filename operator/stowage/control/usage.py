"""What bound pods take, by node, kept up to date as pods come and go."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from stowage.cluster.reflector import Key
from stowage.control.projections import PodUse
from stowage.placement.snapshot import Amounts

Group = tuple[str, str, str]
"""Namespace, InferenceDeployment and placement hash."""


class Usage:
    """Sums of requests by node, and the nodes of our own pods by placement."""

    def __init__(self) -> None:
        self._by_node: dict[str, dict[str, int]] = {}
        self._bound: dict[Group, dict[Key, str]] = {}
        self._changed: set[str] = set()

    def changes(self) -> dict[str, Amounts]:
        """The sums of nodes on which something changed since the last call; empty where no pod is left."""
        changed, self._changed = self._changed, set()
        return {name: dict(self._by_node.get(name, {})) for name in changed}

    @property
    def by_node(self) -> Mapping[str, Amounts]:
        """By node: what all bound pods request. A live view."""
        return MappingProxyType(self._by_node)

    def bound(self, group: Group) -> tuple[str, ...]:
        """Nodes of the placement's bound pods, one entry a pod."""
        return tuple(sorted(self._bound.get(group, {}).values()))

    def change(self, key: Key, old: PodUse | None, new: PodUse | None) -> None:
        """Takes in that a pod changed."""
        if old is not None:
            self._count(key, old, -1)
        if new is not None:
            self._count(key, new, 1)

    def _count(self, key: Key, pod: PodUse, sign: int) -> None:
        self._changed.add(pod.node)
        total = self._by_node.setdefault(pod.node, {})
        for name, amount in pod.requests.items():
            total[name] = total.get(name, 0) + sign * amount
        if total.get("pods", 0) <= 0:
            del self._by_node[pod.node]
        if not pod.owner:
            return
        group = key[0], pod.owner, pod.placement
        pods = self._bound.setdefault(group, {})
        if sign > 0:
            pods[key] = pod.node
        else:
            pods.pop(key, None)
            if not pods:
                del self._bound[group]

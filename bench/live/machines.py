"""Nodes and what is free on them: a scheduler that takes the first node that fits."""

from __future__ import annotations

from collections.abc import Mapping

from bench.fleets import POOL
from bench.live.client import Object
from stowage.control.projections import project_node


class Machines:
    """Nodes by pool, as the label of a pool has it; first fit, so that few nodes are left in pieces."""

    def __init__(self) -> None:
        self._free: dict[str, dict[str, int]] = {}
        self._labels: dict[str, Mapping[str, str]] = {}
        self._pools: dict[str, list[str]] = {}

    def put(self, body: Object) -> None:
        """Takes in a node that is new; what is known of one stays."""
        node = project_node(body)
        if node.name in self._free:
            return
        self._free[node.name] = dict(node.allocatable)
        self._labels[node.name] = node.labels
        self._pools.setdefault(node.labels.get(POOL, ""), []).append(node.name)

    def remove(self, name: str) -> None:
        """Takes in that a node is gone."""
        self._free.pop(name, None)
        labels = self._labels.pop(name, {})
        pool = self._pools.get(labels.get(POOL, ""), [])
        if name in pool:
            pool.remove(name)

    def take(self, spec: Object, needs: Mapping[str, int]) -> str:
        """The node on which a pod of this spec fits, with what it needs taken; empty where there is none."""
        for terms in _terms(spec):
            for name in self._candidates(terms):
                free = self._free[name]
                if all(free.get(key, 0) >= amount for key, amount in needs.items()):
                    for key, amount in needs.items():
                        free[key] -= amount
                    return name
        return ""

    def give_back(self, name: str, needs: Mapping[str, int]) -> None:
        """Frees what was taken, where the node is still there."""
        free = self._free.get(name)
        for key, amount in needs.items():
            if free is not None:
                free[key] += amount

    def _candidates(self, wanted: Mapping[str, frozenset[str]]) -> list[str]:
        pools = wanted.get(POOL)
        names = [n for p in pools for n in self._pools.get(p, ())] if pools else list(self._free)
        return [n for n in names if all(self._labels[n].get(k) in v for k, v in wanted.items())]


def _terms(spec: Object) -> list[dict[str, frozenset[str]]]:
    """Of the pod's required node affinity, as far as the operator uses it: labels with one of some values."""
    affinity = spec.get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    return [
        {
            each["key"]: frozenset(each["values"])
            for each in term.get("matchExpressions", ())
            if each["operator"] == "In"
        }
        for term in required.get("nodeSelectorTerms", ())
    ] or [{}]

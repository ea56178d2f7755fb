"""Values of the chart in combinations: each alone, none, all, and every pair of any two settings."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

Values = dict[str, Any]

POLICY = {"goal": "Cheapest", "default": True, "tiers": [{"name": "any", "accelerators": {}}]}
SETTINGS: Mapping[str, tuple[Values, ...]] = {
    "scope": ({}, {"watchNamespaces": ["shop"]}, {"watchNamespaces": ["shop", "bank", "stowage-system"]}),
    "crds": ({}, {"crds": {"keep": False}}, {"crds": {"install": False}}),
    "rbac": (
        {},
        {"rbac": {"create": False}},
        {"rbac": {"aggregate": False, "readers": [{"kind": "Group", "name": "system:authenticated"}]}},
    ),
    "account": (
        {},
        {"serviceAccount": {"create": False, "name": "theirs"}},
        {"serviceAccount": {"name": "ours", "annotations": {"example.com/role": "placer"}}},
    ),
    "image": (
        {},
        {
            "image": {"registry": "registry.example:5000", "tag": "1.2"},
            "imagePullSecrets": [{"name": "pull"}],
        },
        {"image": {"digest": f"sha256:{'ab' * 32}", "pullPolicy": "Always"}},
    ),
    "names": (
        {},
        {"nameOverride": "placer", "commonLabels": {"team": "platform"}},
        {"fullnameOverride": "a" * 50},
    ),
    "replicas": (
        {},
        {"replicaCount": 1, "podDisruptionBudget": {"enabled": False}},
        {"replicaCount": 5, "podDisruptionBudget": {"maxUnavailable": "40%"}},
    ),
    "pods": (
        {},
        {
            "nodeSelector": {"pool": "system"},
            "tolerations": [{"key": "system", "operator": "Exists", "effect": "NoSchedule"}],
            "affinity": {
                "nodeAffinity": {
                    "requiredDuringSchedulingIgnoredDuringExecution": {
                        "nodeSelectorTerms": [
                            {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["system"]}]}
                        ]
                    }
                }
            },
            "priorityClassName": "system-cluster-critical",
            "podLabels": {"tier": "control"},
            "podAnnotations": {"example.com/a": "b"},
            "env": [{"name": "HTTPS_PROXY", "value": "http://proxy.example:3128"}],
            "extraArgs": ["--resync=60"],
            "modelFetcher": {"image": "registry.example:5000/model-fetcher:2"},
            "variantBuilder": {"image": "registry.example:5000/variant-builder:2"},
        },
        {"topologySpreadConstraints": [], "resources": {}, "podSecurityContext": {}, "securityContext": {}},
    ),
    "network": (
        {},
        {"networkPolicy": {"enabled": True}},
        {
            "networkPolicy": {
                "enabled": True,
                "metricsFrom": [{"namespaceSelector": {}}],
                "apiServerCIDRs": ["10.0.0.1/32", "fd00::1/128"],
                "apiServerPorts": [6443],
            }
        },
    ),
    "monitoring": (
        {},
        {
            "metrics": {
                "service": {"enabled": False},
                "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
                "prometheusRule": {"enabled": True},
                "dashboard": {"enabled": True, "annotations": {"folder": "Stowage"}},
            }
        },
        {"metrics": {"service": {"annotations": {"a": "b"}}, "serviceMonitor": {"enabled": True}}},
    ),
    "admission": ({}, {"admission": {"enabled": False}}),
    "flow": ({}, {"flowControl": {"enabled": True}}, {"flowControl": {"enabled": True, "shares": 5}}),
    "policies": (
        {},
        {"policies": {"cheapest": POLICY}},
        {
            "policies": {"cheapest": POLICY},
            "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "more"}}],
        },
    ),
}
"""Each way to set one thing; the first one is the default."""


def combinations() -> Iterator[Values]:
    """Values in which every pair of two settings of different things occurs at least once.

    Greedy, and the same for every call: of the ways to go on, the one that covers most pairs not yet seen.
    """
    names = list(SETTINGS)
    left = {
        ((a, i), (b, j))
        for a, b in itertools.combinations(names, 2)
        for i in range(len(SETTINGS[a]))
        for j in range(len(SETTINGS[b]))
    }
    while left:
        (first, i), (second, j) = min(left)
        chosen = {first: i, second: j}
        for name in names:
            if name not in chosen:
                chosen[name] = max(
                    range(len(SETTINGS[name])),
                    key=lambda k, name=name: len(left & _pairs(names, {**chosen, name: k})),  # type: ignore[misc]
                )
        left -= _pairs(names, chosen)
        yield {key: value for name in names for key, value in SETTINGS[name][chosen[name]].items()}


def _pairs(names: list[str], chosen: Mapping[str, int]) -> set[tuple[tuple[str, int], tuple[str, int]]]:
    here = [(name, chosen[name]) for name in names if name in chosen]
    return set(itertools.combinations(here, 2))

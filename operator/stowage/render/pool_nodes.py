"""How pods select the nodes of pools, and what they tolerate there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stowage.api.placement_policy import PlacementPolicy
from stowage.placement.recognition import alternatives
from stowage.placement.snapshot import Pool
from stowage.render.names import Object


def node_affinity(pools: Iterable[Pool], more: Sequence[Object] = ()) -> Object:
    """Of a pod: the nodes of any of these pools.

    Args:
        more: requirements on labels that all of them must meet, too.
    """
    terms = [term for pool in pools for term in _terms(pool, more)]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}


def _terms(pool: Pool, more: Sequence[Object]) -> list[Object]:
    """The pool's own labels; where those don't imply the class, also one way to recognise it each."""
    keys = [*(among(k, [v]) for k, v in pool.keys), *more]
    matches = alternatives(pool.accelerator_class, pool.resource, shared=pool.shared)
    if pool.identified_by_keys or not matches:
        return [{"matchExpressions": keys}]
    return [
        {
            "matchExpressions": [
                *keys,
                *(among(k, [v]) for k, v in sorted(match.match_labels.items())),
                *({k: v for k, v in e.to_wire().items() if v} for e in match.match_expressions),
            ]
        }
        for match in matches
    ]


def among(key: str, values: list[str]) -> Object:
    """That a label is one of these."""
    return {"key": key, "operator": "In", "values": values}


def tolerations(pools: Iterable[Pool], policy: PlacementPolicy) -> list[Object]:
    """The classes' own taints and those that the policy allows, whether nodes have them yet or not:
    a taint that appears later must not restart a pod."""
    own = {taint for pool in pools for taint in pool.accelerator_class.spec.taints}
    return [{"key": key, "operator": "Exists"} for key in sorted({*own, *policy.spec.tolerations})]

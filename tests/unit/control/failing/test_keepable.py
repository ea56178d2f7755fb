"""What the next decision may keep, of what serves, drains, failed, or serves again."""

from __future__ import annotations

import pytest

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.parse import parse
from stowage.api.reasons import Code
from stowage.control.failing.review import Review, keepable
from stowage.placement.reasons import Reason
from stowage.placement.snapshot import Placement
from stowage.render.transition import Serving

A, B = (Placement("v", "r", pool, "class", 1) for pool in "ab")
FAILED = Reason(Code.UNSCHEDULABLE, "it did")
SERVING = (Serving("chat-a", A, 1, 0), Serving("chat-b", B, 1, 0))


def workload(*draining: str) -> InferenceDeployment:
    variant = {"name": "v", "precision": "fp16", "format": "safetensors", "uri": "hf://a/b", "size": "1Gi"}
    placements = [
        {
            "deployment": name, "pool": "p", "acceleratorClass": "c", "acceleratorType": "GPU",
            "variant": "v", "precision": "fp16", "runtime": "r", "devicesPerReplica": 1, "replicas": 1,
            "draining": name in draining,
        }
        for name in ("chat-a", "chat-b")
    ]  # fmt: skip
    found: InferenceDeployment = parse(
        {
            "apiVersion": "stowage.dev/v1alpha1",
            "kind": "InferenceDeployment",
            "metadata": {"name": "chat", "namespace": "shop"},
            "spec": {"model": {"name": "m", "task": "text-generation"}, "variants": [variant]},
            "status": {"placements": placements},
        }
    )
    return found


@pytest.mark.parametrize(
    ("draining", "failed", "recovered", "expected"),
    [
        ([], [], [], [A, B]),
        (["chat-a"], [], [], [B]),
        (["chat-a"], [A], [], [B]),
        (["chat-a"], [], [A], [A, B]),
        (["chat-a"], [B], [], [A, B]),
        ([], [A], [], [A, B]),
    ],
    ids=[
        "both serve",
        "a drains",
        "a failed and drains",
        "a failed, drains, and serves by now",
        "what was moved to failed: what drains may stay",
        "what failed is left out by the decision itself",
    ],
)
def test_keepable(
    draining: list[str], failed: list[Placement], recovered: list[Placement], expected: list[Placement]
) -> None:
    review = Review([], {p.id: FAILED for p in failed}, recovered=frozenset(p.id for p in recovered))
    assert list(keepable(workload(*draining), SERVING, review)) == expected

"""Statuses that say the same share what they say."""

from __future__ import annotations

from typing import Any

from stowage.cluster.ports import Body
from stowage.control.parsed import Parsed, Parser


def infd(name: str, *pools: str, message: str = "full") -> Body:
    variant = {"name": "a", "precision": "fp16", "format": "safetensors", "uri": "hf://a/b", "size": "1Gi"}
    reasons = [{"code": "NoCapacity", "message": message}]
    line: dict[str, Any] = {"acceleratorClass": "c", "variant": "a", "runtime": "r", "verdict": "Rejected"}
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"model": {"name": "m", "task": "text-generation"}, "variants": [variant]},
        "status": {"candidates": [{**line, "pool": pool, "reasons": reasons} for pool in pools]},
    }


def test_candidates_are_shared_where_they_are_equal() -> None:
    parser: Parser[Any] = Parser("InferenceDeployment")

    def told(found: Parsed[Any]) -> list[Any]:
        return list(found.value.status.candidates)

    one, other = told(parser(infd("one", "p", "q"))), told(parser(infd("other", "q", "r")))
    odd = told(parser(infd("odd", "q", message="empty")))
    assert [each.pool for each in other] == ["q", "r"]
    assert one[1] is other[0]
    assert one[0].reasons[0] is other[1].reasons[0]
    assert odd[0] is not other[0]
    assert odd[0].reasons[0].message == "empty"

"""What one deployment costs the API server, from its creation until it serves."""

from __future__ import annotations

import collections
import time
from typing import Any

import pytest
from tests.cluster.harness import USER, Stage, eventually

from devcluster.audit import AuditLog, Request

pytestmark = pytest.mark.cluster


def test_what_it_writes_until_a_deployment_serves(
    stage: Stage, audit: AuditLog, record_property: Any
) -> None:
    stage.pool("l4-spot", 1)
    stage.apply(stage.policy())
    time.sleep(1.0)
    audit.mark()
    started = time.monotonic()
    stage.apply(stage.workload())
    stage.wait_ready()
    record_property("seconds from apply to Ready", f"{time.monotonic() - started:.1f}")

    def ours() -> list[Request]:
        return [each for each in audit.writes(user=USER) if each.namespace == stage.namespace]

    eventually(lambda: [each.resource for each in ours()].count("events") >= 2)
    time.sleep(1.0)  # nothing more comes
    writes = ours()
    count = collections.Counter(
        f"{each.verb} {each.resource}{'/' if each.subresource else ''}{each.subresource}" for each in writes
    )
    record_property("writes from apply to Ready", f"{len(writes)}: {dict(sorted(count.items()))}")
    assert [each for each in writes if each.code >= 300] == []
    assert count == {
        "patch deployments": 1,
        "patch services": 1,
        "patch poddisruptionbudgets": 1,
        "patch inferencedeployments/status": 2,
        "create events": 2,
    }

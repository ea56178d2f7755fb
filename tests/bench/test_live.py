"""The scenarios on a real API server work, and count what they say. How fast it is isn't judged here."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from bench.book import Book
from bench.live import burst, timeline
from bench.live.sizes import SMALL
from bench.live.timeline import Story
from devcluster.audit import AuditLog


@pytest.mark.cluster
def test_a_burst_is_measured_and_places_everything() -> None:
    book = Book()
    burst.bursts(SMALL, book)
    assert book.failures == {}
    yard, one = book.results
    assert len(yard.milliseconds) == len(one.milliseconds) == SMALL.yardstick
    assert "incomplete" not in one.facts, "each has Deployment, Service and status"
    assert yard.facts["writes each"] == yard.facts["requests each"] == 3
    assert 3 <= one.facts["writes each"] <= 6
    assert one.facts["of the bare writer"] > 0


def test_the_audit_log_tells_of_each_object(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(
        "".join(
            json.dumps(each) + "\n"
            for each in (
                event("create", "inferencedeployments", "chat", 0, agent="kubectl/v1"),
                event("get", "services", "chat", 1, code=404),
                event("patch", "deployments", "chat-01234567", 2),
                event("patch", "services", "chat", 3),
                event("patch", "services", "chat", 4, code=409),
                event("patch", "inferencedeployments", "chat", 5, subresource="status"),
                event("create", "events", "chat.1", 6),
                event("patch", "deployments", "other-01234567", 7),
                event("patch", "inferencedeployments", "chat", 8, subresource="status"),
            )
        )
    )
    stories, counts = timeline.read(AuditLog(log), "stowage/")
    assert stories == {
        ("shop", "chat"): Story(
            applied=0, children={"deployments": 2, "services": 3}, statuses=[5, 8], requests=4, writes=4
        )
    }
    assert stories["shop", "chat"].complete == 5
    assert counts == Counter(
        {
            "patch deployments": 2,
            "patch services": 1,
            "patch inferencedeployments/status": 2,
            "create events": 1,
        }
    )
    assert timeline.total(counts) == 5


def event(
    verb: str,
    resource: str,
    name: str,
    second: int,
    *,
    agent: str = "stowage/1",
    code: int = 200,
    subresource: str = "",
) -> dict[str, object]:
    """A line of the log, so many seconds after the epoch."""
    target = {"resource": resource, "namespace": "shop", "name": name, "subresource": subresource}
    return {
        "stage": "ResponseComplete",
        "stageTimestamp": f"1970-01-01T00:00:{second:02}.000000Z",
        "user": {"username": "somebody"},
        "verb": verb,
        "userAgent": agent,
        "objectRef": target,
        "responseStatus": {"code": code},
    }

"""When things happened to InferenceDeployments, by the API server's audit log."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

Key = tuple[str, str]
"""Namespace and name."""
READS = frozenset({"get", "list", "watch"})


@dataclass
class Story:
    """What became of one InferenceDeployment: seconds since the epoch at which the answer went out."""

    applied: float
    children: dict[str, float] = field(default_factory=dict)
    """By resource, when the first of them was written."""
    statuses: list[float] = field(default_factory=list)
    requests: int = 0
    """All that the operator asked of the API server about it and its children, Events aside."""
    writes: int = 0

    @property
    def complete(self) -> float:
        """Seconds until Deployment, Service and status were there; infinite where one is missing."""
        needed = [self.children.get(r, float("inf")) for r in ("deployments", "services")]
        return max(*needed, self.statuses[0] if self.statuses else float("inf")) - self.applied

    @property
    def deployment(self) -> float:
        """Seconds until the first Deployment was there."""
        return self.children.get("deployments", float("inf")) - self.applied


def read(path: Path, offset: int, agent: str) -> tuple[dict[Key, Story], Counter[str]]:
    """What the audit log tells from a byte on.

    Args:
        agent: with which the user agent of the measured writer starts.

    Returns:
        The stories of the InferenceDeployments that were created, and how many requests the writer sent
        altogether, by verb and resource.
    """
    stories: dict[Key, Story] = {}
    counts: Counter[str] = Counter()
    for event in _events(path, offset):
        target = event.get("objectRef") or {}
        key = target.get("namespace", ""), target.get("name", "")
        resource, verb, done = target.get("resource", ""), event["verb"], _seconds(event["stageTimestamp"])
        if resource == "inferencedeployments" and verb == "create":
            stories[key] = Story(done)
        if not event.get("userAgent", "").startswith(agent):
            continue
        what = f"{resource}/{target['subresource']}" if target.get("subresource") else resource
        counts[f"{verb} {what}"] += 1
        story = _whose(stories, key)
        if story is None or resource == "events":
            continue
        story.requests += 1
        if verb in READS:
            continue
        story.writes += 1
        if what == "inferencedeployments/status":
            story.statuses.append(done)
        else:
            story.children.setdefault(resource, done)
    return stories, counts


def _whose(stories: dict[Key, Story], key: Key) -> Story | None:
    """The story of an object: children have the name of their owner, or that and a hash."""
    namespace, name = key
    return stories.get(key) or stories.get((namespace, name.rpartition("-")[0]))


def _events(path: Path, offset: int) -> Iterator[dict[str, Any]]:
    with path.open() as file:
        file.seek(offset)
        for line in file:
            if line.endswith("\n"):
                event = json.loads(line)
                if event["stage"] == "ResponseComplete" and (event["responseStatus"].get("code") or 0) < 300:
                    yield event


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def total(counts: Counter[str], verbs: Iterable[str] = ("create", "update", "patch", "delete")) -> int:
    """How many of the requests were of these verbs, Events and Leases aside."""
    aside = ("events", "leases")
    wanted = set(verbs)
    return sum(n for what, n in counts.items() if what.split()[0] in wanted and what.split()[1] not in aside)

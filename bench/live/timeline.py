"""When things happened to InferenceDeployments, by the API server's audit log."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from devcluster.audit import WRITE_VERBS, AuditLog, Request

Key = tuple[str, str]
"""Namespace and name."""
CREATED = '"inferencedeployments"'
"""In every line of the log about one."""


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

    def take(self, request: Request, what: str) -> None:
        """Counts in one of the operator's requests, for a resource or subresource."""
        self.requests += 1
        if not request.is_write:
            return
        self.writes += 1
        if what == "inferencedeployments/status":
            self.statuses.append(request.at)
        else:
            self.children.setdefault(request.resource, request.at)

    @property
    def complete(self) -> float:
        """Seconds until Deployment, Service and status were there; infinite where one is missing."""
        needed = [self.children.get(r, float("inf")) for r in ("deployments", "services")]
        return max(*needed, self.statuses[0] if self.statuses else float("inf")) - self.applied

    @property
    def deployment(self) -> float:
        """Seconds until the first Deployment was there."""
        return self.children.get("deployments", float("inf")) - self.applied


def read(log: AuditLog, agent: str) -> tuple[dict[Key, Story], Counter[str]]:
    """What the audit log tells from its mark on, of requests that were granted.

    Args:
        agent: with which the user agent of the measured writer starts.

    Returns:
        The stories of the InferenceDeployments that were created, and how many requests the writer sent
        altogether, by verb and resource.
    """
    stories = {
        (one.namespace, one.name): Story(one.at)
        for one in log.requests(text=CREATED)
        if one.resource == "inferencedeployments" and one.verb == "create" and one.code < 300
    }
    counts: Counter[str] = Counter()
    for one in log.requests(user_agent=agent):
        if one.code >= 300:
            continue
        what = f"{one.resource}/{one.subresource}" if one.subresource else one.resource
        counts[f"{one.verb} {what}"] += 1
        story = _whose(stories, (one.namespace, one.name))
        if story is not None and one.resource != "events":
            story.take(one, what)
    return stories, counts


def count_lines(log: AuditLog, agent: str) -> int:
    """How many requests a client made since the mark, without looking into them."""
    with log.path.open() as file:
        file.seek(log.offset)
        return sum(agent in line for line in file)


def _whose(stories: dict[Key, Story], key: Key) -> Story | None:
    """The story of an object: children have the name of their owner, or that and a hash."""
    namespace, name = key
    return stories.get(key) or stories.get((namespace, name.rpartition("-")[0]))


def total(counts: Counter[str]) -> int:
    """How many of the requests were writes, Events and Leases aside."""
    written = 0
    for what, count in counts.items():
        verb, resource = what.split()
        if verb in WRITE_VERBS and resource not in ("events", "leases"):
            written += count
    return written

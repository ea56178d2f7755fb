"""Figures that several scenarios make of what they saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from bench.live import timeline
from bench.live.client import GROUP
from bench.live.site import NAMESPACE
from bench.live.timeline import Key, Story
from stowage.cluster.transport import USER_AGENT

INFDS = f"{GROUP}/namespaces/{NAMESPACE}/inferencedeployments"
AGENT = USER_AGENT.partition("/")[0] + "/"
"""With which the operator's user agent starts."""
SERVER = "CPU s of the API server"


def told(stories: dict[Key, Story]) -> list[Story]:
    """Those that came to their end: Deployment, Service and status are there."""
    return [each for each in stories.values() if each.complete != float("inf")]


def in_ms(stories: Iterable[Story]) -> tuple[float, ...]:
    """Until each had everything."""
    return tuple(each.complete * 1e3 for each in stories)


def facts_of(stories: dict[Key, Story], counts: Counter[str]) -> dict[str, float]:
    """How quick it went, and with how many requests. Raises ValueError where nothing came to its end."""
    ended = told(stories)
    if not ended:
        raise ValueError(f"none of {len(stories)} got Deployment, Service and status")
    took = max(s.applied + s.complete for s in ended) - min(s.applied for s in ended)
    found = {
        "s in all": round(took, 1),
        "a second": round(len(ended) / took, 1),
        "requests each": round(sum(s.requests for s in ended) / len(ended), 2),
        "writes each": round(timeline.total(counts) / len(ended), 2),
    }
    return {**found, "incomplete": len(stories) - len(ended)} if len(ended) < len(stories) else found

"""Our own pods, those without a node included, as far as their failures go."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any

from stowage.cluster.ports import Body
from stowage.cluster.reflector import Key
from stowage.control.usage import Group
from stowage.placement.failure import NO_IMAGE, NO_START, PodState
from stowage.render.fetcher import FETCHER
from stowage.render.names import OWNER_LABEL, PLACEMENT_LABEL

MESSAGE_LENGTH = 160
"""Of what the kubelet says of an image. More doesn't fit into a status."""
LAST_WORDS_LENGTH = 170
"""Of what a container leaves as its termination message: room for a sentence with two digests."""
FETCHER_WORDS_LENGTH = 250
"""The same of the fetcher, whose words stand alone."""


@dataclass(frozen=True, slots=True)
class OwnPod:
    """One of our pods."""

    uid: str
    owner: str
    placement: str
    state: PodState
    served: bool = False
    """Whether its containers were ready when the kubelet last said anything."""


def project_own_pod(body: Body) -> OwnPod | None:
    """A pod of ours; None for one that has ended or is on its way out."""
    metadata, status = body["metadata"], body.get("status") or {}
    if "deletionTimestamp" in metadata or status.get("phase") in ("Succeeded", "Failed"):
        return None
    labels = metadata.get("labels") or {}
    if OWNER_LABEL not in labels or PLACEMENT_LABEL not in labels:
        return None
    containers = status.get("containerStatuses") or ()
    return OwnPod(
        uid=metadata.get("uid", ""),
        owner=intern(labels[OWNER_LABEL]),
        placement=intern(labels[PLACEMENT_LABEL]),
        state=_state(body.get("spec") or {}, status),
        served=bool(containers) and all(c.get("ready") for c in containers),
    )


def _state(spec: Mapping[str, Any], status: Mapping[str, Any]) -> PodState:
    node = spec.get("nodeName") or ""
    conditions = {c["type"]: c for c in status.get("conditions") or ()}
    ready = conditions.get("Ready", {}).get("status") == "True"
    since = None if ready else _since(conditions, bound=bool(node))
    containers = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    if ready or not containers:
        # What else may be said of a pod that serves is no cause for work.
        return PodState(node=intern(node), ready=ready, since=since, running=ready)
    troubled = min(containers, key=_order)
    if since is not None:
        since = _fetched(troubled, status, since)
    return _troubled(troubled, intern(node), since)


def _fetched(troubled: Mapping[str, Any], status: Mapping[str, Any], since: float) -> float | None:
    """The time of a fetch is no time of the start: the server has all of it once the model is there."""
    if troubled["name"] == FETCHER:
        return None if "running" in (troubled.get("state") or {}) else since
    for container in status.get("initContainerStatuses") or ():
        ended = _last_run(container)
        if container["name"] == FETCHER and container.get("ready") and ended.get("finishedAt"):
            return max(since, _seconds(ended["finishedAt"]) or since)
    return since


def _since(conditions: Mapping[str, Any], *, bound: bool) -> float | None:
    scheduled, ready = conditions.get("PodScheduled", {}), conditions.get("Ready", {})
    if not bound:
        waits = scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable"
        return _seconds(scheduled.get("lastTransitionTime")) if waits else None
    return _seconds((ready or scheduled).get("lastTransitionTime"))


def _order(container: Mapping[str, Any]) -> tuple[bool, bool, bool, bool]:
    """The container that is to blame comes first."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason", "")
    return (
        reason not in NO_IMAGE,
        _last_run(container).get("reason") != "OOMKilled",
        reason != "CrashLoopBackOff",
        bool(container.get("ready")),
    )


def _troubled(container: Mapping[str, Any], node: str, since: float | None) -> PodState:
    state = container.get("state") or {}
    waiting, last = state.get("waiting") or {}, _last_run(container)
    reason = intern(waiting.get("reason", ""))
    started, finished = _seconds(last.get("startedAt")), _seconds(last.get("finishedAt"))
    fetcher = container["name"] == FETCHER
    return PodState(
        node=node,
        since=since,
        waiting=reason,
        message=_words_of_fetcher(reason, waiting, last) if fetcher else _message(reason, waiting, last),
        fetcher=fetcher,
        exit_code=int(last.get("exitCode", 0)) if fetcher else 0,
        running="running" in state,
        restarts=int(container.get("restartCount", 0)),
        ended=intern(last.get("reason", "")),
        ran=max(0.0, finished - started) if started is not None and finished is not None else 0.0,
    )


def _message(reason: str, waiting: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """What the kubelet says of an image, or what a container that crashes said at last."""
    if reason in NO_IMAGE:
        return str(waiting.get("message", ""))[:MESSAGE_LENGTH]
    if reason == "CrashLoopBackOff":
        return _last_words(last)[:LAST_WORDS_LENGTH]
    return ""


def _words_of_fetcher(reason: str, waiting: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    """The same of the fetcher, and while it tries again what it said the last time: the status tells of that
    until it is otherwise."""
    if reason in NO_IMAGE | NO_START:
        return str(waiting.get("message", ""))[:MESSAGE_LENGTH]
    return _last_words(last)[:FETCHER_WORDS_LENGTH] if last.get("exitCode") else ""


def _last_words(last: Mapping[str, Any]) -> str:
    words = "".join(c if c.isprintable() else " " for c in str(last.get("message", "")))
    return " ".join(words.split())


def _last_run(container: Mapping[str, Any]) -> Mapping[str, Any]:
    """How the container last ended."""
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        if state.get("terminated"):
            return dict(state["terminated"])
    return {}


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


class OwnPods:
    """Our pods by placement, and since when one has lost the node on which it served."""

    def __init__(self, alive: Callable[[str], bool | None], clock: Callable[[], float]) -> None:
        """Args:
        alive: whether a node lives; None for one that isn't there.
        clock: seconds since the epoch.
        """
        self._alive = alive
        self._clock = clock
        self._groups: dict[Group, dict[Key, OwnPod]] = {}
        self._at_home: set[Key] = set()
        self._lost: dict[Group, float] = {}

    def change(self, key: Key, old: OwnPod | None, new: OwnPod | None) -> None:
        """Takes in that a pod changed."""
        if old is not None:
            group = key[0], old.owner, old.placement
            if new is None and old.served and self._dead(key, old.state.node):
                self._lost.setdefault(group, self._clock())
            self._groups[group].pop(key, None)
            if not self._groups[group]:
                del self._groups[group]
        if new is not None:
            self._groups.setdefault((key[0], new.owner, new.placement), {})[key] = new
        else:
            self._at_home.discard(key)

    def of(self, group: Group) -> tuple[OwnPod, ...]:
        """The placement's pods, by name."""
        return tuple(pod for _, pod in sorted(self._groups.get(group, {}).items()))

    def dead_nodes(self, group: Group) -> frozenset[str]:
        """Nodes of the placement's pods that are gone or not ready."""
        pods = self._groups.get(group, {})
        return frozenset(p.state.node for key, p in pods.items() if self._dead(key, p.state.node))

    def lost_since(self, group: Group, dead: Collection[str]) -> float | None:
        """Since when the placement has lost a node on which it was serving; None once it serves."""
        pods = self._groups.get(group, {}).values()
        if any(p.state.ready and p.state.node not in dead for p in pods):
            self._lost.pop(group, None)
        elif any(p.served and p.state.node in dead for p in pods):
            self._lost.setdefault(group, self._clock())
        return self._lost.get(group)

    def serves(self, group: Group) -> bool:
        """Whether a pod of the placement serves, on a node that lives."""
        dead = self.dead_nodes(group)
        return any(p.state.ready and p.state.node not in dead for p in self.of(group))

    def forget(self, owner: Key, placements: Collection[str]) -> None:
        """Forgets losses of an owner's placements that aren't there any more."""
        gone = [g for g in self._lost if g[:2] == owner and g[2] not in placements]
        for group in gone:
            del self._lost[group]

    def _dead(self, key: Key, node: str) -> bool:
        """Whether a pod's node is lost. One that was never seen may be new: the watches of pods and nodes
        are not in step."""
        if not node:
            return False
        alive = self._alive(node)
        if alive:
            self._at_home.add(key)
            return False
        return alive is False or key in self._at_home

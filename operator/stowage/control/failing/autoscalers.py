"""Whether an autoscaler is bringing nodes for pods that have none, as its events about them say.

cluster-autoscaler says ``TriggeredScaleUp`` of each pod that a scale-up is for, and ``NotTriggerScaleUp``
of those that none would help (kubernetes/autoscaler, processors/status/eventing_scale_up_processor.go).
Karpenter says ``Nominated``, "Pod should schedule on: nodeclaim/NAME", and deletes a NodeClaim for which
the cloud has no machine (sigs.k8s.io/karpenter, pkg/controllers/provisioning/scheduling/events.go).

Events are asked for only when a pod is about to count as failed: watching a cluster's events would cost
more than all else.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass

from stowage.cluster.errors import ClusterError, Forbidden
from stowage.cluster.ports import EVENTS, NODE_CLAIMS, Body, Cluster

BRINGS = frozenset({"TriggeredScaleUp", "Nominated"})
GIVES_UP = frozenset({"NotTriggerScaleUp"})
CLAIM = re.compile(r"\bnodeclaim/([a-z0-9][-a-z0-9.]*)")
MOST_PODS = 3
"""Of one placement that are asked about: they wait for the same."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Said:
    """What an autoscaler said of a pod."""

    time: str
    brings: bool
    claim: str = ""
    """The NodeClaim that is to become the pod's node."""


class Autoscalers:
    """Asks one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._warned = False

    async def bring(self, namespace: str, uids: Iterable[str]) -> bool:
        """Whether nodes are on their way for one of these pods."""
        for uid in list(uids)[:MOST_PODS]:
            said = await self._last_word(namespace, uid)
            if said is not None and said.brings and await self._holds(said):
                return True
        return False

    async def _last_word(self, namespace: str, uid: str) -> Said | None:
        try:
            found = await self._cluster.list(
                EVENTS, namespace=namespace, field_selector=f"regarding.uid={uid}", decode=said
            )
        except Forbidden as error:
            if not self._warned:
                _log.warning("not seen whether autoscalers bring nodes: %s", error)
            self._warned = True
            return None
        return max((s for s in found.items if s is not None), key=lambda s: s.time, default=None)

    async def _holds(self, word: Said) -> bool:
        """Whether the NodeClaim is still there. Where we can't see it, the event counts."""
        if not word.claim:
            return True
        try:
            return await self._cluster.get(NODE_CLAIMS, word.claim) is not None
        except ClusterError as error:
            _log.info("%s", error)
            return True


def said(event: Body) -> Said | None:
    """What an event of events.k8s.io/v1 says about nodes to come; None if it is about something else."""
    reason, note = event.get("reason", ""), event.get("note", "")
    reporter = event.get("reportingController") or (event.get("deprecatedSource") or {}).get("component", "")
    declined = reason in GIVES_UP or (reason == "FailedScheduling" and reporter == "karpenter")
    if reason not in BRINGS and not declined:
        return None
    claim = CLAIM.search(note)
    return Said(_time(event), brings=not declined, claim=claim[1] if claim else "")


def _time(event: Body) -> str:
    """When it was last seen, as RFC 3339 text. Microseconds are cut off, since only some events have them."""
    series = event.get("series") or {}
    text = (
        series.get("lastObservedTime")
        or event.get("deprecatedLastTimestamp")
        or event.get("eventTime")
        or event["metadata"].get("creationTimestamp", "")
    )
    return str(text)[:19]

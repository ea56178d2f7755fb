"""Watches what DRA publishes, where the cluster has DRA and lets us read it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from stowage.cluster import ports
from stowage.cluster.errors import Forbidden, Gone
from stowage.cluster.ports import Cluster
from stowage.cluster.reflector import Reflector
from stowage.control.devices import project_device_class, project_slice
from stowage.control.world import World
from stowage.observe import metrics

BACKOFF = (0.8, 60.0)
Pause = Callable[[float], Awaitable[None]]
"""Waits so many seconds, or otherwise until a list is likely to succeed."""
_log = logging.getLogger(__name__)


class DeviceWatch:
    """ResourceSlices and DeviceClasses."""

    def __init__(self, cluster: Cluster, world: World, pause: Pause = asyncio.sleep) -> None:
        self._watches = [
            _Watch(cluster, ports.RESOURCE_SLICES, project_slice, world.slice_changed, pause),
            _Watch(cluster, ports.DEVICE_CLASSES, project_device_class, world.device_class_changed, pause),
        ]

    async def run(self) -> None:
        """Runs until cancelled."""
        await asyncio.gather(*(w.reflector.run() for w in self._watches))

    async def answered(self) -> None:
        """Waits until all has been listed, or the cluster said that it hasn't got it or that we mustn't."""
        for one in self._watches:
            waits = [asyncio.ensure_future(e.wait()) for e in (one.reflector.synced, one.refused)]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()

    async def refresh(self) -> None:
        """Waits until all that this cluster has and that we may read has been listed anew."""
        for one in self._watches:
            if one.reflector.synced.is_set():
                await one.reflector.refresh()


class _Watch:
    def __init__(
        self,
        cluster: Cluster,
        resource: ports.ResourceType,
        project: Any,
        on_change: Any,
        pause: Pause,
    ) -> None:
        self.refused = asyncio.Event()
        self._resource = resource
        self.reflector: Reflector[Any] = Reflector(
            cluster,
            resource,
            project=project,
            on_change=on_change,
            on_error=self._on_error,
            backoff=BACKOFF,
            pause=pause,
        )

    def _on_error(self, error: Exception) -> None:
        """A cluster without DRA is an ordinary one. A right that is missing is said once."""
        if isinstance(error, Gone):
            self.refused.set()
        elif isinstance(error, Forbidden):
            if not self.refused.is_set():
                _log.warning("devices that only DRA publishes are not seen: %s", error)
            self.refused.set()
        else:
            metrics.watch_restarted(self._resource.qualified)
            _log.warning("watch: %s", error)

"""kopf: its watches feed our stores. Event handlers write nothing, so nothing here does work.

Facts about kopf 1.45 that this rests on: ``on.event`` needs no finalizer and no annotation; errors in it
are ignored; without posting, peering and scanning kopf writes nothing at all.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn

import kopf

from stowage.cluster.configuration import load_configuration
from stowage.control.store import AnyStore
from stowage.control.world import World
from stowage.observe import metrics

RESTART_SECONDS = 5.0
_log = logging.getLogger(__name__)


async def watch(
    world: World,
    context: str | None,
    find_missed: Callable[[], Awaitable[None]],
    on_signal: Callable[[], object],
) -> NoReturn:
    """Runs kopf until cancelled; kopf would take the signals, so ``on_signal`` gets them back.

    One watch that fails for good, since a right was taken or a CRD is gone, ends all of kopf. That is
    said, and it starts again; ``find_missed`` then looks for what was deleted meanwhile.
    """
    while True:
        try:
            await _run_kopf(registry_for(world, context), settings_for(world), on_signal)
        except Exception as error:
            why = getattr(error, "message", None) or error
            metrics.watch_restarted("all")
            _log.error("the watches ended: %s; they start again in %.0f s", why, RESTART_SECONDS)
        await asyncio.sleep(RESTART_SECONDS)
        await find_missed()


async def _run_kopf(
    registry: kopf.OperatorRegistry, settings: kopf.OperatorSettings, on_signal: Callable[[], object]
) -> None:
    """``kopf.operator``, but that the signals stay ours: kopf loses those that come while a watch fails.

    It waits for, and then cancels, every task that is made after this point.
    """
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(registry=registry, settings=settings, standalone=True, clusterwide=True)
    take_signals(on_signal)
    await kopf.run_tasks(tasks, ignored=others)


def take_signals(on_signal: Callable[[], object]) -> None:
    """Lets SIGTERM and SIGINT call this."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)


def registry_for(world: World, context: str | None) -> kopf.OperatorRegistry:
    """Event handlers for all that the stores keep."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login(context))
    for store in world.stores:
        resource = store.resource
        kopf.on.event(
            resource.group, resource.version, resource.plural, registry=registry, id=resource.plural
        )(_feed(store))
    return registry


def _feed(store: AnyStore) -> Any:
    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        store.observe(event["type"], event["object"])  # type: ignore[arg-type]  # a mapping with more names

    return observe


def _login(context: str | None) -> Any:
    """kopf gets the very credentials that our own client has; it asks again when they expire."""

    async def login(**_: Any) -> kopf.ConnectionInfo:
        found: Any = await load_configuration(context)
        scheme, _, token = found.api_key.get("BearerToken", "").rpartition(" ")
        return kopf.ConnectionInfo(
            server=found.host,
            ca_path=found.ssl_ca_cert,
            insecure=not found.verify_ssl,
            certificate_path=found.cert_file,
            private_key_path=found.key_file,
            scheme=scheme or None,
            token=token or None,
        )

    return login


def settings_for(world: World) -> kopf.OperatorSettings:
    """kopf's settings: quiet, bounded, and filtered by the server where we can say what we want."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (0.5, 1, 2, 4)
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 500
    settings.queueing.worker_limit = None  # a limit below the number of objects deadlocks the start
    settings.queueing.idle_timeout = 1
    settings.process.ultimate_exiting_timeout = None  # kills the process even where kopf is to start again
    for store in world.stores:
        if store.selector:
            resource = store.resource
            selectors: Any = settings.watching.label_selectors
            selectors[resource.group, resource.version, resource.plural] = store.selector
    return settings

"""kopf's handlers and settings: its watches feed our stores. Event handlers write nothing, so nothing here
does work.

Facts about kopf 1.45 that this rests on: ``on.event`` needs no finalizer and no annotation; errors in it
are ignored; without posting, peering and scanning kopf writes nothing at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import kopf

from stowage.cluster.configuration import load_configuration
from stowage.cluster.ports import Body
from stowage.control.store import AnyStore

Observed = tuple[AnyStore, str | None, Body]
"""Where an event belongs, its type, and the object. The type is None for an object that a list found."""


def registry_for(
    stores: Iterable[AnyStore], context: str | None, hand_over: Callable[[Observed], None]
) -> kopf.OperatorRegistry:
    """Event handlers for all that the stores keep."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login(context))
    for store in stores:
        resource = store.resource
        kopf.on.event(
            resource.group, resource.version, resource.plural, registry=registry, id=resource.plural
        )(_feed(store, hand_over))
    return registry


def _feed(store: AnyStore, hand_over: Callable[[Observed], None]) -> Any:
    async def observe(event: kopf.RawEvent, **_: Any) -> None:
        hand_over((store, event["type"], event["object"]))  # type: ignore[arg-type]  # a mapping with more names

    return observe


class NothingToCompare(kopf.DiffBaseStorage):
    """Spares kopf the copy of each object that it would compare with the last one: only handlers of changes
    need that, and we have none."""

    def build(self, *, body: kopf.Body, extra_fields: Any = None) -> kopf.BodyEssence:  # noqa: ARG002
        """Nothing is of the essence."""
        return kopf.BodyEssence()

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:  # noqa: ARG002
        """Nothing was stored."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        """Stores nothing."""


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


def quiet_settings() -> kopf.OperatorSettings:
    """kopf's settings: quiet and bounded."""
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.persistence.diffbase_storage = NothingToCompare()
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (0.5, 1, 2, 4)
    settings.watching.inactivity_timeout = 70
    settings.watching.chunk_size = 500
    settings.queueing.worker_limit = None  # a limit below the number of objects deadlocks the start
    settings.queueing.idle_timeout = 1
    settings.queueing.exit_timeout = 0.5
    settings.process.ultimate_exiting_timeout = None  # kills the process even where kopf is to start again
    return settings

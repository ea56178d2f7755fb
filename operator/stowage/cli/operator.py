"""``stowage operator``: run the operator."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import re
from enum import StrEnum
from typing import Annotated

import typer

NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""An RFC 1123 label, as the API server has it."""
LOST_LEASE = 3
"""The exit code of a process that was the leader and isn't any more."""
COLLECTIONS = 50_000, 20, 50
"""Thresholds of the garbage collector. A page of a list is thousands of dictionaries, none of them garbage,
and by default (700, 10, 10) each page has everything that is kept looked through again: that was two thirds
of the time of decoding 100,000 pods."""

app = typer.Typer(help="Run the operator.", no_args_is_help=True)


class LogFormat(StrEnum):
    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@app.command("run")
def run(
    context: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Context of the kubeconfig. Absent: the current one, or the pod's own."
        ),
    ] = None,
    namespaces: Annotated[
        list[str] | None,
        typer.Option(
            "--namespace",
            metavar="NAME",
            help="Serve this namespace only; give it again for each further one. Absent: all.",
        ),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=256, help="Objects that are worked on at once.")] = 16,
    resync: Annotated[
        float, typer.Option(min=1, help="Seconds between lists that find what watches missed.")
    ] = 300,
    health_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of /healthz and /readyz; 0 for none.")
    ] = 0,
    health_host: Annotated[str, typer.Option(help="Address of the same; 0.0.0.0 in a pod.")] = "127.0.0.1",
    log_format: Annotated[
        LogFormat, typer.Option(help="Lines for people or JSON for machines.")
    ] = LogFormat.TEXT,
    log_level: Annotated[LogLevel, typer.Option(help="What is logged at the least.")] = LogLevel.INFO,
    fetcher_image: Annotated[
        str,
        typer.Option(
            metavar="IMAGE",
            help="Image of what fetches models, where the policy names none. Absent: that of this version.",
        ),
    ] = "",
    builder_image: Annotated[
        str,
        typer.Option(
            metavar="IMAGE",
            help="Image of what builds variants, where the policy names none. Absent: that of this version.",
        ),
    ] = "",
    leader_elect: Annotated[
        bool, typer.Option("--leader-elect", help="Decide only while this process holds the Lease.")
    ] = False,
    lease_name: Annotated[str, typer.Option(metavar="NAME", help="Name of the Lease.")] = "stowage-operator",
    lease_namespace: Annotated[
        str, typer.Option(metavar="NAME", help="Its namespace. Absent: the pod's own, else default.")
    ] = "",
    lease_duration: Annotated[
        float, typer.Option(help="Seconds for which a Lease that is not renewed is left alone.")
    ] = 15,
    renew_deadline: Annotated[
        float, typer.Option(help="Seconds after its last renewal in which a leader writes.")
    ] = 10,
    retry_period: Annotated[float, typer.Option(help="Seconds between renewals, and between tries.")] = 2,
) -> None:
    """Run until SIGTERM or Ctrl-C.

    Exits with 0 when it is told to end, 5 s later at the latest, 1 where it can't go on, 3 when it lost
    the Lease.

    Example:

    \b
    stowage operator run --context kind-demo --health-port 8081
    """
    from stowage.control.ending import end_at_once

    end_at_once()
    from stowage.cluster.errors import ClusterError
    from stowage.control.election import LostLeaseError
    from stowage.control.lease import Timing
    from stowage.control.operator import Election, Options, serve
    from stowage.control.own_images import OwnImages
    from stowage.observe.health import Health
    from stowage.observe.identity import identity, own_namespace
    from stowage.observe.logs import configure_logs

    gc.set_threshold(*COLLECTIONS)
    configure_logs(log_level.value.upper(), log_format.value)
    election = None
    if leader_elect:
        try:
            timing = Timing(lease_duration, renew_deadline, retry_period)
        except ValueError as error:
            typer.echo(f"stowage operator: {error}", err=True)
            raise typer.Exit(1) from None
        election = Election(lease_namespace or own_namespace(), lease_name, identity(), timing)
    for name in namespaces or ():
        if not NAMESPACE.fullmatch(name):
            typer.echo(f"stowage operator: {name!r} is no name of a namespace", err=True)
            raise typer.Exit(1)
    options = Options(
        context=context,
        workers=workers,
        resync_seconds=resync,
        election=election,
        namespaces=tuple(namespaces or ()),
        images=OwnImages.given(fetcher=fetcher_image, builder=builder_image),
    )
    try:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(serve(options, Health(health_host, health_port)))
    except (ClusterError, OSError) as error:
        typer.echo(f"stowage operator: {error}", err=True)
        raise typer.Exit(1) from None
    except LostLeaseError as error:
        typer.echo(f"stowage operator: {error}; ending, since another process may lead", err=True)
        raise typer.Exit(LOST_LEASE) from None

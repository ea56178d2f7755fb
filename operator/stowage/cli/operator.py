"""``stowage operator``: run the operator."""

from __future__ import annotations

import asyncio
import contextlib
from enum import StrEnum
from typing import Annotated

import typer

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
    workers: Annotated[int, typer.Option(min=1, max=256, help="Objects that are worked on at once.")] = 8,
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
) -> None:
    """Run until SIGTERM or Ctrl-C.

    Exits with 0 when it is told to end, 1 where it can't go on.

    Example:

    \b
    stowage operator run --context kind-demo --health-port 8081
    """
    from stowage.cluster.errors import ClusterError
    from stowage.control.operator import Options, serve
    from stowage.observe.health import Health
    from stowage.observe.logs import configure_logs

    configure_logs(log_level.value.upper(), log_format.value)
    options = Options(context=context, workers=workers, resync_seconds=resync)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(serve(options, Health(health_host, health_port)))
    except (ClusterError, OSError) as error:
        typer.echo(f"stowage operator: {error}", err=True)
        raise typer.Exit(1) from None

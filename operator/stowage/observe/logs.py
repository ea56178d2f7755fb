"""Logs: lines for people, or JSON for machines."""

from __future__ import annotations

import logging
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

LogFormat = Literal["text", "json"]


def _without_traceback(record: logging.LogRecord) -> bool:
    """kopf shows its own insides for every watch that the API server refuses; the message says it all."""
    if record.name.partition(".")[0] == "kopf":
        record.exc_info = None
    return True


def configure_logs(level: str, form: LogFormat) -> None:
    """Sends all logs to standard error. kopf speaks only when something is wrong, unless debugging."""
    handler = logging.StreamHandler()
    if form == "json":
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter("{asctime}{levelname}{name}{message}", style="{", rename_fields=names)
        )
    else:
        handler.setFormatter(logging.Formatter("{asctime} {levelname:<7} {message}", style="{"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level != "DEBUG":
        handler.addFilter(_without_traceback)
        logging.getLogger("kopf").setLevel(logging.WARNING)
        logging.getLogger("aiohttp").setLevel(logging.WARNING)

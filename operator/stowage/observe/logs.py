"""Logs: lines for people, or JSON for machines."""

from __future__ import annotations

import logging
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

from stowage.observe.throttle import Throttle

LogFormat = Literal["text", "json"]


_REPEATED = ("will retry", "will re-authenticate", "has failed", "OS signals are ignored")
"""In kopf's lines: it says of each of its watches that each try failed, that it ended, and that all ended.
One line of ours says so once."""


def _without_repetition(record: logging.LogRecord) -> bool:
    """Leaves out kopf's insides and repetitions: an outage shall not be nine lines a second."""
    if record.name.partition(".")[0] == "kopf":
        record.exc_info = None
        return not any(each in record.getMessage() for each in _REPEATED)
    return True


FIELDS = (
    "namespace",
    "object",
    "generation",
    "outcome",
    "reason",
    "placements",
    "seconds",
)
"""Fields that our own lines carry beside the message; in JSON they are keys of their own."""


class TextFormatter(logging.Formatter):
    """Time, level, message, then the fields as ``key=value``; values with blanks or none are quoted."""

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname:<7} {message}", style="{")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        found = [f"{name}={_quoted(getattr(record, name))}" for name in FIELDS if hasattr(record, name)]
        return " ".join([super().formatMessage(record), *found])


def _quoted(value: object) -> str:
    text = str(value)
    return f'"{text}"' if not text or " " in text else text


def configure_logs(level: str, form: LogFormat) -> None:
    """Sends all logs to standard error. kopf speaks only when something is wrong, unless debugging."""
    handler = logging.StreamHandler()
    if form == "json":
        names = {"asctime": "time", "levelname": "level", "name": "logger"}
        handler.setFormatter(
            JsonFormatter("{asctime}{levelname}{name}{message}", style="{", rename_fields=names)
        )
    else:
        handler.setFormatter(TextFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level != "DEBUG":
        handler.addFilter(_without_repetition)
        handler.addFilter(Throttle())
        logging.getLogger("kopf").setLevel(logging.WARNING)
        logging.getLogger("aiohttp").setLevel(logging.WARNING)

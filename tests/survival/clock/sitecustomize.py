"""Shifts the wall clock of a Python process by what a file says, at any time: its seconds are added to what
``time.time`` and ``datetime.now`` return. The monotonic clock stays, as it does where a real clock jumps."""

import datetime
import os
import time
from pathlib import Path

_file = Path(os.environ["SHIFT_FILE"])
_real = time.time


def _shifted() -> float:
    try:
        return _real() + float(_file.read_text() or 0)
    except FileNotFoundError:
        return _real()


class _Datetime(datetime.datetime):
    @classmethod
    def now(cls, tz: "datetime.tzinfo | None" = None) -> "_Datetime":
        return cls.fromtimestamp(_shifted(), tz)


time.time = _shifted
datetime.datetime = _Datetime  # type: ignore[misc]

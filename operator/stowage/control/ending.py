"""How the process ends: in good order at the first signal, and soon in any case.

Nothing is lost by an end at any moment, since what is to be done is read from the cluster. So an end must not
wait for an API server that hangs, a name server that doesn't answer, or a plugin that renews credentials.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

SIGNALS = (signal.SIGTERM, signal.SIGINT)
LAST_SECONDS = 5.0
"""After the first signal the process ends, whatever still hangs."""

_log = logging.getLogger(__name__)


def end_at_once() -> None:
    """Lets signals end the process with 0, until ``take_signals``: nothing has begun. In a container it is
    process 1, which a signal that nobody handles doesn't reach at all."""
    for number in SIGNALS:
        signal.signal(number, lambda *_: sys.exit(0))


def take_signals(on_signal: Callable[[], object], last_seconds: float = LAST_SECONDS) -> None:
    """Lets signals call this, in the running event loop; so many seconds later the process ends with 0 in any
    case."""

    def received() -> None:
        last = threading.Timer(last_seconds, _end_hard, (last_seconds,))
        last.daemon = True  # it doesn't keep a process from ending before
        last.start()
        on_signal()

    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, received)


def _end_hard(seconds: float) -> None:
    """Without waiting for threads, which asyncio and the interpreter do."""
    _log.warning("not everything ended within %g s of the signal; the rest is cut off", seconds)
    os._exit(0)

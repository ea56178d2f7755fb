"""What is done about an API server that is away: nothing, and then all at once.

While it is away every run would fail, each with a wait of its own that grows. So none begins. When it is
back, everything is looked at afresh before the first decision, since the watches missed what happened.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import NoReturn

from stowage.cluster.circuit import Circuit
from stowage.control.line import WorkKey
from stowage.control.queue import WorkQueue
from stowage.observe import metrics

AFRESH_SECONDS = 10.0
"""For how long work waits for lists. Where one of them can't be had, the rest must go on."""


async def sit_out(
    circuit: Circuit,
    queue: WorkQueue[WorkKey],
    look_afresh: Callable[[], Awaitable[None]],
    begin: Callable[[], None],
) -> NoReturn:
    """Holds the queue during each outage, until cancelled.

    Args:
        look_afresh: lists everything.
        begin: has everything looked at.
    """
    while True:
        metrics.away(False)
        await circuit.opened()
        metrics.away(True)
        queue.hold()
        await circuit.closed()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(AFRESH_SECONDS):
                await look_afresh()
        if not circuit.is_open:
            begin()
            queue.resume()

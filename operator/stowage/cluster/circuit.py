"""Whether the API server can be had at all, apart from what becomes of single requests.

A request that gets no answer, or a 5xx, may be its object's own trouble, such as a webhook's, or everybody's.
One small read tells which. While that fails, too, it is repeated about once a second instead of all
other requests, which wait, however long, and go on at once when it succeeds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from random import random as _random
from typing import NoReturn

from stowage.cluster.errors import ClusterError, Conflict, Gone, NotLeading, Retry, Unauthorized

PROBE_SECONDS = (0.5, 1.5)
"""Between two probes, evenly spread: many clients shall not ask at the same moment."""
PROBE_TIMEOUT = 5.0
"""For how long a probe may take. What a dead network swallowed would be waited for longer than that."""
SPREAD_SECONDS = 0.5
"""Over so long those who waited for the API server go on after it is back."""

_log = logging.getLogger(__name__)


def may_be_everybodys(error: ClusterError) -> bool:
    """Whether the error says that nothing answered, or that the server itself failed."""
    if not isinstance(error, Retry) or isinstance(error, Conflict | Unauthorized | NotLeading):
        return False
    return error.status == 0 or error.status >= 500


class Circuit:
    """Open while the API server is away. It never opens where nobody runs ``run``."""

    def __init__(
        self,
        probe: Callable[[], Awaitable[object]],
        *,
        random: Callable[[], float] = _random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Args:
        probe: a read that succeeds where the API server does what it is there for; Gone is an answer, too.
        random: gives numbers in [0, 1), for the jitter.
        clock: seconds, for the log.
        """
        self._probe = probe
        self._random = random
        self._clock = clock
        self._doubted = asyncio.Event()
        self._opened = asyncio.Event()
        self._since = 0.0
        self._back = asyncio.Event()
        """Of the next return: each one is set once."""

    @property
    def is_open(self) -> bool:
        """Whether the API server is away."""
        return self._opened.is_set()

    def doubt(self, error: ClusterError) -> None:
        """A request failed: if that may be everybody's trouble, ``run`` looks whether it is."""
        if may_be_everybodys(error):
            self._doubted.set()

    async def opened(self) -> None:
        """Waits until the API server is away."""
        await self._opened.wait()

    async def closed(self) -> None:
        """Waits while the API server is away."""
        while self.is_open:
            await self._back.wait()

    async def pause(self, seconds: float) -> None:
        """Sleeps so long. Where the API server is or goes away meanwhile, until it is back instead."""
        back = self._back
        try:
            async with asyncio.timeout(seconds):
                await back.wait()
        except TimeoutError:
            if not self.is_open:
                return
            await self.closed()
        await asyncio.sleep(self._random() * SPREAD_SECONDS)

    async def run(self) -> NoReturn:
        """Looks whenever there was a doubt, until cancelled."""
        shortest, longest = PROBE_SECONDS
        while True:
            await self._doubted.wait()
            self._doubted.clear()
            error = await self._ask()
            if error is not None:
                self._open(error)
                self._doubted.set()
            elif self.is_open:
                self._close()
            await asyncio.sleep(shortest + self._random() * (longest - shortest))

    async def _ask(self) -> Exception | None:
        """What is wrong; None where nothing is."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT):
                await self._probe()
        except Gone:
            return None
        except TimeoutError:
            return TimeoutError(f"nothing came for {PROBE_TIMEOUT:g} s")
        except ClusterError as error:
            return error
        return None

    def _open(self, error: Exception) -> None:
        if not self.is_open:
            self._since = self._clock()
            self._opened.set()
            _log.warning("the API server is away; all work waits until it is back: %s", error)

    def _close(self) -> None:
        self._opened.clear()
        back, self._back = self._back, asyncio.Event()
        back.set()
        _log.warning("the API server is back after %.1f s", self._clock() - self._since)

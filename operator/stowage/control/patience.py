"""How soon to look again at what somebody refuses: a quota, an admission policy, an object in the way. That
such a refusal ends is nobody's event."""

from __future__ import annotations

import time
from collections.abc import Callable

from stowage.cluster.reflector import Key

SHORTEST_SECONDS = 5.0
LONGEST_SECONDS = 60.0


class Patience:
    """Waits as long again as a refusal has lasted: a short one costs a short wait, a long one few writes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}

    def wait(self, key: Key) -> float:
        """Seconds until the next look at an object that is refused."""
        now = self._clock()
        lasted = now - self._since.setdefault(key, now)
        return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, lasted))

    def forget(self, key: Key) -> None:
        """It is refused no more, or is gone."""
        self._since.pop(key, None)

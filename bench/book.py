"""What a run has found so far: results, what failed, and what is told meanwhile."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.scenarios import Result


@dataclass
class Book:
    """Scenarios write into it as they go, so that one that fails takes nothing of the others with it."""

    tell: Callable[[str], object] = print
    results: list[Result] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    minutes: float = math.inf
    """For the whole run: what would begin later is left out, and said so."""
    _start: float = field(default_factory=time.monotonic)

    @property
    def left(self) -> float:
        """Seconds of the run's time that are left."""
        return self.minutes * 60 - (time.monotonic() - self._start)

    def begins(self, name: str, needs: float = 0.0) -> bool:
        """Whether there is time for a scenario that needs so many seconds; notes it where there isn't."""
        if self.left > needs:
            self.say(f"{name}: begins")
            return True
        self.failures[name] = f"left out: of {self.minutes:g} minutes for the run too few were left"
        self.say(f"{name}: {self.failures[name]}")
        return False

    def say(self, text: str) -> None:
        """A line of progress."""
        seconds = int(time.monotonic() - self._start)
        self.tell(f"[{seconds // 60:3}:{seconds % 60:02}] {text}")

    def keep(self, *results: Result) -> None:
        """Takes results in, and tells their median. One of which nothing came is a failure."""
        for one in results:
            if not one.milliseconds:
                self.failed(one.name, ValueError("nothing was measured"))
                continue
            self.results.append(one)
            facts = ", ".join(f"{value} {fact}" for fact, value in one.facts.items())
            self.say(f"{one.name}: median {one.percentile(0.5):,.1f} ms{f'; {facts}' if facts else ''}")

    def failed(self, name: str, error: BaseException) -> None:
        """Notes that a scenario, or a part of it, came to nothing."""
        self.failures[name] = f"{type(error).__name__}: {error}"[:500]
        self.say(f"{name} FAILED: {self.failures[name]}")


Scenario = Callable[[Book], None]

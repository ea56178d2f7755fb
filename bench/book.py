"""What a run has found so far: results, what failed, and what is told meanwhile."""

from __future__ import annotations

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
    _start: float = field(default_factory=time.monotonic)

    def say(self, text: str) -> None:
        """A line of progress."""
        seconds = int(time.monotonic() - self._start)
        self.tell(f"[{seconds // 60:3}:{seconds % 60:02}] {text}")

    def keep(self, *results: Result) -> None:
        """Takes results in, and tells their median."""
        for one in results:
            self.results.append(one)
            facts = ", ".join(f"{value} {fact}" for fact, value in one.facts.items())
            self.say(f"{one.name}: median {one.percentile(0.5):,.1f} ms{f'; {facts}' if facts else ''}")

    def failed(self, name: str, error: BaseException) -> None:
        """Notes that a scenario, or a part of it, came to nothing."""
        self.failures[name] = f"{type(error).__name__}: {error}"[:500]
        self.say(f"{name} FAILED: {self.failures[name]}")


Scenario = Callable[[Book], None]

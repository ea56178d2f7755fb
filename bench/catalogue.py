"""The scenarios by name, and in which order they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench import scenarios
from bench.book import Book, Scenario
from bench.live import burst, campaign, curve, disturbances, failover, sizes, steady, storm

PHASES: dict[str, campaign.Phase] = {
    "fleet": steady.fleet,
    "policy-edit": disturbances.policy_edit,
    "restart": disturbances.restart,
    "fail-over": failover.fail_over,
    "storm": storm.storm,
}
"""What happens one after another in one large cluster."""
ALONE: dict[str, Callable[[sizes.Size, Book], None]] = {
    "single": burst.single,
    "burst": burst.bursts,
}
"""What has clusters of its own."""
LAST = "curve"
"""It takes what time is left."""


@dataclass(frozen=True)
class Sizes:
    """Of decisions, and of what runs on a real API server."""

    pure: scenarios.Size = field(default_factory=scenarios.Size)
    live: sizes.Size = field(default_factory=sizes.Size)


SMALL = Sizes(scenarios.SMALL, sizes.SMALL)
NAMES = (*scenarios.every(scenarios.SMALL), *ALONE, *PHASES, LAST)


def plan(names: Sequence[str], size: Sizes) -> list[tuple[str, Scenario]]:
    """What to run for these names, all where none is given. Those of the large cluster share one;
    whichever is named, the fleet is placed first."""
    wanted = set(names or NAMES)
    found: list[tuple[str, Scenario]] = []
    for name, pure in scenarios.every(size.pure).items():
        if name in wanted:
            found.append((name, lambda book, pure=pure: book.keep(*pure())))  # type: ignore[misc]
    for name, alone in ALONE.items():
        if name in wanted:
            found.append((name, lambda book, alone=alone: alone(size.live, book)))  # type: ignore[misc]
    if phases := wanted & PHASES.keys():
        found.append(("fleet", lambda book: asyncio.run(campaign.run(size.live, PHASES, phases, book))))
    if LAST in wanted:
        found.append((LAST, lambda book: curve.curve(size.live, book)))
    return found


def run(names: Sequence[str], size: Sizes, book: Book) -> None:
    """Runs them; one that fails is noted in the book, and the next one begins."""
    for name, scenario in plan(names, size):
        if not book.begins(name):
            continue
        try:
            scenario(book)
        except Exception as error:
            book.failed(name, error)

"""One large cluster, and the scenarios that happen in it one after another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from bench.book import Book
from bench.fleets import Fleet
from bench.live import fleet as fleets
from bench.live import heartbeats
from bench.live.client import GROUP
from bench.live.foreign import FULL
from bench.live.site import Helper, Site, site
from bench.live.sizes import Size


@dataclass
class Campaign:
    """What the scenarios in it work with."""

    here: Site
    fleet: Fleet
    size: Size
    book: Book
    foreign: int = 0
    """Foreign pods that there are."""

    @property
    def title(self) -> str:
        """How large it is, for the names of results: only those of one size are compared."""
        size = self.size
        return f"{size.deployments} on {size.nodes} nodes"

    async def ensure_operator(self) -> None:
        """Starts the operator where it doesn't run, as after a scenario that failed."""
        if not self.here.runs(self.here.operator.name):
            await asyncio.to_thread(self.here.operator.restart)


Phase = Callable[[Campaign], Awaitable[None]]


async def run(size: Size, phases: dict[str, Phase], names: Collection[str], book: Book) -> None:
    """Builds the cluster, then runs the phases of these names; one that fails doesn't keep the next from
    running. The first phase always runs, since the others need what it places."""
    async with site(operator=False, lean=True) as here:
        here.quiet_seconds = size.quiet_seconds
        made = Campaign(here, fleets.fleet(size.pools, size.nodes), size, book)
        await build(made)
        for number, (name, phase) in enumerate(phases.items()):
            if number and (name not in names or not book.begins(name)):
                continue
            try:
                await made.ensure_operator() if number else None
                await phase(made)
                here.check_helpers()
            except Exception as error:
                book.failed(name, error)
                if not number:
                    raise


async def build(made: Campaign) -> None:
    """Everything but the operator and its objects: the fleet, foreign pods, and who plays the rest of
    Kubernetes."""
    size, here = made.size, made.here
    await stock(here, made.fleet)
    made.book.say(f"{size.nodes} nodes in {size.pools} pools are there")
    foreign = here.helper("foreign", str(size.foreign_pods), str(size.churn), str(size.fill_seconds))
    made.foreign = await _full(foreign, made.book)
    made.book.say(f"{made.foreign} foreign pods are there; {size.churn:g} are replaced a second")
    here.helper("kubelets", str(size.ready_seconds), str(size.gc_seconds))
    beats = here.helper("heartbeats", str(size.lease_seconds), str(size.status_seconds))
    await here.until(lambda: _said(beats, heartbeats.BEATING), bool, "heartbeats")
    made.book.say("every node has its Lease")


async def stock(here: Site, fleet: Fleet) -> None:
    """Classes, prices, policies and nodes."""
    await here.client.create(f"{GROUP}/acceleratorclasses", fleets.classes(fleet))
    await here.client.create(f"{GROUP}/acceleratorpools", fleets.prices(fleet))
    await here.client.create(f"{GROUP}/placementpolicies", fleets.policies())
    await here.client.create("/api/v1/nodes", (fleets.node(each) for each in fleet.nodes))


async def _full(foreign: Helper, book: Book) -> int:
    """Waits for the foreign pods, and tells how far they are."""
    told = 0
    while True:
        lines = foreign.said()
        for line in lines[told:]:
            if line.startswith(FULL):
                return int(line.split()[1])
            book.say(f"foreign pods: {line}")
        told = len(lines)
        await asyncio.sleep(0.5)


async def _said(helper: Helper, line: str) -> bool:
    return line in helper.said()


async def timed(action: Callable[[], object]) -> float:
    """Seconds that something blocking takes."""
    start = time.monotonic()
    await asyncio.to_thread(action)
    return time.monotonic() - start

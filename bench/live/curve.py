"""How time and memory grow with the number of deployments: a burst, and a start with all of them there."""

from __future__ import annotations

import asyncio
import time

from bench.book import Book
from bench.live import fleet as fleets
from bench.live import timeline
from bench.live.campaign import stock, timed
from bench.live.following import is_judged
from bench.live.measures import AGENT, INFDS, facts_of, in_ms, told
from bench.live.site import site
from bench.live.sizes import Size
from bench.scenarios import Result


def curve(size: Size, book: Book) -> None:
    """A cluster for each number; one that fails leaves the others. What would take longer than there is time
    for, going by the one before, is left out: the curve of decisions alone has it."""
    pace = 0.0
    for count in sorted(size.curve):
        if not book.begins(f"curve {count}", pace * count):
            continue
        start = time.monotonic()
        try:
            book.keep(*asyncio.run(_one(size, count)))
        except Exception as error:
            book.failed(f"curve {count}", error)
        pace = (time.monotonic() - start) / count


async def _one(size: Size, count: int) -> list[Result]:
    """Without pods: of what follows the decision only Deployment, Service and status are made."""
    async with site(operator=False, lean=True) as here:
        here.quiet_seconds = size.quiet_seconds
        await stock(here, fleets.fleet(size.pools, size.nodes))
        await asyncio.to_thread(here.operator.restart)
        await here.quiet()
        log, before = here.mark(), here.usage().cpu_seconds
        await here.client.create(INFDS, fleets.deployments(0, count))
        await here.rows.until(is_judged, count, "judged")
        await here.quiet()
        stories, counts = await asyncio.to_thread(timeline.read, log, AGENT)
        facts = facts_of(stories, counts)
        facts["CPU ms each"] = round((here.usage().cpu_seconds - before) / count * 1e3, 1)
        facts["peak MiB"] = round(here.usage().peak)
        here.kill()
        ready = await timed(here.operator.restart)
        busy = await here.quiet()
        used = here.usage()
    again = {
        "deployments": count,
        "s at work after that": round(busy, 1),
        "CPU s": round(used.cpu_seconds, 1),
        "MiB": round(used.resident),
    }
    where = f"on {size.nodes} nodes"
    return [
        Result(f"curve: {count} at once {where}", in_ms(told(stories)), facts, clock="wall"),
        Result(f"curve: start with {count} {where}", (ready * 1e3,), again, clock="wall"),
    ]

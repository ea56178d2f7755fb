"""Single objects and bursts of them, on a whole control plane. Times are wall time, from outside."""

from __future__ import annotations

import asyncio

from bench.book import Book
from bench.live import timeline
from bench.live.bare_writer import READY
from bench.live.following import is_placed, is_ready
from bench.live.measures import AGENT, INFDS, SERVER, facts_of, in_ms, told
from bench.live.site import Site, model, site
from bench.live.sizes import Size
from bench.scenarios import Result
from devcluster.audit import AuditLog

SETTLE_SECONDS = 3.0


def single(size: Size, book: Book) -> None:
    """One after another."""
    book.keep(*asyncio.run(_single(size)))


def bursts(size: Size, book: Book) -> None:
    """All at once, and the yardstick in the same run."""
    yard = asyncio.run(_yardstick(size.yardstick))
    book.keep(yard)
    for count in size.bursts:
        if not book.begins(f"burst {count}"):
            continue
        try:
            book.keep(asyncio.run(_burst(count, yard)))
        except Exception as error:
            book.failed(f"burst {count}", error)


async def _single(size: Size) -> list[Result]:
    """One after another: apply to Deployment, and to everything."""
    async with site() as here:
        await here.nodes("l4-spot", -(-size.single // 8))
        log = here.mark()
        for number in range(size.single):
            await here.client.send("POST", INFDS, model(f"one-{number}"))
            await asyncio.sleep(0.2)
        await here.rows.until(is_ready, size.single, "ready")
        stories, _ = timeline.read(log, AGENT)
    ended = told(stories)
    first = tuple(each.deployment * 1e3 for each in ended)
    return [
        Result("single: apply to Deployment", first, clock="wall"),
        Result("single: and Service and status", in_ms(ended), clock="wall"),
    ]


async def _burst(count: int, yard: Result) -> Result:
    async with site() as here:
        await here.nodes("l4-spot", -(-count // 8))
        await asyncio.sleep(SETTLE_SECONDS)
        log, before, server = here.mark(), here.usage(), here.server_seconds()
        await here.client.create(INFDS, (model(f"burst-{n}") for n in range(count)))
        await here.rows.until(is_placed, count, "placed")
        await here.rows.until(is_ready, count, "ready")
        await asyncio.sleep(SETTLE_SECONDS)
        stories, counts = timeline.read(log, AGENT)
        after, server = here.usage(), here.server_seconds() - server
    facts = facts_of(stories, counts)
    facts["CPU s"] = round(after.cpu_seconds - before.cpu_seconds, 1)
    facts[SERVER] = round(server, 1)
    facts["peak MiB"] = round(after.peak)
    if count == len(yard.milliseconds):
        facts["of the bare writer"] = round(facts["a second"] / yard.facts["a second"], 2)
    return Result(f"burst: {count} at once", in_ms(told(stories)), facts, clock="wall")


async def _yardstick(count: int) -> Result:
    """The same with a writer that decides nothing."""
    async with site(operator=False) as here:
        await here.nodes("l4-spot", -(-count // 8))
        await _start_bare_writer(here)
        await asyncio.sleep(SETTLE_SECONDS)
        log, server = here.mark(), here.server_seconds()
        await here.client.create(INFDS, (model(f"burst-{n}") for n in range(count)))
        await here.until(lambda: asyncio.to_thread(_written, log), lambda n: n >= count, "written")
        await asyncio.sleep(SETTLE_SECONDS)
        stories, counts = timeline.read(log, AGENT)
        facts = {**facts_of(stories, counts), SERVER: round(here.server_seconds() - server, 1)}
    name = f"yardstick: bare writer, {count} at once"
    return Result(name, in_ms(told(stories)), facts, clock="wall")


async def _start_bare_writer(here: Site) -> None:
    writer = here.helper("bare_writer")

    async def said() -> bool:
        return READY in writer.said()

    await here.until(said, bool, "bare writer")


def _written(log: AuditLog) -> int:
    """How many statuses the yardstick has written."""
    return sum(each.subresource == "status" for each in log.writes(user_agent=AGENT))

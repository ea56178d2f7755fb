"""The fleet: first start, everything placed at once, then minutes in which the operator has nothing to do."""

from __future__ import annotations

import asyncio
import time
from statistics import median

from bench.live import fleet as fleets
from bench.live import foreign, heartbeats, timeline
from bench.live.campaign import Campaign, timed
from bench.live.following import is_judged, is_placed, is_ready
from bench.live.measures import AGENT, INFDS, SERVER, facts_of, in_ms, told
from bench.scenarios import Result

SAMPLE_SECONDS = 2.0
UNREADY_SECONDS = 40.0
"""Without a change: whoever isn't ready by then won't be."""


async def fleet(made: Campaign) -> None:
    """Start until synced; all deployments at once until placed and ready; steady state."""
    here, size, book = made.here, made.size, made.book
    server = here.server_seconds()
    ready = await timed(here.operator.restart)
    used = here.usage()
    started = {
        "nodes": size.nodes,
        "foreign pods": made.foreign,
        "CPU s": round(used.cpu_seconds, 1),
        SERVER: round(here.server_seconds() - server, 1),
        "peak MiB": round(used.peak),
    }
    book.keep(Result(f"fleet: start until ready, {size.nodes} nodes", (ready * 1e3,), started, clock="wall"))
    await place(made)
    book.say(f"steady state for {size.seconds:g} s")
    await here.quiet()
    book.keep(await steady(made))


async def place(made: Campaign) -> None:
    """Creates all InferenceDeployments at once, and waits until they serve."""
    here, count, book = made.here, made.size.deployments, made.book
    log, before, server = here.mark(), here.usage(), here.server_seconds()
    await here.client.create(INFDS, fleets.deployments(0, count))
    book.say(f"{count} InferenceDeployments are created")
    await here.rows.until(is_judged, count, "judged")
    placed = await here.rows.until(is_placed, count, "placed", UNREADY_SECONDS)
    serving = await here.rows.until(is_ready, placed, "ready", UNREADY_SECONDS)
    stories, counts = await asyncio.to_thread(timeline.read, log, AGENT)
    facts = facts_of(stories, counts)
    facts |= {"placed": placed, "ready": serving}
    facts["CPU s"] = round(here.usage().cpu_seconds - before.cpu_seconds, 1)
    facts[SERVER] = round(here.server_seconds() - server, 1)
    facts["peak MiB"] = round(here.usage().peak)
    book.keep(Result(f"fleet: {made.title}, all at once", in_ms(told(stories)), facts, clock="wall"))


async def steady(made: Campaign) -> Result:
    """Nothing changes but what the nodes say and foreign pods: CPU time a second, memory, writes."""
    here, size = made.here, made.size
    log, start, first = here.mark(), time.monotonic(), here.usage()
    shares, resident, before = list[float](), list[float](), first
    while time.monotonic() - start < size.seconds:
        at = time.monotonic()
        await asyncio.sleep(SAMPLE_SECONDS)
        now = here.usage()
        shares.append((now.cpu_seconds - before.cpu_seconds) / (time.monotonic() - at) * 1e3)
        resident.append(now.resident)
        before = now
    took = time.monotonic() - start
    _, counts = await asyncio.to_thread(timeline.read, log, AGENT)
    beats = await asyncio.to_thread(timeline.count_lines, log, heartbeats.AGENT)
    churn = await asyncio.to_thread(timeline.count_lines, log, foreign.AGENT)
    facts = {
        "% of a core": round((before.cpu_seconds - first.cpu_seconds) / took * 100, 2),
        "MiB": round(median(resident)),
        "peak MiB": round(before.peak),
        "writes": timeline.total(counts),
        "Events": counts["create events"] + counts["patch events"],
        "s": round(took),
        "foreign pods": made.foreign,
        "heartbeats a second": round(beats / took, 1),
        "requests of the churn a second": round(churn / took, 1),
    }
    name = f"fleet: steady, {made.title}, CPU ms a second"
    series = {"resident MiB": tuple(resident), "CPU ms a second": tuple(shares)}
    return Result(name, tuple(shares), facts, clock="wall", series=series)

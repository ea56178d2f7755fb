"""What is done to the fleet: an edit of every policy, a crash of the operator."""

from __future__ import annotations

import asyncio
import time

from bench.live import fleet as fleets
from bench.live import timeline
from bench.live.campaign import Campaign, timed
from bench.live.client import GROUP, Object
from bench.live.measures import AGENT
from bench.scenarios import Result
from devcluster.audit import AuditLog

STALL_SECONDS = 60.0


async def policy_edit(made: Campaign) -> None:
    """First every policy gets another patience, which changes no decision. Then all tiers get other names,
    which every status holds: nothing moves, and every object is written."""
    policies = fleets.policies()
    patience: list[Object] = [{"fallback": {"after": "61s"}} for _ in policies]
    made.book.keep(await _edit(made, "policy edit that changes nothing", patience, 0))
    tiers: list[Object] = [{"tiers": _renamed(each["spec"]["tiers"])} for each in policies]
    made.book.keep(await _edit(made, "policy edit that touches all", tiers, len(made.here.rows.rows)))


def _renamed(tiers: list[Object]) -> list[Object]:
    """The same tiers under other names; where there were none, those that stand for that."""
    named = tiers or [
        {"name": "any", "accelerators": {}},
        {"name": "cpu", "accelerators": {"types": ["CPU"]}},
    ]
    return [{**each, "name": f"{each['name']}-2"} for each in named]


async def _edit(made: Campaign, name: str, changes: list[Object], expected: int) -> Result:
    """Args:
    expected: InferenceDeployments that are waited for, as long as there is something more of them.
    """
    here = made.here
    await here.quiet()
    log, before = here.mark(), here.usage().cpu_seconds
    paths = [f"{GROUP}/placementpolicies/{each['metadata']['name']}" for each in fleets.policies()]
    edits = zip(paths, changes, strict=True)
    await here.client.each(edits, lambda one: here.client.patch(one[0], {"spec": one[1]}))
    edited = time.time()
    await _touched(log, edited, expected)
    await here.quiet()
    busy = time.time() - edited - here.quiet_seconds
    writes = await asyncio.to_thread(log.writes, "", AGENT)
    first = await _touched(log, edited, 0)
    facts: dict[str, float] = {
        "touched": len(first),
        "s to the last write": round(max(first.values(), default=0.0), 1),
        "s at work": round(busy, 1),
        "moves": sum(one.resource == "deployments" for one in writes),
        "writes": len([one for one in writes if one.resource not in ("events", "leases")]),
        "CPU s": round(here.usage().cpu_seconds - before, 1),
    }
    took = tuple(seconds * 1e3 for seconds in first.values()) or (busy * 1e3,)
    return Result(f"{name}: {made.title}", took, facts, clock="wall")


async def _touched(log: AuditLog, edited: float, expected: int) -> dict[str, float]:
    """Seconds until the first write of each InferenceDeployment; waits for so many, but not for ever."""
    seen, since = -1, time.monotonic()
    while True:
        writes = await asyncio.to_thread(log.writes, "", AGENT)
        first: dict[str, float] = {}
        for one in writes:
            if one.resource == "inferencedeployments":
                first.setdefault(one.name, one.at - edited)
        if len(first) != seen:
            seen, since = len(first), time.monotonic()
        if len(first) >= expected or time.monotonic() - since > STALL_SECONDS:
            return first
        await asyncio.sleep(1.0)


async def restart(made: Campaign) -> None:
    """The operator is killed and started again: until it is ready, and what it writes then."""
    here = made.here
    await here.quiet()
    log = here.mark()
    here.kill()
    ready = await timed(here.operator.restart)
    busy = await here.quiet()
    _, counts = await asyncio.to_thread(timeline.read, log, AGENT)
    used = here.usage()
    facts = {
        "writes": timeline.total(counts),
        "s at work after that": round(busy, 1),
        "peak MiB": round(used.peak),
        "CPU s": round(used.cpu_seconds, 1),
    }
    made.book.keep(Result(f"restart: {made.title}, until ready", (ready * 1e3,), facts, clock="wall"))

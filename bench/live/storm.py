"""A quarter of the nodes vanish at once: whole pools of spot capacity, as a cloud takes them back."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from bench.fleets import POOL
from bench.live import fleet as fleets
from bench.live import timeline
from bench.live.campaign import Campaign
from bench.live.client import Object
from bench.live.following import LONGEST_SECONDS, Row
from bench.live.measures import AGENT, SERVER
from bench.live.site import NAMESPACE
from bench.scenarios import Result
from devcluster.audit import AuditLog
from stowage.render.names import OWNER_LABEL, SELECTOR
from stowage.render.names import POOL as PLACED_ON

STALL_SECONDS = 60.0
DEPLOYMENTS = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments?labelSelector={SELECTOR}"
METADATA = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@dataclass(frozen=True)
class Placed:
    """A Deployment of the operator: which object's, and where."""

    owner: str
    pool: str


async def storm(made: Campaign) -> None:
    """The nodes of the pools are deleted. Spot capacity, since elsewhere a placement whose nodes are lost is
    waited for as long as its policy says; their pods stay until the garbage collector comes, later."""
    here, book = made.here, made.book
    await here.quiet()
    gone = fleets.reclaimed(made.fleet)
    lost = [node.name for node in made.fleet.nodes if node.labels[POOL] in gone]
    before = await deployments(made)
    affected = sorted({d.owner for d in before.values() if d.pool in gone})
    book.say(f"{len(lost)} nodes of {len(gone)} pools vanish; {len(affected)} deployments are on them")
    log, used, server, start = here.mark(), here.usage().cpu_seconds, here.server_seconds(), time.time()
    await here.client.each(lost, lambda name: here.client.send("DELETE", f"/api/v1/nodes/{name}"))
    deleting = time.time() - start
    await _over(made, affected, gone)
    after = await deployments(made)
    decided = _decided(made, log, affected, gone, start)
    ready = here.rows.moments(affected, start, lambda _, row: row.ready == "True" and not _on(row, gone))
    _, counts = await asyncio.to_thread(timeline.read, log, AGENT)
    facts = {
        "nodes gone": len(lost),
        "affected": len(affected),
        "decided": len(decided),
        "s to the last decision": round(max(decided.values(), default=0.0), 1),
        "s to delete the nodes": round(deleting, 1),
        **moves(before, after, log, gone),
        "writes each": round(timeline.total(counts) / max(1, len(affected)), 2),
        "CPU s": round(here.usage().cpu_seconds - used, 1),
        SERVER: round(here.server_seconds() - server, 1),
        "peak MiB": round(here.usage().peak),
    }
    name = f"storm: {made.title}, until"
    book.keep(
        Result(f"{name} decided", _ms(decided.values()), facts, clock="wall"),
        Result(f"{name} ready", _ms(ready.values()), {"ready": len(ready)}, clock="wall"),
    )


async def deployments(made: Campaign) -> dict[str, Placed]:
    """The operator's Deployments by name."""
    listed = await made.here.client.send("GET", DEPLOYMENTS, accept=METADATA)
    return {each["metadata"]["name"]: _placed(each["metadata"]) for each in listed["items"]}


def _placed(metadata: Object) -> Placed:
    return Placed(metadata["labels"][OWNER_LABEL], metadata["annotations"][PLACED_ON])


def _on(row: Row, gone: Collection[str]) -> bool:
    return not row.pool or row.first_pool in gone


async def _over(made: Campaign, affected: Collection[str], gone: Collection[str]) -> None:
    """Waits until all that was affected serves elsewhere; not for ever, and only while something changes."""
    rows, names = made.here.rows, set(affected)
    seen, since = -1, time.monotonic()
    until = since + LONGEST_SECONDS
    while any(rows.rows[n].ready != "True" or _on(rows.rows[n], gone) for n in names if n in rows.rows):
        if len(rows.changes) != seen:
            seen, since = len(rows.changes), time.monotonic()
        if time.monotonic() > min(since + STALL_SECONDS, until):
            break
        await asyncio.sleep(0.2)
    await made.here.quiet()


def _decided(
    made: Campaign, log: AuditLog, affected: Collection[str], gone: Collection[str], start: float
) -> dict[str, float]:
    """Seconds until the status of each named another place; where its first place stayed, since others of a
    split were lost, until its first status."""
    rows = made.here.rows
    found = rows.moments(affected, start, lambda _, row: bool(row.pool) and row.first_pool not in gone)
    for one in log.writes(user_agent=AGENT):
        if one.resource == "inferencedeployments" and one.name in affected:
            row = rows.rows.get(one.name)
            if row is not None and not _on(row, gone):
                found.setdefault(one.name, one.at - start)
    return found


def moves(
    before: Mapping[str, Placed], after: Mapping[str, Placed], log: AuditLog, gone: Collection[str]
) -> dict[str, float]:
    """How many Deployments were made anew, against the least with which everything that has a place now can
    have it: one for each object of which no place is left, none for all others."""
    made = {
        w.name for w in log.writes(user_agent=AGENT) if w.resource == "deployments" and w.verb != "delete"
    }
    places: dict[str, list[str]] = defaultdict(list)
    for each in before.values():
        places[each.owner].append(each.pool)
    now = {each.owner for each in after.values() if each.pool not in gone}
    homeless = {owner for owner, pools in places.items() if all(pool in gone for pool in pools)}
    return {
        "moves": len(made - before.keys()),
        "moves at the least": len(homeless & now),
        "without a place": len(places.keys() - now),
    }


def _ms(seconds: Iterable[float]) -> tuple[float, ...]:
    return tuple(each * 1e3 for each in seconds)

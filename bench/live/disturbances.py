"""What is done to the fleet: an edit of every policy, a crash of the operator, the end of a leader."""

from __future__ import annotations

import asyncio
import time

from bench.live import fleet as fleets
from bench.live import timeline
from bench.live.campaign import Campaign, timed
from bench.live.client import GROUP, Object
from bench.live.measures import AGENT, INFDS
from bench.live.site import NAMESPACE
from bench.scenarios import Result
from devcluster.audit import AuditLog, Request

TAKEOVER_SECONDS = 120.0
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


async def fail_over(made: Campaign) -> None:
    """Of two replicas the leader is killed, while something waits to be written: until the other's first
    write."""
    here = made.here
    here.cluster.processes.stop([here.operator.name])
    elect = ("--leader-elect", "--lease-namespace", NAMESPACE, *_timing(made.size.lease_duration))
    leader, standby = here.replica("operator-a", *elect), here.replica("operator-b", *elect)
    try:
        await asyncio.to_thread(leader.restart)
        await here.until(lambda: _holder(made), bool, "the first leader")
        await asyncio.to_thread(standby.restart)
        await here.quiet(leader.name)
        await here.quiet(standby.name)
        log = here.mark()
        killed = time.time()
        here.kill(leader.name)
        name = next(iter(here.rows.rows))
        await here.client.patch(f"{INFDS}/{name}", {"spec": {"replicas": 5}})
        lease, first = await _next_leader(log, killed)
        busy = await here.quiet(standby.name)
        used = here.usage(standby.name)
    finally:
        here.cluster.processes.stop([leader.name, standby.name])
    facts = {
        "s to the Lease": round(lease, 1),
        "s at work after that": round(busy, 1),
        "standby peak MiB": round(used.peak),
        "s of a Lease": made.size.lease_duration,
    }
    name = f"fail-over: {made.title}, SIGKILL to the other's first write"
    made.book.keep(Result(name, (first * 1e3,), facts, clock="wall"))


def _timing(duration: float) -> tuple[str, ...]:
    """The operator's options; with the default of 15 s they are its defaults."""
    figures = {
        "lease-duration": duration,
        "renew-deadline": duration * 2 / 3,
        "retry-period": duration * 2 / 15,
    }
    return tuple(f"--{name}={value:g}" for name, value in figures.items())


async def _holder(made: Campaign) -> str:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
    leases = (await made.here.client.send("GET", path))["items"]
    return next((str(each["spec"].get("holderIdentity") or "") for each in leases), "")


async def _next_leader(log: AuditLog, killed: float) -> tuple[float, float]:
    """Seconds from the kill until the Lease was taken, and until the first write of anything else.
    Raises TimeoutError."""
    until = time.monotonic() + TAKEOVER_SECONDS
    while time.monotonic() < until:
        granted = [
            w for w in await asyncio.to_thread(log.writes, "", AGENT) if w.code < 300 and w.at > killed
        ]
        lease, other = _first(granted, True), _first(granted, False)
        if lease is not None and other is not None:
            return lease - killed, other - killed
        await asyncio.sleep(0.5)
    raise TimeoutError(f"no other replica wrote anything for {TAKEOVER_SECONDS:.0f} s")


def _first(writes: list[Request], lease: bool) -> float | None:
    times = [w.at for w in writes if (w.resource == "leases") == lease and w.resource != "events"]
    return min(times, default=None)

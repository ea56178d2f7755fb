"""The end of a leader: how long it takes until the other replica leads, and until it writes something."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.live.campaign import Campaign
from bench.live.measures import AGENT, INFDS
from bench.live.site import NAMESPACE, PATIENCE_SECONDS
from bench.scenarios import Result
from devcluster.audit import AuditLog, Request
from devcluster.operatorprocess import OperatorProcess

REPLICAS = ("operator-a", "operator-b")
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"


async def fail_over(made: Campaign) -> None:
    """Of two replicas the leader is killed, while something waits to be written: until the other's first
    write."""
    here = made.here
    here.cluster.processes.stop([here.operator.name])
    elect = ("--leader-elect", "--lease-namespace", NAMESPACE, *_timing(made.size.lease_duration))
    pair = [here.replica(name, *elect) for name in REPLICAS]
    try:
        leader, standby, again = await _roles(made, pair)
        name, log, killed = min(here.rows.rows), here.mark(), time.time()
        here.kill(leader.name)
        await here.client.patch(f"{INFDS}/{name}", {"spec": {"replicas": 5}})
        lease, first = await _next_leader(made, standby.name, log, killed)
        busy = await here.quiet(standby.name)
        used = here.usage(standby.name)
    finally:
        here.cluster.processes.stop(REPLICAS)
    facts = {
        "s to the Lease": round(lease, 1),
        "s at work after that": round(busy, 1),
        "standby peak MiB": round(used.peak),
        "s of a Lease": made.size.lease_duration,
        "replicas started again before": again,
    }
    title = f"fail-over: {made.title}, SIGKILL to the other's first write"
    made.book.keep(Result(title, (first * 1e3,), facts, clock="wall"))


async def _roles(
    made: Campaign, pair: Sequence[OperatorProcess]
) -> tuple[OperatorProcess, OperatorProcess, int]:
    """Leader and standby once both are ready and have nothing to do, and how often one had to be started
    again for that.

    As a kubelet does: a leader whose machine is busy, since the other lists everything, may not renew its
    Lease in time, and ends. Raises ComponentError where one doesn't become ready, and TimeoutError where
    they don't come to rest.
    """
    starts, until = 0, time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        for each in pair:
            if not made.here.runs(each.name):
                await asyncio.to_thread(each.restart)
                starts += 1
        try:
            for each in pair:
                await made.here.quiet(each.name)
        except ProcessLookupError as error:
            made.book.say(f"before the fail-over {error}")
            continue
        holder = await _holder(made)
        roles = sorted(pair, key=lambda one: one.name != holder)
        if holder in REPLICAS and all(made.here.runs(each.name) for each in pair):
            return roles[0], roles[1], starts - len(pair)
    raise TimeoutError(
        f"{' and '.join(REPLICAS)} were not leader and standby within {PATIENCE_SECONDS:.0f} s and {starts} "
        f"starts; the Lease is held by {await _holder(made) or 'nobody'}"
    )


def _timing(duration: float) -> tuple[str, ...]:
    """The operator's options; with the default of 15 s they are its defaults."""
    figures = {
        "lease-duration": duration,
        "renew-deadline": duration * 2 / 3,
        "retry-period": duration * 2 / 15,
    }
    return tuple(f"--{name}={value:g}" for name, value in figures.items())


async def _holder(made: Campaign) -> str:
    """Which replica holds the Lease; empty where none does."""
    leases = (await made.here.client.send("GET", LEASES))["items"]
    holders = [str(each["spec"].get("holderIdentity") or "") for each in leases]
    return holders[0].partition("_")[0] if holders else ""


async def _next_leader(made: Campaign, standby: str, log: AuditLog, killed: float) -> tuple[float, float]:
    """Seconds from the kill until the Lease was taken, and until the first write of anything else: a new
    leader lists everything before that.

    Raises TimeoutError, and ProcessLookupError where the standby ends.
    """
    lease, until = None, time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        granted = [
            w for w in await asyncio.to_thread(log.writes, "", AGENT) if w.code < 300 and w.at > killed
        ]
        lease, other = _first(granted, True), _first(granted, False)
        if lease is not None and other is not None:
            return lease - killed, other - killed
        made.here.record(standby)
        await asyncio.sleep(0.5)
    done = "not even its Lease" if lease is None else f"nothing but its Lease, {lease - killed:.1f} s after"
    raise TimeoutError(f"{standby} wrote {done} within {PATIENCE_SECONDS:.0f} s of the leader's end")


def _first(writes: Sequence[Request], lease: bool) -> float | None:
    times = [w.at for w in writes if (w.resource == "leases") == lease and w.resource != "events"]
    return min(times, default=None)

"""What is measured of the operator as a whole. Times are wall time, from outside."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.live import timeline
from bench.live.bare_writer import READY
from bench.live.client import GROUP
from bench.live.site import NAMESPACE, ROOT, Site, model, site
from bench.live.timeline import Key, Story
from bench.scenarios import Result
from devcluster.processes import Command, Lifetime, start_process
from stowage.cluster.transport import USER_AGENT

INFDS = f"{GROUP}/namespaces/{NAMESPACE}/inferencedeployments"
AGENT = USER_AGENT.partition("/")[0] + "/"
SETTLE_SECONDS = 3.0


@dataclass(frozen=True)
class Size:
    """How large the scenarios are."""

    single: int = 100
    bursts: tuple[int, ...] = (300, 1000, 2000)
    yardstick: int = 1000
    deployments: int = 2000


SMALL = Size(single=3, bursts=(10,), yardstick=10, deployments=20)


def every(size: Size) -> dict[str, Callable[[], list[Result]]]:
    """The scenarios by name."""
    return {
        "single": lambda: asyncio.run(_single(size)),
        "burst": lambda: asyncio.run(_bursts(size)),
        "restart": lambda: asyncio.run(_restart(size)),
    }


async def _single(size: Size) -> list[Result]:
    """One after another: apply to Deployment, and to everything."""
    async with site() as here:
        await here.nodes("l4-spot", -(-size.single // 8))
        log = here.mark()
        for number in range(size.single):
            await here.client.send("POST", INFDS, model(f"one-{number}"))
            await asyncio.sleep(0.2)
        await _all_ready(here, size.single)
        stories, _ = timeline.read(log, AGENT)
    told = list(stories.values())
    return [
        Result("single: apply to Deployment", _ms(s.deployment for s in told), clock="wall"),
        Result("single: and Service and status", _ms(s.complete for s in told), clock="wall"),
    ]


async def _bursts(size: Size) -> list[Result]:
    """All at once, and the yardstick in the same run."""
    yard = await _yardstick(size.yardstick)
    found = [yard]
    for count in size.bursts:
        found.append(await _burst(count, yard.facts["a second"] if count == size.yardstick else None))
    return found


async def _burst(count: int, bare: float | None) -> Result:
    async with site() as here:
        await here.nodes("l4-spot", -(-count // 8))
        await asyncio.sleep(SETTLE_SECONDS)
        log, before = here.mark(), here.usage()
        await here.client.create(INFDS, (model(f"burst-{n}") for n in range(count)))
        await here.until(lambda: _placed(here), lambda n: n >= count, "placed")
        await _all_ready(here, count)
        await asyncio.sleep(SETTLE_SECONDS)
        stories, counts = timeline.read(log, AGENT)
        after = here.usage()
    facts = _facts(stories, counts)
    facts["CPU s"] = round(after.cpu_seconds - before.cpu_seconds, 1)
    facts["peak MiB"] = round(after.peak)
    if bare:
        facts["of the bare writer"] = round(facts["a second"] / bare, 2)
    return Result(f"burst: {count} at once", _ms(s.complete for s in stories.values()), facts, clock="wall")


async def _yardstick(count: int) -> Result:
    """The same with a writer that decides nothing."""
    async with site(operator=False) as here:
        await here.nodes("l4-spot", -(-count // 8))
        await _start_bare_writer(here)
        await asyncio.sleep(SETTLE_SECONDS)
        log = here.mark()
        await here.client.create(INFDS, (model(f"burst-{n}") for n in range(count)))
        await here.until(lambda: _observed(here), lambda n: n >= count, "written")
        await asyncio.sleep(SETTLE_SECONDS)
        stories, counts = timeline.read(log, AGENT)
    name = f"yardstick: bare writer, {count} at once"
    return Result(name, _ms(s.complete for s in stories.values()), _facts(stories, counts), clock="wall")


async def _start_bare_writer(here: Site) -> None:
    log = here.cluster.state / "bare-writer.log"
    path = os.pathsep.join(str(each) for each in (ROOT, ROOT / "operator", ROOT / "tools"))
    environment = {**os.environ, "KUBECONFIG": str(here.cluster.kubeconfig), "PYTHONPATH": path}
    arguments = [sys.executable, "-m", "bench.live.bare_writer"]
    command = Command("bare-writer", arguments, log, ROOT, environment)
    record = start_process(command, here.cluster.processes, Lifetime.EPHEMERAL)

    async def said() -> str:
        if not record.is_alive():
            raise RuntimeError(f"the bare writer ended:\n{log.read_text()}")
        return log.read_text()

    await here.until(said, lambda text: READY in text, "bare writer")


async def _restart(size: Size) -> list[Result]:
    """Killed and started again with everything placed: until it is ready, and what it writes."""
    async with site() as here:
        await here.nodes("l4-spot", -(-size.deployments // 8))
        await here.client.create(INFDS, (model(f"burst-{n}") for n in range(size.deployments)))
        await _all_ready(here, size.deployments)
        await asyncio.sleep(SETTLE_SECONDS)
        log = here.mark()
        here.kill()
        start = time.monotonic()
        await asyncio.to_thread(here.operator.restart)
        ready = time.monotonic() - start
        await asyncio.sleep(10 * SETTLE_SECONDS)
        _, counts = timeline.read(log, AGENT)
        used = here.usage()
    facts = {
        "writes": timeline.total(counts),
        "peak MiB": round(used.peak),
        "CPU s": round(used.cpu_seconds, 1),
    }
    return [Result(f"restart: {size.deployments} placed, until ready", (ready * 1e3,), facts, clock="wall")]


async def _placed(here: Site) -> int:
    return sum(_is(m, "Placed") for m in await here.models())


async def _observed(here: Site) -> int:
    return sum("observedGeneration" in m.get("status", {}) for m in await here.models())


async def _all_ready(here: Site, count: int) -> None:
    async def ready() -> int:
        return sum(_is(m, "Ready") for m in await here.models())

    await here.until(ready, lambda n: n >= count, "ready")


def _is(manifest: dict[str, Any], kind: str) -> bool:
    conditions = manifest.get("status", {}).get("conditions") or []
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def _facts(stories: dict[Key, Story], counts: Counter[str]) -> dict[str, float]:
    told = list(stories.values())
    took = max(s.applied + s.complete for s in told) - min(s.applied for s in told)
    return {
        "s in all": round(took, 1),
        "a second": round(len(told) / took, 1),
        "requests each": round(sum(s.requests for s in told) / len(told), 2),
        "writes each": round(timeline.total(counts) / len(told), 2),
    }


def _ms(seconds: Any) -> tuple[float, ...]:
    return tuple(s * 1e3 for s in seconds)

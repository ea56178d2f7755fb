"""A watch of the bench's own: what InferenceDeployments say, row by row, as ``kubectl get --watch`` has it.

Rows instead of whole objects, and a watch instead of asking again and again: a list of 2,000 whole objects is
18 MB, and asking for it ten times a second kept the API server busier than what was to be measured.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

from bench.live.client import GROUP, Client, Object

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PATH = f"{GROUP}/inferencedeployments?includeObject=Metadata"
LOOK_SECONDS = 0.1
STALL_SECONDS = 120.0
"""Without any change: then what is waited for doesn't come."""
LONGEST_SECONDS = 480.0
"""Then it goes on with what there is."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one InferenceDeployment says."""

    ready: str = ""
    """``True``, ``False``, or empty before the operator has said anything."""
    pool: str = ""
    """Of the first placement; ``+1`` after it: one more."""
    reason: str = ""

    @property
    def first_pool(self) -> str:
        """Without the number of others."""
        return self.pool.partition(" ")[0]


@dataclass
class Following:
    """The rows as they are, and every change with when it arrived, in seconds since the epoch."""

    rows: dict[str, Row] = field(default_factory=dict)
    changes: list[tuple[float, str, Row]] = field(default_factory=list)
    _columns: dict[str, int] = field(default_factory=dict)

    def count(self, accept: Callable[[Row], bool]) -> int:
        """How many rows are so."""
        return sum(accept(row) for row in self.rows.values())

    async def until(
        self, accept: Callable[[Row], bool], count: int, what: str, stall: float = STALL_SECONDS
    ) -> int:
        """Waits until so many rows are so, or nothing changes any more, or it takes too long; returns how
        many are. Raises TimeoutError where none is.
        """
        seen, since = -1, time.monotonic()
        until = since + LONGEST_SECONDS
        while (found := self.count(accept)) < count:
            if len(self.changes) != seen:
                seen, since = len(self.changes), time.monotonic()
            if time.monotonic() > min(since + stall, until):
                if found:
                    return found
                raise TimeoutError(f"{what}: none of {count}, and nothing changed for {stall:.0f} s")
            await asyncio.sleep(LOOK_SECONDS)
        return found

    def moments(
        self, names: Iterable[str], since: float, accept: Callable[[str, Row], bool]
    ) -> dict[str, float]:
        """Seconds from a time on until the first row of each name that is accepted; those that have one."""
        wanted, found = set(names), dict[str, float]()
        for at, name, row in self.changes:
            if at >= since and name in wanted and name not in found and accept(name, row):
                found[name] = at - since
        return found

    def take(self, event: str, table: Object) -> None:
        """Takes in rows of a list, or of an event."""
        if columns := table.get("columnDefinitions"):
            self._columns = {column["name"]: number for number, column in enumerate(columns)}
        now = time.time()
        for each in table["rows"]:
            name = each["object"]["metadata"]["name"]
            if event == "DELETED":
                self.rows.pop(name, None)
                continue
            row = self._row(each["cells"])
            if self.rows.get(name) != row:
                self.rows[name] = row
                self.changes.append((now, name, row))

    def _row(self, cells: list[object]) -> Row:
        def text(column: str) -> str:
            value = cells[self._columns[column]]
            return "" if value is None else str(value)

        return Row(text("Ready"), text("Pool"), text("Reason"))


def is_ready(row: Row) -> bool:
    """Every replica serves."""
    return row.ready == "True"


def is_placed(row: Row) -> bool:
    """A pool was chosen, and what is needed there was written."""
    return bool(row.pool)


def is_judged(row: Row) -> bool:
    """The operator has said something of it."""
    return bool(row.reason)


@asynccontextmanager
async def following(client: Client) -> AsyncIterator[Following]:
    """Follows all InferenceDeployments while the block runs."""
    made = Following()
    task = asyncio.create_task(_follow(client, made))
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _follow(client: Client, made: Following) -> None:
    while True:
        try:
            await _follow_once(client, made)
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(1.0)  # a server under load may cut a watch: list anew


async def _follow_once(client: Client, made: Following) -> None:
    listed = await client.send("GET", PATH, accept=TABLE)
    made.take("ADDED", listed)
    there = {each["object"]["metadata"]["name"] for each in listed["rows"]}
    for gone in made.rows.keys() - there:
        del made.rows[gone]
    version = listed["metadata"]["resourceVersion"]
    async for event in client.watch(PATH, version, TABLE):
        if event["type"] == "ERROR":
            return  # the version is too old
        if event["type"] != "BOOKMARK":
            made.take(event["type"], event["object"])

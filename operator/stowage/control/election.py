"""Leader election by a Lease, as client-go does it, with a fence for writes.

Who may write is reckoned on this process's own clock alone. A standby takes a Lease over when it has seen it
unchanged for the whole lease duration; a leader stops writing when the renew deadline has passed since it
*sent* its last successful renewal. The deadline is the shorter one, so the old leader has stopped before the
new one starts, whatever anybody's wall clock says.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import NoReturn

from stowage.cluster.errors import ClusterError, Conflict, Gone, NotLeading
from stowage.cluster.ports import LEASES, Cluster
from stowage.control.lease import JITTER, RELEASED_SECONDS, Record, Timing, elapsed, stamp

RELEASE_SECONDS = 1.0
"""For how long the process's end waits at most while it gives the Lease up; else the Lease runs out."""

_log = logging.getLogger(__name__)


class LostLeaseError(Exception):
    """This process was the leader and may not be any more: it must end."""


class Elector:
    """Takes part in the election of one Lease. Its cluster's writes must not go through ``check``."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        name: str,
        identity: str,
        timing: Timing,
        *,
        clock: Callable[[], float] = elapsed,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Nothing happens before ``acquire``.

        Args:
            identity: of this process; no other may ever have the same.
            clock: seconds that never go back.
            now: the time that people read in the Lease.
            jitter: gives numbers in [0, 1).
        """
        self.identity = identity
        self.timing = timing
        self.leader = ""
        """Who holds the Lease as far as is known."""
        self._cluster = cluster
        self._namespace, self._name = namespace, name
        self._clock, self._now, self._jitter = clock, now, jitter
        self._deadline: float | None = None
        self._version = ""
        self._record: Record | None = None
        self._observed = clock()
        """When the record was first seen as it is, on our clock."""

    @property
    def leads(self) -> bool:
        """Whether a write may begin now."""
        return self._deadline is not None and self._clock() < self._deadline

    @property
    def overdue(self) -> float:
        """For how many seconds this process has been a leader that may not write; 0 for any other."""
        return max(0.0, self._clock() - self._deadline) if self._deadline is not None else 0.0

    def check(self) -> None:
        """For ``Cluster.before_write``.

        Raises:
            NotLeading: this process doesn't hold the Lease for sure.
        """
        if not self.leads:
            raise NotLeading(
                f"not written: {self.identity} doesn't hold Lease {self._namespace}/{self._name}"
            )

    async def acquire(self) -> None:
        """Waits until this process is the leader."""
        while True:
            try:
                async with asyncio.timeout(self.timing.renew_deadline):
                    if await self.attempt():
                        return
            except (ClusterError, TimeoutError) as error:
                _log.warning("leader election: %s", error or "no answer in time")
            await asyncio.sleep(self.timing.retry_period * (1 + JITTER * self._jitter()))

    async def keep(self) -> NoReturn:
        """Renews until that fails for too long.

        Raises:
            LostLeaseError: the deadline has passed, or another process holds the Lease.
        """
        while True:
            await asyncio.sleep(self.timing.retry_period)
            assert self._deadline is not None
            left = self._deadline - self._clock()
            try:
                async with asyncio.timeout(max(left, 0.0)):
                    if left > 0:
                        await self.attempt()
            except ClusterError as error:
                _log.warning("leader election: %s", error)
            except TimeoutError:
                _log.warning("leader election: no answer within the renew deadline")
            if self._record is None or self._record.holder != self.identity:
                self._stop_writing()
                raise LostLeaseError(f"Lease {self._namespace}/{self._name} is held by {self.leader!r}")
            if not self.leads:
                raise LostLeaseError(
                    f"Lease {self._namespace}/{self._name} was not renewed for "
                    f"{self.timing.renew_deadline:g} s"
                )

    async def release(self) -> None:
        """Gives the Lease up, so that a standby needn't wait. No write may be under way any more."""
        held, self._deadline = self.leads, None
        if not held or self._record is None:
            return
        now = stamp(self._now())
        given_up = replace(self._record, holder="", seconds=RELEASED_SECONDS, acquired=now, renewed=now)
        body = given_up.body(self._namespace, self._name, self._version)
        try:
            async with asyncio.timeout(min(RELEASE_SECONDS, self.timing.retry_period)):
                await self._cluster.apply(LEASES, body)
        except (ClusterError, TimeoutError) as error:
            _log.warning("leader election: the Lease could not be released: %s", error or "no answer in time")
        else:
            _log.info("leader election: released Lease %s/%s", self._namespace, self._name)

    async def attempt(self) -> bool:
        """Takes or renews the Lease once; False where another process holds it."""
        if self.leads:
            try:
                await self._write(create=False)
                return True
            except (Conflict, Gone):
                pass  # somebody edited or deleted it: look at what is there
        body = await self._cluster.get(LEASES, self._name, self._namespace)
        if body is None:
            if self._held_by_another():
                # Deleted by hand. Its holder doesn't know yet, and will make it anew.
                return False
            await self._write(create=True)
            return True
        self._version = body["metadata"]["resourceVersion"]
        self._see(Record.of(body))
        if self._held_by_another():
            return False
        await self._write(create=False)
        return True

    def _see(self, record: Record) -> None:
        if record == self._record:
            return
        self._record, self._observed = record, self._clock()
        self._name_leader(record.holder)

    def _name_leader(self, holder: str) -> None:
        if holder and holder != self.leader:
            who = "this process" if holder == self.identity else holder
            _log.info("leader election: the leader is %s", who)
        self.leader = holder

    def _held_by_another(self) -> bool:
        record = self._record
        if record is None or record.holder == self.identity or record.released:
            return False
        if self._deadline is not None and record.holder:
            return True  # we led, and were overtaken: nothing to wait for
        seconds = self.timing.lease_duration if record.seconds is None else record.seconds
        return not self.leads and self._clock() < self._observed + seconds

    async def _write(self, *, create: bool) -> None:
        before, now, started = self._record, stamp(self._now()), self._clock()
        record = Record(self.identity, int(self.timing.lease_duration), acquired=now, renewed=now)
        if before is not None:
            mine = before.holder == self.identity
            record = replace(
                record,
                acquired=before.acquired if mine and before.acquired else now,
                transitions=before.transitions + (not mine),
            )
        body = record.body(self._namespace, self._name, "" if create else self._version)
        write = self._cluster.create if create else self._cluster.apply
        stored = await write(LEASES, body)
        self._version = stored["metadata"]["resourceVersion"]
        self._record, self._observed = Record.of(stored), self._clock()
        self._name_leader(self.identity)
        self._deadline = started + self.timing.renew_deadline

    def _stop_writing(self) -> None:
        self._deadline = self._clock()

"""Who may take a Lease when, and who may write: on a cluster of one Lease, with clocks that tests move."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from stowage.cluster.errors import Conflict, Gone, NotLeading, Retry
from stowage.cluster.ports import LEASES, Body, ResourceType
from stowage.control.election import Elector, LostLeaseError
from stowage.control.lease import Record, Timing

TIMING = Timing()


class OneLease:
    """What the API server does with one Lease: versions, conflicts, and outages."""

    def __init__(self) -> None:
        self.body: Body | None = None
        self.version = 0
        self.down = False
        self.writes = 0
        self.before_answer: Callable[[], None] = lambda: None

    async def get(self, resource: ResourceType, name: str, namespace: str = "") -> Body | None:
        self._arrive(resource, name, namespace)
        return copy.deepcopy(self.body)

    async def create(self, resource: ResourceType, body: Body) -> Body:
        self._arrive(resource, body["metadata"]["name"], body["metadata"]["namespace"])
        if self.body is not None:
            raise Conflict("exists", status=409)
        return self.store(body)

    async def apply(self, resource: ResourceType, body: Body, **_: Any) -> Body:
        self._arrive(resource, body["metadata"]["name"], body["metadata"]["namespace"])
        if self.body is None:
            raise Gone("not there", status=404)
        if body["metadata"]["resourceVersion"] != self.body["metadata"]["resourceVersion"]:
            raise Conflict("changed", status=409)
        return self.store(body)

    def store(self, body: Body) -> Body:
        self.version += 1
        self.writes += 1
        self.body = copy.deepcopy(body)
        self.body["metadata"]["resourceVersion"] = str(self.version)
        return copy.deepcopy(self.body)

    def edit(self, **spec: Any) -> None:
        """What ``kubectl edit`` does."""
        assert self.body is not None
        changed = {**self.body["spec"], **spec}
        self.store({**self.body, "spec": {k: v for k, v in changed.items() if v is not None}})

    @property
    def holder(self) -> str:
        return Record.of(self.body).holder if self.body else ""

    def _arrive(self, resource: ResourceType, name: str, namespace: str) -> None:
        assert (resource, namespace, name) == (LEASES, "system", "lease")
        if self.down:
            raise Retry("down", status=503)
        self.before_answer()


class Clock:
    """One process's own clock; it need not agree with another's."""

    def __init__(self, start: float) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


class Process:
    """An elector with its clock."""

    def __init__(self, lease: OneLease, name: str, start: float = 0.0, wall: int = 2026) -> None:
        self.clock = Clock(start)
        self.wall = wall
        self.elector = Elector(
            lease, "system", "lease", name, TIMING,  # type: ignore[arg-type]  # only what an election uses
            clock=self.clock, now=lambda: datetime(self.wall, 1, 1, tzinfo=UTC), jitter=lambda: 0.0,
        )  # fmt: skip

    def attempt(self) -> bool:
        return asyncio.run(self.elector.attempt())

    @property
    def may_write(self) -> bool:
        try:
            self.elector.check()
        except NotLeading:
            return False
        return True


@pytest.fixture
def lease() -> OneLease:
    return OneLease()


def pair(lease: OneLease) -> tuple[Process, Process]:
    """A leader that renewed just now, and a standby that has seen it. Their clocks are years apart."""
    old, new = Process(lease, "old", 1e9, 1999), Process(lease, "new", 5.0, 2055)
    assert (old.attempt(), new.attempt()) == (True, False)
    return old, new


def advance(seconds: float, *processes: Process) -> None:
    for each in processes:
        each.clock.now += seconds


def test_the_first_makes_the_lease_and_leads(lease: OneLease) -> None:
    first = Process(lease, "first")
    assert not first.may_write
    assert first.attempt()
    assert first.may_write
    assert lease.body is not None
    assert lease.body["spec"] == {
        "holderIdentity": "first",
        "leaseDurationSeconds": 15,
        "acquireTime": "2026-01-01T00:00:00.000000Z",
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "leaseTransitions": 0,
    }


def test_a_standby_takes_over_only_when_it_saw_no_renewal_for_the_lease_duration(lease: OneLease) -> None:
    _, new = pair(lease)
    advance(14.9, new)
    assert not new.attempt()
    advance(0.2, new)
    assert new.attempt()
    assert (lease.holder, new.may_write) == ("new", True)
    assert lease.body is not None
    assert lease.body["spec"]["leaseTransitions"] == 1


def test_a_renewal_starts_the_standbys_wait_anew(lease: OneLease) -> None:
    old, new = pair(lease)
    for number in range(10):
        advance(5.0, old, new)
        old.wall = 1998 - number  # somebody sets the wall clock back
        assert (old.attempt(), new.attempt()) == (True, False)


def test_the_old_leader_has_stopped_writing_before_the_new_one_starts(lease: OneLease) -> None:
    old, new = pair(lease)
    writers = []
    for _ in range(200):
        advance(0.1, old, new)
        new.attempt()
        writers.append((old.may_write, new.may_write))
    assert (True, True) not in writers
    assert writers.count((False, False)) >= 49  # 5 s for what is under way
    assert writers[-1] == (False, True)


def test_the_deadline_counts_from_when_the_renewal_was_sent(lease: OneLease) -> None:
    leader = Process(lease, "leader")
    lease.before_answer = lambda: advance(4.0, leader)
    assert leader.attempt()  # a look and a write, 4 s each
    advance(5.9, leader)
    assert leader.may_write
    advance(0.2, leader)
    assert not leader.may_write


@pytest.mark.parametrize(
    "spec", [{"holderIdentity": ""}, {"holderIdentity": None}, {"leaseDurationSeconds": None}]
)
def test_an_edited_lease_is_left_alone_for_its_duration_and_taken_back_by_its_holder(
    lease: OneLease, spec: dict[str, Any]
) -> None:
    old, new = pair(lease)
    lease.edit(**spec)
    assert not new.attempt()
    advance(2.0, old, new)
    assert old.attempt()
    assert lease.holder == "old"
    assert not new.attempt()


def test_a_deleted_lease_is_made_anew_by_its_holder_and_not_by_a_standby(lease: OneLease) -> None:
    old, new = pair(lease)
    lease.body = None
    assert not new.attempt()
    assert old.attempt()
    assert lease.holder == "old"
    lease.body = None
    advance(15.1, new)
    assert new.attempt()  # its holder seems to be gone with it
    assert lease.holder == "new"


def test_an_emptied_lease_is_no_free_one(lease: OneLease) -> None:
    lease.store({"metadata": {"name": "lease", "namespace": "system"}})
    only = Process(lease, "only")
    assert not only.attempt()
    advance(15.1, only)
    assert only.attempt()


def test_a_released_lease_is_taken_at_once(lease: OneLease) -> None:
    old, new = pair(lease)
    asyncio.run(old.elector.release())
    assert not old.may_write
    assert lease.body is not None
    assert (lease.holder, lease.body["spec"]["leaseDurationSeconds"]) == ("", 1)
    assert new.attempt()


def test_who_doesnt_hold_the_lease_releases_nothing(lease: OneLease) -> None:
    old, new = pair(lease)
    before = lease.writes
    asyncio.run(new.elector.release())
    advance(10.1, old)
    asyncio.run(old.elector.release())
    assert (lease.holder, lease.writes) == ("old", before)


def test_of_two_that_take_an_expired_lease_one_wins(lease: OneLease) -> None:
    _, one = pair(lease)
    two = Process(lease, "two")
    two.attempt()
    advance(15.1, one, two)
    stale = copy.deepcopy(lease.body)
    assert one.attempt()

    async def stale_get(*_: Any) -> Any:
        return stale

    lease.get = stale_get  # type: ignore[method-assign]
    with pytest.raises(Conflict):
        two.attempt()
    assert not two.may_write


def quick(lease: OneLease) -> Elector:
    timing = Timing(2.0, 0.2, 0.01)
    return Elector(lease, "system", "lease", "it", timing)  # type: ignore[arg-type]


def test_a_leader_that_cant_renew_loses(lease: OneLease) -> None:
    async def scenario() -> None:
        elector = quick(lease)
        await elector.acquire()
        lease.down = True
        with pytest.raises(LostLeaseError, match=r"not renewed for 0\.2 s"):
            await elector.keep()
        assert not elector.leads

    asyncio.run(scenario())


def test_a_leader_that_is_overtaken_loses_at_once(lease: OneLease) -> None:
    async def scenario() -> None:
        elector = quick(lease)
        await elector.acquire()
        lease.edit(holderIdentity="somebody")
        with pytest.raises(LostLeaseError, match="held by 'somebody'"):
            await elector.keep()
        assert not elector.leads
        assert lease.holder == "somebody"

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("timing", "message"),
    [
        ((0.5, 0.2, 0.1), "at least 1 s"),
        ((10.5, 5, 1), "whole seconds"),
        ((10, 10, 1), "must be less than the lease duration"),
        ((10, 2, 2), "1.2 times it less than the renew deadline"),
        ((10, 2, 0), "more than 0 s"),
    ],
)
def test_durations_that_dont_fit_together_are_refused(timing: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Timing(*timing)

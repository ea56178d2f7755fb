"""Processes that die: the operator itself, the API server, etcd. And a clock that jumps."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pytest
from tests.cluster.harness import ROOT, OperatorProcess, PodWatch
from tests.survival.town import BUSY, SOAK, Town

from devcluster.cluster import LocalCluster
from devcluster.components import API_SERVER, CONTROLLER_MANAGER, ETCD, KWOK, SCHEDULER
from devcluster.faultproxy import FaultProxy

pytestmark = pytest.mark.cluster

KILLS = 50 if SOAK else 6
OUTAGE_SECONDS = 60.0 if SOAK else 6.0
DAY_SECONDS = 86400
FOLLOWERS = (CONTROLLER_MANAGER, SCHEDULER, KWOK)


def test_the_operator_is_killed_at_random_writes(town: Town) -> None:
    """SIGKILL right before the API server gets a write, or after it has done it and before the operator
    learns of that; else, where an edit took fewer writes, at a random moment."""
    operator = town.stage.operator
    at_a_write = 0
    watch = PodWatch(town.stage, BUSY[0])
    with watch, town.survives("operator killed with SIGKILL at a write", writes=40 * KILLS):
        for _ in range(KILLS):
            number, after = town.chance.randint(1, 6), town.chance.random() < 0.5
            killed = threading.Event()

            def strike(count: int, number: int = number, killed: threading.Event = killed) -> bool:
                if count == number and not killed.is_set():
                    operator.send(signal.SIGKILL)
                    killed.set()
                return killed.is_set()

            town.proxy.watch_writes(*((None, strike) if after else (strike, None)))
            for name in BUSY:
                town.edit(name)
            if killed.wait(town.chance.uniform(0.5, 2.0)):
                at_a_write += 1
            else:
                operator.send(signal.SIGKILL)
            operator.wait()
            town.proxy.watch_writes()
            operator.start()
    assert at_a_write > 0, "no kill met a write"
    counts = watch.ready_counts()
    served = counts[next(index for index, count in enumerate(counts) if count) :]
    assert min(served) >= 1, f"{BUSY[0]} had no ready pod for a while: {counts}"


def test_the_api_server_is_restarted(town: Town, frail_cluster: LocalCluster) -> None:
    with town.survives("API server killed and started again"):
        town.keep_editing(1.0)
        frail_cluster.kill(API_SERVER)
        frail_cluster.revive(API_SERVER)
        town.edit()


@pytest.mark.parametrize("others", ("restarted", "kept") if SOAK else ("restarted",))
def test_the_api_server_is_away(town: Town, frail_cluster: LocalCluster, others: str) -> None:
    """The operator's requests are counted by the proxy: hardly more than one a second must be left.

    Controller manager and scheduler end when they lose their leases, and are restarted. Here they have none,
    so the test does it for them. Kept, each of their watches begins anew only after a wait of its own of up
    to 30 s, which is client-go's, and so do kwok's: what serves again then is up to them.
    """
    with town.survives(f"API server away for {OUTAGE_SECONDS:.0f} s, the rest {others}"):
        town.keep_editing(1.0)
        frail_cluster.kill(API_SERVER)
        before = town.proxy.requests
        followers = FOLLOWERS if others == "restarted" else ()
        for each in followers:
            frail_cluster.kill(each)
        time.sleep(OUTAGE_SECONDS)
        asked = town.proxy.requests - before
        frail_cluster.revive(API_SERVER)
        for each in followers:
            frail_cluster.revive(each)
        town.edit()
    assert asked < 100 + 5 * OUTAGE_SECONDS, f"{asked} requests in {OUTAGE_SECONDS:.0f} s without an answer"


def test_etcd_is_killed(town: Town, frail_cluster: LocalCluster) -> None:
    with town.survives("etcd killed and started again"):
        town.keep_editing(1.0)
        frail_cluster.kill(ETCD)
        time.sleep(2.0)
        frail_cluster.revive(ETCD)
        town.edit()


def test_the_wall_clock_jumps(town: Town, proxy: FaultProxy, tmp_path: Path) -> None:
    """Simulated in the process, since a real jump would be the whole machine's: by a day to and fro."""
    before, shift = town.stage.operator, tmp_path / "shift"
    before.stop()
    path = f"{Path(__file__).with_name('clock')}:{ROOT / 'operator'}"
    operator = OperatorProcess(
        proxy.kubeconfig, tmp_path / "log", "--resync", "600", PYTHONPATH=path, SHIFT_FILE=str(shift)
    )
    operator.start()
    try:
        town.converged()
        for days in (1, -1, 0):
            with town.survives("wall clock jumps by a day"):
                shift.write_text(str(days * DAY_SECONDS))
                for name in BUSY:
                    town.edit(name)
        day = time.strftime("%Y-%m-%d", time.gmtime(time.time() - DAY_SECONDS))
        assert day in operator.text(), "the clock did not jump"
    finally:
        print(operator.text())
        operator.stop()
        before.start()

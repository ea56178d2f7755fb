"""A fail-over is measured between a leader and a standby; what keeps that from being so is named."""

from __future__ import annotations

import asyncio

import pytest

from bench.book import Book
from bench.fleets import fleet
from bench.live import failover
from bench.live.campaign import Campaign
from bench.live.site import NAMESPACE, Site, site
from bench.live.sizes import SMALL

ELECT = ("--leader-elect", "--lease-namespace", NAMESPACE, "--lease-duration", "3")
TIMING = ("--renew-deadline", "2", "--retry-period", "0.5")


class Ending(Site):
    """A site whose leader ends while the other replica is waited for: what a busy machine does to it."""

    ended = False

    async def quiet(self, name: str = failover.REPLICAS[0], patience: float = 30.0) -> float:
        if name == failover.REPLICAS[1] and not self.ended:
            self.ended = True
            self.kill(failover.REPLICAS[0])
        return await super().quiet(name, patience)


@pytest.mark.cluster
def test_a_replica_that_ends_before_is_started_again() -> None:
    async def scenario() -> tuple[str, str, int]:
        async with site(operator=False, lean=True) as plain:
            here = Ending(plain.cluster, plain.client, plain.operator, plain.rows, quiet_seconds=1.0)
            made = Campaign(here, fleet(1, 1), SMALL, Book())
            pair = [here.replica(name, *ELECT, *TIMING) for name in failover.REPLICAS]
            leader, standby, again = await failover._roles(made, pair)
            with pytest.raises(ProcessLookupError, match="nobody has ended"):
                here.kill("nobody")
            return leader.name, standby.name, again

    assert asyncio.run(scenario()) == ("operator-b", "operator-a", 1)

"""A placement falls back to real processors when its accelerators vanish, and returns when they are back."""

from __future__ import annotations

from devcluster.kubectl import Kubectl
from e2e.client import Client
from e2e.platform import DATA, VANISHING, add_nodes, address, ready_on, remove_nodes

POOL = "vanishing"


def test_it_falls_back_serves_and_returns(kubectl: Kubectl, client: Client) -> None:
    add_nodes(kubectl, VANISHING)
    kubectl("apply", "-f", str(DATA / "digits-fallback.yaml"))
    ready_on(kubectl, "digits-fallback", "GPU")
    service = address(kubectl, "digits-fallback")

    remove_nodes(kubectl, POOL)

    ready_on(kubectl, "digits-fallback", "CPU")
    tally = client.ask(service)
    assert (tally.failed, tally.wrong) == (0, 0), tally

    add_nodes(kubectl, VANISHING)

    ready_on(kubectl, "digits-fallback", "GPU")
    assert address(kubectl, "digits-fallback") == service
    kubectl("-n", "e2e", "delete", "infd", "digits-fallback")
    remove_nodes(kubectl, POOL)

"""The leading operator is killed: the other one takes over, and what serves goes on."""

from __future__ import annotations

import json

from devcluster.kubectl import Kubectl
from e2e.client import Client
from e2e.installation import NAMESPACE, Installation
from e2e.platform import address, deployments, ready_on
from e2e.waiting import eventually

NAME = "digits-onnx"


def test_the_standby_leads_after_the_leaders_death(
    kubectl: Kubectl, installation: Installation, client: Client
) -> None:
    leader = eventually(installation.leader, bool, "one replica leads")

    with client.traffic(address(kubectl, NAME)) as traffic:
        kubectl("-n", NAMESPACE, "delete", "pod", leader, "--grace-period=0", "--force")
        eventually(installation.leader, lambda now: now not in ("", leader), "another replica leads")
        # The new leader works: it carries out an edit.
        edit = {"spec": {"template": {"annotations": {"example.com/after": "failover"}}}}
        kubectl("-n", "e2e", "patch", "infd", NAME, "--type=merge", "-p", json.dumps(edit))
        eventually(
            lambda: [
                each["spec"]["template"]["metadata"].get("annotations", {})
                for each in deployments(kubectl, NAME)
            ],
            lambda found: found == [edit["spec"]["template"]["annotations"]],
            "the new leader carries out an edit",
        )
        ready_on(kubectl, NAME, "CPU")

    assert traffic.tally is not None
    assert (traffic.tally.failed, traffic.tally.wrong) == (0, 0), traffic.tally
    eventually(installation.pods, lambda pods: len(pods) == 2, "there are two replicas again")

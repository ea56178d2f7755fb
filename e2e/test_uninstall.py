"""What the operator asked for while it was there, and what stays when it goes."""

from __future__ import annotations

from devcluster.kubectl import Kubectl
from devcluster.rights import compare
from e2e.client import Client
from e2e.clusters import Cluster
from e2e.installation import NAMESPACE, Installation
from e2e.platform import address
from e2e.waiting import eventually
from stowage.cluster.permissions import Grant, grants

NAME = "digits-onnx"
USER = f"system:serviceaccount:{NAMESPACE}:stowage"

UNSEEN: frozenset[Grant] = frozenset(
    {
        # Admission asks about it, and no request does.
        ("stowage.dev", "inferencedeployments", "finalizers", "update"),
        # Where a variant is edited while it is built.
        ("batch", "jobs", "", "delete"),
        # Only where Karpenter is.
        ("karpenter.sh", "nodeclaims", "", "get"),
        # Where a policy is wrong, or an event repeats: not a part of this run.
        ("stowage.dev", "placementpolicies", "status", "patch"),
        *((group, "events", "", verb) for group in ("", "events.k8s.io") for verb in ("list", "patch")),
    }
)
"""Rights that a run need not make use of; tests/cluster make use of each."""


def test_nothing_was_refused_to_the_operator_and_it_has_no_right_that_it_doesnt_use(
    cluster: Cluster, installation: Installation, client: Client
) -> None:
    found = compare([cluster.audit_log], USER, grants())

    assert found.requests > 0
    assert found.refused == (), "\n".join(found.refused)
    print(f"rights: {len(grants())}, of which {len(grants() - found.unused)} were used")
    assert found.unused <= UNSEEN, sorted(found.unused - UNSEEN)


def test_uninstalled_objects_and_servers_stay_and_serve(
    kubectl: Kubectl, installation: Installation, client: Client
) -> None:
    service = address(kubectl, NAME)

    with client.traffic(service) as traffic:
        installation.uninstall()

    assert traffic.tally is not None
    assert (traffic.tally.failed, traffic.tally.wrong) == (0, 0), traffic.tally
    assert installation.pods() == []
    assert kubectl("-n", "e2e", "get", "infd", NAME, "-o", "name").stdout.strip()
    assert client.ask(service).failed == 0


def test_asked_for_all_goes(kubectl: Kubectl, installation: Installation, client: Client) -> None:
    kinds = kubectl("get", "crds", "-o", "name").stdout.split()
    ours = [each for each in kinds if each.endswith(".stowage.dev")]
    assert len(ours) == 5

    kubectl("delete", *ours, timeout=600)

    children = "deployments,pods,services,poddisruptionbudgets"
    eventually(
        lambda: kubectl("-n", "e2e", "get", children, "-o", "name").stdout,
        lambda left: left == "",
        "all that the operator made has gone",
    )

"""Nothing that serves is disturbed by an upgrade of the operator, nor by an edit of an object."""

from __future__ import annotations

import json

from devcluster.kubectl import Kubectl
from e2e.client import Client, Tally
from e2e.installation import Installation
from e2e.platform import address, deployments, ready_on
from e2e.waiting import eventually

NAME = "digits-onnx"


def test_an_upgrade_of_the_operator_restarts_no_server_and_fails_no_request(
    kubectl: Kubectl, installation: Installation, client: Client
) -> None:
    before = _server_pods(kubectl)
    operators = {pod["metadata"]["uid"] for pod in installation.pods()}

    with client.traffic(address(kubectl, NAME)) as traffic:
        installation.upgrade({"podAnnotations": {"e2e.stowage.dev/upgrade": "1"}})
        eventually(
            lambda: {pod["metadata"]["uid"] for pod in installation.pods()},
            lambda now: len(now) == 2 and not now & operators,
            "both operator pods are new",
        )
        ready_on(kubectl, NAME, "CPU")

    _assert_no_failure(traffic.tally)
    assert _server_pods(kubectl) == before


def test_an_edit_of_the_object_rolls_its_server_and_fails_no_request(
    kubectl: Kubectl, client: Client
) -> None:
    before = _server_pods(kubectl)
    edit = {"spec": {"template": {"env": [{"name": "E2E_EDIT", "value": "1"}]}}}

    with client.traffic(address(kubectl, NAME)) as traffic:
        kubectl("-n", "e2e", "patch", "infd", NAME, "--type=merge", "-p", json.dumps(edit))
        eventually(
            lambda: _server_pods(kubectl),
            lambda now: len(now) == 1 and not now & before,
            "the server's pod is another one, and the old one has gone",
        )
        ready_on(kubectl, NAME, "CPU")

    _assert_no_failure(traffic.tally)
    (deployment,) = deployments(kubectl, NAME)
    (server,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "E2E_EDIT", "value": "1"} in server["env"]


def _server_pods(kubectl: Kubectl) -> set[str]:
    """The pods of the model server, those that are leaving included."""
    selector = f"stowage.dev/inference-deployment={NAME}"
    pods = kubectl.json("-n", "e2e", "get", "pods", "--selector", selector)["items"]
    return {pod["metadata"]["uid"] for pod in pods}


def _assert_no_failure(tally: Tally | None) -> None:
    assert tally is not None
    assert tally.requests > 0
    assert (tally.failed, tally.wrong) == (0, 0), tally

"""What OpenVINO's tools made is served by OpenVINO, as long as it is what was built."""

from __future__ import annotations

import json
from typing import Any

from devcluster.kubectl import Kubectl
from e2e.client import Client
from e2e.clusters import Cluster
from e2e.images import BUILDER, reference
from e2e.models import train
from e2e.platform import DATA, NAMESPACE, address, ready_on, workload
from e2e.waiting import eventually

NAME = "digits-openvino"
SELECTOR = f"stowage.dev/inference-deployment={NAME}"
PAUSE_SECONDS = 0.2
BUILD_SECONDS = 600
CRASHES_SECONDS = 420
"""The kubelet waits 10, 20 and 40 s before it starts a container again, and up to 80 s when all is well."""


def test_an_openvino_model_is_served_and_another_one_refused(
    cluster: Cluster, kubectl: Kubectl, network_client: Client
) -> None:
    kubectl("apply", "-f", str(DATA / f"{NAME}.yaml"))
    eventually(lambda: _variant(kubectl).get("state"), lambda s: s == "Built", "int8 is built", BUILD_SECONDS)
    digest = _variant(kubectl)["digest"]
    ready_on(kubectl, NAME, "CPU")
    service = address(kubectl, NAME)
    (serving,) = _pods(kubectl)
    (server,) = serving["spec"]["containers"]
    assert f"--digest={digest}" in server["args"]
    log = kubectl("-n", NAMESPACE, "logs", serving["metadata"]["name"]).stdout
    assert f"the digest is the expected one, {digest}" in log
    assert "serving /models/int8/model.xml as 'digits' by openvino on 1 threads" in log
    tally = network_client.ask(service, "unseen")
    assert tally.failed == 0, tally
    assert tally.right > 0.95 * tally.requests, tally

    with network_client.traffic(service, "clear", PAUSE_SECONDS) as traffic:
        _tamper(cluster)
        _edit(kubectl, "one")
        refusal = eventually(lambda: _ready(kubectl), _is_refusal, "it is refused", CRASHES_SECONDS)
        assert f", expected {digest}; 1 replica goes on serving" in refusal["message"]
        assert refusal["status"] == "False"
        ready = {pod["metadata"]["uid"]: _is_ready(pod) for pod in _pods(kubectl)}
        assert ready.pop(serving["metadata"]["uid"])
        assert list(ready.values()) == [False]

        _tamper(cluster)
        eventually(lambda: _ready(kubectl)["status"], lambda s: s == "True", "it is mended", CRASHES_SECONDS)

    assert traffic.tally is not None
    assert traffic.tally.requests > 0
    assert (traffic.tally.failed, traffic.tally.wrong) == (0, 0), traffic.tally
    assert serving["metadata"]["uid"] not in {pod["metadata"]["uid"] for pod in _pods(kubectl)}
    kubectl("-n", NAMESPACE, "delete", "infd", NAME)


def _variant(kubectl: Kubectl) -> dict[str, Any]:
    """What the status says of int8; empty before it does."""
    status = workload(kubectl, NAME).manifest.get("status") or {}
    return next((each for each in status.get("variants") or () if each["name"] == "int8"), {})


def _pods(kubectl: Kubectl) -> list[dict[str, Any]]:
    """The pods that aren't on their way out."""
    items = kubectl.json("-n", NAMESPACE, "get", "pods", "--selector", SELECTOR)["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def _is_ready(pod: dict[str, Any]) -> bool:
    return bool(_condition(pod)["status"] == "True")


def _ready(kubectl: Kubectl) -> dict[str, Any]:
    """The object's condition Ready."""
    return _condition(workload(kubectl, NAME).manifest)


def _condition(manifest: dict[str, Any]) -> dict[str, Any]:
    """The condition Ready of a pod or an object."""
    conditions = manifest["status"]["conditions"]
    found: dict[str, Any] = next(each for each in conditions if each["type"] == "Ready")
    return found


def _is_refusal(condition: dict[str, Any]) -> bool:
    said = "its container crashed 3 times, at last with Error: digest is sha256:"
    return bool(condition["reason"] == "CrashLoop" and condition["message"].startswith(said))


def _tamper(cluster: Cluster) -> None:
    train(cluster, NAMESPACE, reference(BUILDER), "tamper.py")


def _edit(kubectl: Kubectl, label: str) -> None:
    """Have the pods exchanged."""
    change = {"spec": {"template": {"labels": {"team": label}}}}
    kubectl("-n", NAMESPACE, "patch", "infd", NAME, "--type=merge", "-p", json.dumps(change))

"""A model is fetched by https into the pod that serves it, and another one than was meant is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster.kubectl import Kubectl
from e2e.client import Client
from e2e.clusters import REAL_LABEL
from e2e.platform import NAMESPACE, address, ready_on, workload
from e2e.store import TOKEN, TRUST, Store
from e2e.waiting import eventually

NAME = "digits-fetched"
POLICY = "e2e-fetch"
FILE = "digits-network/model.onnx"
SIZE = 4236510
PAUSE_SECONDS = 0.2
OTHER = f"sha256:{'0' * 64}"


@pytest.fixture
def store(kubectl: Kubectl, network: dict[str, Any], tmp_path: Path) -> Iterator[Store]:
    """The store; the network is on its volume."""
    made = Store(kubectl, tmp_path)
    made.start()
    yield made
    made.stop()


def test_a_model_is_fetched_served_and_another_one_refused(
    kubectl: Kubectl, network_client: Client, store: Store
) -> None:
    digest = store.digest(FILE)
    _apply(kubectl, _policy(store), _deployment(store, digest))
    ready_on(kubectl, NAME, "CPU")
    (serving,) = _pods(kubectl)
    (fetched,) = serving["status"]["initContainerStatuses"]
    assert fetched["state"]["terminated"]["exitCode"] == 0
    log = kubectl("-n", NAMESPACE, "logs", serving["metadata"]["name"], "-c", "fetcher").stdout
    assert "model.onnx: complete, " in log
    server_log = kubectl("-n", NAMESPACE, "logs", serving["metadata"]["name"], "-c", "server").stdout
    assert f"the digest is the expected one, {digest}" in server_log
    service = address(kubectl, NAME)
    tally = network_client.ask(service, "unseen")
    assert tally.failed == 0, tally
    assert tally.right > 0.95 * tally.requests, tally

    with network_client.traffic(service, "clear", PAUSE_SECONDS) as traffic:
        _apply(kubectl, _deployment(store, OTHER))
        refusal = eventually(lambda: _ready(kubectl), lambda c: c["reason"] == "FetchFailed", "it is refused")
        assert refusal["message"] == (
            f"model.onnx has the digest {digest}, and {OTHER} was asked for;"
            " correct the variant's digest or its uri; 1 replica goes on serving"
        )
        assert refusal["status"] == "False"
        assert serving["metadata"]["uid"] in {pod["metadata"]["uid"] for pod in _pods(kubectl)}
        _apply(kubectl, _deployment(store, digest))
        eventually(lambda: _ready(kubectl)["status"], lambda s: s == "True", "it is mended")

    assert traffic.tally is not None
    assert traffic.tally.requests > 0
    assert (traffic.tally.failed, traffic.tally.wrong) == (0, 0), traffic.tally
    kubectl("-n", NAMESPACE, "delete", "infd", NAME)


def test_what_the_store_has_not_is_said_in_its_words(kubectl: Kubectl, store: Store) -> None:
    _apply(kubectl, _policy(store), _deployment(store, None, f"{FILE}.onnx"))
    words = (
        "fp32 failed, and nothing else can serve: model.onnx.onnx: the store answers 404: it has no such"
        " file; correct the variant's uri"
    )
    # Before that, what ails the pod is said, and other places are looked for.
    seen = eventually(lambda: _ready(kubectl), lambda c: c["message"] == words, "it can't be had")
    assert seen["reason"] == "FetchFailed"
    kubectl("-n", NAMESPACE, "delete", "infd", NAME)


def _policy(store: Store) -> dict[str, Any]:
    """What a platform team writes: which store, with whose token, and whom to believe."""
    real = {"types": ["CPU"], "nodeSelector": {REAL_LABEL: "true"}}
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "PlacementPolicy",
        "metadata": {"name": POLICY},
        "spec": {
            "allowCPU": True,
            "tiers": [{"name": "real", "accelerators": real}],
            "fetch": {
                "trust": {"configMapName": TRUST},
                "stores": [{"uri": store.uri, "secretName": TOKEN}],
                "otherStores": "Never",
                "timeout": "5m",
            },
        },
    }


def _deployment(store: Store, digest: str | None, file: str = FILE) -> dict[str, Any]:
    variant = {"name": "fp32", "precision": "fp32", "format": "onnx", "size": SIZE, "uri": store.uri + file}
    model = {"name": "digits", "task": "image-classification", "parameters": 1059000}
    return {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "InferenceDeployment",
        "metadata": {"name": NAME, "namespace": NAMESPACE},
        "spec": {
            "model": {**model, "inference": {"flops": 2720000, "activationMemory": "1Mi"}},
            "variants": [{**variant, **({"digest": digest} if digest else {})}],
            "policy": POLICY,
            "template": {"resources": {"memory": "512Mi"}},
        },
    }


def _apply(kubectl: Kubectl, *items: dict[str, Any]) -> None:
    manifests = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    kubectl("apply", "-f", "-", input=json.dumps(manifests))


def _pods(kubectl: Kubectl) -> list[dict[str, Any]]:
    """The pods that aren't on their way out."""
    selector = f"stowage.dev/inference-deployment={NAME}"
    items = kubectl.json("-n", NAMESPACE, "get", "pods", "--selector", selector)["items"]
    return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]


def _ready(kubectl: Kubectl) -> dict[str, Any]:
    """The object's condition Ready; one without a reason before there is any."""
    conditions = (workload(kubectl, NAME).manifest.get("status") or {}).get("conditions") or ()
    none = {"type": "Ready", "status": "Unknown", "reason": ""}
    found: dict[str, Any] = next((each for each in conditions if each["type"] == "Ready"), none)
    return found

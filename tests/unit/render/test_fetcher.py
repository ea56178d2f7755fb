"""The init container that fetches a model: what it may and is told, and that the pod needs no more for it."""

from __future__ import annotations

from typing import Any

import pytest

from stowage.control.projections import pod_requests
from stowage.placement.candidates import Candidate
from stowage.render.children import deployment
from stowage.render.pod import pod_template

from .builders import BF16, CLASSIC, FETCHER, any_type, candidate, choose, pool, workload

URI = "https://models.example.com/digits/net.onnx"
DIGEST = f"sha256:{'ab' * 32}"
ONNX = {"name": "fp32", "precision": "fp32", "format": "onnx", "uri": URI, "size": "100Mi", "digest": DIGEST}
STORE = {"uri": "https://models.example.com/", "secretName": "models"}


def fetched(fetch: Any = None, template: Any = None, **variant: Any) -> Candidate:
    given = workload([{**ONNX, **variant}], model=CLASSIC, template=template or {})
    return candidate(given, pool("cpu-x86-amx-int8", 64), rules=any_type(fetch=fetch or {}))


def spec(one: Candidate) -> dict[str, Any]:
    return dict(pod_template(one, one.placement, FETCHER)["spec"])


def fetcher(one: Candidate) -> dict[str, Any]:
    (found,) = spec(one)["initContainers"]
    return dict(found)


def test_the_whole_of_it() -> None:
    pod = spec(fetched())
    assert pod["initContainers"] == [
        {
            "name": "fetcher",
            "image": FETCHER,
            "args": [
                f"--uri={URI}",
                "--output=/models/fp32",
                "--most-bytes=115343360",
                "--timeout=7200",
                f"--digest={DIGEST}",
            ],
            "resources": {
                "requests": {"cpu": "1", "memory": "256Mi", "ephemeral-storage": "110Mi"},
                "limits": {"cpu": "1", "memory": "256Mi"},
            },
            "volumeMounts": [{"name": "model", "mountPath": "/models/fp32"}],
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
        }
    ]
    assert pod["volumes"] == [{"name": "model", "emptyDir": {"sizeLimit": "114Mi"}}]
    (server,) = pod["containers"]
    assert server["volumeMounts"] == [{"name": "model", "mountPath": "/models/fp32", "readOnly": True}]
    assert "--model-path=/models/fp32/net.onnx" in server["args"]
    assert f"--digest={DIGEST}" in server["args"]
    assert pod["automountServiceAccountToken"] is False


@pytest.mark.parametrize("uri", ["oci://example.com/net:1", "pvc://models/net.onnx"])
def test_nothing_is_fetched_of_what_is_mounted(uri: str) -> None:
    assert "initContainers" not in spec(fetched(uri=uri))


def test_nor_of_what_the_server_fetches() -> None:
    one = candidate(workload([{**BF16, "uri": "hf://org/model"}]), pool("nvidia-l4"))
    assert "initContainers" not in spec(one)


@pytest.mark.parametrize(
    "resources", [{}, {"cpu": "500m"}, {"memory": "100Mi"}, {"ephemeralStorage": "10Mi"}, {"cpu": "8"}]
)
def test_the_pod_needs_no_more_for_it(resources: dict[str, str]) -> None:
    """What the ledger was told is what the scheduler counts, and the pod stays Guaranteed."""
    one = fetched(template={"resources": resources})
    assert pod_requests(spec(one)) == {**one.requests, "pods": 1}
    limits = fetcher(one)["resources"]["limits"]
    assert {k: v for k, v in fetcher(one)["resources"]["requests"].items() if k in limits} == limits


def test_the_policys_image_goes_first() -> None:
    assert fetcher(fetched({"image": "example.com/fetcher:2"}))["image"] == "example.com/fetcher:2"


def test_a_stores_token_goes_to_the_fetcher_alone() -> None:
    one = fetched(
        {"stores": [STORE, {**STORE, "uri": "https://models.example.com/digits/", "secretName": "b"}]}
    )
    reference = {"name": "b", "key": "token"}
    assert fetcher(one)["env"] == [{"name": "FETCH_TOKEN", "valueFrom": {"secretKeyRef": reference}}]
    assert "FETCH_TOKEN" not in str(spec(one)["containers"])


@pytest.mark.parametrize(
    "uri",
    [
        "https://models.example.com.evil.example/net.onnx",
        "https://models.example.com:444/net.onnx",
        "https://other.example.com/https://models.example.com/net.onnx",
        "https://models.example.com%2f@evil.example/net.onnx",
    ],
)
def test_and_to_no_other_store(uri: str) -> None:
    assert "env" not in fetcher(fetched({"stores": [STORE]}, uri=uri))


BUCKET = {"uri": "s3://models/", "secretName": "bucket", "endpoint": "https://minio:9000", "region": "eu-1"}


def test_a_bucket_has_keys_an_endpoint_and_a_region() -> None:
    one = fetched({"stores": [BUCKET]}, uri="s3://models/a/net.onnx")
    names = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"]
    keys: list[dict[str, Any]] = [{"name": "bucket", "key": name} for name in names]
    keys[2]["optional"] = True
    assert fetcher(one)["env"] == [
        {"name": name, "valueFrom": {"secretKeyRef": key}} for name, key in zip(names, keys, strict=True)
    ]
    assert fetcher(one)["args"][0] == "--uri=s3://models/a/net.onnx"
    assert {"--endpoint=https://minio:9000", "--region=eu-1"} <= set(fetcher(one)["args"])
    (server,) = spec(one)["containers"]
    assert "--model-path=/models/fp32/net.onnx" in server["args"]


@pytest.mark.parametrize("uri", ["s3://models/llama/", "gs://models/llama/"])
def test_a_folder_is_what_the_server_is_told_of(uri: str) -> None:
    one = candidate(workload([{**BF16, "uri": uri}]), pool("nvidia-l4"))
    assert one.runtime.name == "vllm"
    assert f"--uri={uri}" in fetcher(one)["args"]
    (server,) = spec(one)["containers"]
    assert server["args"][0] == "/models/bf16"
    assert "HF_HOME" not in str(server["env"])


@pytest.mark.parametrize("uri", ["gs://models/a/net.onnx", "hf://models/a/net.onnx"])
def test_other_stores_have_tokens(uri: str) -> None:
    store = {"uri": f"{uri[:2]}://models/", "secretName": "hub", "key": "HF_TOKEN"}
    one = fetched({"stores": [store]}, uri=uri)
    reference = {"name": "hub", "key": "HF_TOKEN"}
    assert fetcher(one)["env"] == [{"name": "FETCH_TOKEN", "valueFrom": {"secretKeyRef": reference}}]
    assert not [a for a in fetcher(one)["args"] if a.startswith(("--endpoint", "--region"))]


def test_a_store_without_a_secret_has_no_token() -> None:
    assert "env" not in fetcher(fetched({"stores": [{"uri": STORE["uri"]}]}))


def test_authorities_of_ones_own() -> None:
    one = fetched({"trust": {"configMapName": "authorities", "key": "root.pem"}})
    (volume,) = [v for v in spec(one)["volumes"] if v["name"] == "fetcher-trust"]
    items = [{"key": "root.pem", "path": "ca.crt"}]
    assert volume == {"name": "fetcher-trust", "configMap": {"name": "authorities", "items": items}}
    mount = {"name": "fetcher-trust", "mountPath": "/etc/stowage/trust", "readOnly": True}
    assert mount in fetcher(one)["volumeMounts"]
    assert "--trust=/etc/stowage/trust/ca.crt" in fetcher(one)["args"]


def test_the_servers_token_is_not_the_fetchers() -> None:
    one = fetched(template={"serviceAccountName": "robot"})
    place = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert {"name": "no-token", "mountPath": place, "readOnly": True} in fetcher(one)["volumeMounts"]
    assert {"name": "no-token", "emptyDir": {}} in spec(one)["volumes"]
    assert place not in str(spec(one)["containers"])


def test_the_deployment_waits_for_the_fetch() -> None:
    body = deployment(choose(fetched({"timeout": "90m"})), FETCHER)
    assert body["spec"]["progressDeadlineSeconds"] == 1800 + 5400 + 60

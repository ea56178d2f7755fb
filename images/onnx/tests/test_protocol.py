"""The open inference protocol (V2), as clients see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import models
import numpy as np
import pytest
from conftest import Serve
from onnx import TensorProto
from starlette.testclient import TestClient

from onnx_server import __version__
from onnx_server.drain import Draining

X: dict[str, Any] = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
JSON_LENGTH = "Inference-Header-Content-Length"


def infer(client: TestClient, *inputs: dict[str, Any], **fields: Any) -> Any:
    response = client.post("/v2/models/m/infer", json={"inputs": inputs, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def test_health_and_metadata(linear: TestClient) -> None:
    answers = {
        "/v2/health/live": {"live": True},
        "/v2/health/ready": {"ready": True},
        "/v2/models/m/ready": {"name": "m", "ready": True},
        "/v2/models": {"models": ["m"]},
        "/v2": {"name": "stowage-onnx-server", "version": __version__, "extensions": ["binary_tensor_data"]},
        "/v2/models/m": {
            "name": "m",
            "platform": "onnxruntime_onnx",
            "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
            "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
        },
    }
    assert {path: linear.get(path).json() for path in answers} == answers


def test_an_answer(linear: TestClient) -> None:
    assert infer(linear, X, id="7") == {
        "id": "7",
        "model_name": "m",
        "model_version": None,
        "outputs": [{"name": "y", "shape": [1, 2], "datatype": "FP32", "data": [32.0, 48.0]}],
    }


@pytest.mark.parametrize("batch", [0, 1, 5])
def test_batches_of_any_size(linear: TestClient, batch: int) -> None:
    (output,) = infer(linear, X | {"shape": [batch, 3], "data": [[1, 2, 3]] * batch})["outputs"]
    assert (output["shape"], output["data"]) == ([batch, 2], [32.0, 48.0] * batch)


def test_several_inputs_and_outputs_in_any_order(serve: Serve, tmp_path: Path) -> None:
    client = serve(models.sums(tmp_path / "m.onnx"))
    a = {"name": "a", "shape": [2], "datatype": "INT64", "data": [5, 7]}
    b = {"name": "b", "shape": [2], "datatype": "INT64", "data": [1, 2]}
    both = infer(client, b, a)["outputs"]
    assert [(o["name"], o["data"]) for o in both] == [("sum", [6, 9]), ("difference", [4, 5])]
    (one,) = infer(client, a, b, outputs=[{"name": "difference"}])["outputs"]
    assert one["data"] == [4, 5]


def test_an_int8_model_with_qdq(serve: Serve, tmp_path: Path) -> None:
    client = serve(models.quantized(tmp_path / "m.onnx"))
    (output,) = infer(client, X | {"shape": [4], "data": [0.3, 0.6, -1.1, 1000]})["outputs"]
    assert output["data"] == [0.5, 0.5, -1.0, 63.5]


@pytest.mark.parametrize(
    ("kind", "datatype", "data"),
    [
        (TensorProto.BOOL, "BOOL", [True, False]),
        (TensorProto.INT8, "INT8", [-128, 127]),
        (TensorProto.INT16, "INT16", [-(2**15), 2**15 - 1]),
        (TensorProto.INT32, "INT32", [-(2**31), 2**31 - 1]),
        (TensorProto.INT64, "INT64", [-(2**63), 2**63 - 1]),
        (TensorProto.UINT8, "UINT8", [0, 255]),
        (TensorProto.UINT16, "UINT16", [0, 2**16 - 1]),
        (TensorProto.UINT32, "UINT32", [0, 2**32 - 1]),
        (TensorProto.UINT64, "UINT64", [2**63, 2**64 - 1]),
        (TensorProto.FLOAT, "FP32", [0.5, -2.0]),
        (TensorProto.DOUBLE, "FP64", [0.1, -1e300]),
        (TensorProto.STRING, "BYTES", ["grün", ""]),
    ],
)
def test_every_datatype_comes_back(
    serve: Serve, tmp_path: Path, kind: int, datatype: str, data: list[Any]
) -> None:
    client = serve(models.echo(tmp_path / "m.onnx", kind))
    given = {"name": "x", "shape": [2], "datatype": datatype, "data": data}
    assert infer(client, given)["outputs"] == [
        {"name": "y", "shape": [2], "datatype": datatype, "data": data}
    ]


def binary(client: TestClient, document: dict[str, Any], raw: bytes) -> Any:
    head = json.dumps(document).encode()
    return client.post("/v2/models/m/infer", content=head + raw, headers={JSON_LENGTH: str(len(head))})


@pytest.mark.parametrize(
    ("kind", "datatype", "array"),
    [
        (TensorProto.FLOAT, "FP32", np.array([1.5, -2], dtype=np.float32)),
        (TensorProto.FLOAT16, "FP16", np.array([1.5, -2], dtype=np.float16)),
        (TensorProto.INT64, "INT64", np.array([1, -2], dtype=np.int64)),
    ],
)
def test_binary_tensors(
    serve: Serve, tmp_path: Path, kind: int, datatype: str, array: np.ndarray[Any, Any]
) -> None:
    client = serve(models.echo(tmp_path / "m.onnx", kind))
    raw = array.tobytes()
    given = {"name": "x", "shape": [2], "datatype": datatype, "parameters": {"binary_data_size": len(raw)}}
    response = binary(client, {"inputs": [given], "parameters": {"binary_data_output": True}}, raw)
    assert response.status_code == 200, response.text
    length = int(response.headers[JSON_LENGTH])
    (output,) = json.loads(response.content[:length])["outputs"]
    assert output == {
        "name": "y",
        "shape": [2],
        "datatype": datatype,
        "parameters": {"binary_data_size": len(raw)},
    }
    assert response.content[length:] == raw


def test_binary_strings(serve: Serve, tmp_path: Path) -> None:
    client = serve(models.echo(tmp_path / "m.onnx", TensorProto.STRING))
    raw = b"\x02\x00\x00\x00ab\x00\x00\x00\x00"
    given = {"name": "x", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    asked = [{"name": "y", "parameters": {"binary_data": True}}]
    response = binary(client, {"inputs": [given], "outputs": asked}, raw)
    assert response.content[int(response.headers[JSON_LENGTH]) :] == raw
    assert binary(client, {"inputs": [given]}, raw).json()["outputs"][0]["data"] == ["ab", ""]


def test_a_name_with_slashes(serve: Serve, tmp_path: Path) -> None:
    client = serve(models.linear(tmp_path / "m.onnx"), name="org/model:1")
    assert client.get("/v2/models/org/model:1/ready").json() == {"name": "org/model:1", "ready": True}
    assert client.get("/v2/models/org/model:1").json()["name"] == "org/model:1"
    assert client.post("/v2/models/org/model:1/infer", json={"inputs": [X]}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v2/models/x", "/v2/models/x/ready", "/v2/models/x/infer", "/v2/models/m/versions/1/infer"]
)
def test_another_model_is_not_there(linear: TestClient, path: str) -> None:
    method = linear.post if path.endswith("infer") else linear.get
    response = method(path)
    name = path.removeprefix("/v2/models/").removesuffix("/ready").removesuffix("/infer")
    assert (response.status_code, response.json()) == (
        404,
        {"error": f"Model with name {name} does not exist."},
    )


@pytest.mark.parametrize("verb", ["load", "unload"])
def test_nobody_takes_the_model_away(linear: TestClient, verb: str) -> None:
    assert linear.post(f"/v2/repository/models/m/{verb}").status_code in (404, 405)
    assert linear.get("/v2/models/m/ready").status_code == 200


def test_metrics_count_requests(linear: TestClient) -> None:
    infer(linear, X)
    linear.post("/v2/models/m/infer", content=b"{")
    text = linear.get("/metrics").text
    for line in (
        'onnx_server_requests_total{code="200"}',
        'onnx_server_requests_total{code="400"}',
        "onnx_server_requests_in_flight 0.0",
        'request_predict_seconds_count{model_name="m"}',
    ):
        assert line in text


def test_while_it_ends_it_is_not_ready_and_still_answers(linear: TestClient, draining: Draining) -> None:
    assert "connection" not in linear.get("/v2/health/ready").headers
    draining.begin()
    for path in ("/v2/health/ready", "/v2/models/m/ready"):
        assert linear.get(path).status_code == 503
    assert linear.get("/v2/health/live").status_code == 200
    response = linear.post("/v2/models/m/infer", json={"inputs": [X]})
    assert (response.status_code, response.headers["connection"]) == (200, "close")

"""What doesn't fit is refused with a sentence that says what would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import models
import pytest
from conftest import Serve
from onnx import TensorProto
from starlette.testclient import TestClient

from onnx_server.engine import warm_up
from onnx_server.errors import ModelError
from onnx_server.onnx_runtime import OnnxRuntime

X: dict[str, Any] = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1, 2, 3]}
TAKES = "the model takes [-1, 3] (-1 is any size)"


def without(field: str) -> dict[str, Any]:
    return {name: value for name, value in X.items() if name != field}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "the body is not a JSON object with inputs"),
        ({}, "inputs is not a list of objects"),
        ({"inputs": "x"}, "inputs is not a list of objects"),
        ({"inputs": [1]}, "inputs is not a list of objects"),
        ({"inputs": []}, "input 'x' is missing; the model's input is 'x'"),
        ({"inputs": [without("name")]}, "there is no input None; the model's input is 'x'"),
        ({"inputs": [X | {"name": "z"}]}, "there is no input 'z'; the model's input is 'x'"),
        ({"inputs": [X | {"name": ["x"]}]}, "there is no input ['x']; the model's input is 'x'"),
        ({"inputs": [X, X]}, "input 'x' is given twice"),
        ({"inputs": [X | {"datatype": "FP64"}]}, "input 'x' is of datatype 'FP64'; the model takes 'FP32'"),
        ({"inputs": [without("datatype")]}, "input 'x' is of datatype None; the model takes 'FP32'"),
        ({"inputs": [X | {"shape": [3]}]}, f"input 'x' has the shape [3]; {TAKES}"),
        ({"inputs": [X | {"shape": [3, 1]}]}, f"input 'x' has the shape [3, 1]; {TAKES}"),
        ({"inputs": [X | {"shape": [-1, 3]}]}, "input 'x': shape is [-1, 3] and not a list of dimensions"),
        (
            {"inputs": [X | {"shape": [True, 3]}]},
            "input 'x': shape is [True, 3] and not a list of dimensions",
        ),
        ({"inputs": [without("shape")]}, "input 'x': shape is None and not a list of dimensions"),
        ({"inputs": [X | {"shape": [2, 3]}]}, "input 'x' has 3 values; the shape [2, 3] has 6"),
        (
            {"inputs": [X | {"shape": [10**30, 3]}]},
            f"input 'x': shape is [{float(10**30)!r}, 3] and not a list of dimensions",
        ),
        (
            {"inputs": [X | {"shape": [10**15, 3]}]},
            f"input 'x' has 3 values; the shape [{10**15}, 3] has {3 * 10**15}",
        ),
        (
            {"inputs": [without("data")]},
            "input 'x' has no data: neither a list of values nor binary_data_size",
        ),
        ({"inputs": [X | {"data": ["a", "b", "c"]}]}, "input 'x': data holds values that are not FP32"),
        ({"inputs": [X | {"data": [None, 1, 2]}]}, "input 'x': data holds values that are not FP32"),
        ({"inputs": [X | {"data": [{}, 1, 2]}]}, "input 'x': data holds values that are not FP32"),
        (
            {"inputs": [X | {"data": [[1], [2, 3]]}]},
            "input 'x': data is nested unevenly, or a value is too large",
        ),
        (
            {"inputs": [X | {"parameters": {"binary_data_size": 12}}]},
            "input 'x': binary_data_size is 12, but 0 bytes are left after the JSON",
        ),
        (
            {"inputs": [X | {"parameters": {"binary_data_size": -1}}]},
            "input 'x': binary_data_size is -1, but 0 bytes are left after the JSON",
        ),
        ({"inputs": [X | {"parameters": 1}]}, "parameters is not an object"),
        ({"inputs": [X], "parameters": []}, "parameters is not an object"),
        ({"inputs": [X], "outputs": [{"name": "z"}]}, "there is no output 'z'; the model's output is 'y'"),
        ({"inputs": [X], "outputs": 1}, "outputs is not a list of objects"),
    ],
)
def test_requests(linear: TestClient, document: Any, message: str) -> None:
    response = linear.post("/v2/models/m/infer", json=document)
    assert (response.status_code, response.json()) == (400, {"error": message})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "the body is not JSON: "),
        (b"{", "the body is not JSON: "),
        (b"\xff\xfe", "the body is not JSON: "),
        (b"[" * 100_000, "the body is not JSON: "),
        (
            b'{"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [NaN, 1, 2]}]}',
            "the body is not JSON",
        ),
    ],
)
def test_malformed_bodies(linear: TestClient, body: bytes, message: str) -> None:
    response = linear.post("/v2/models/m/infer", content=body)
    assert response.status_code == 400
    assert response.json()["error"].startswith(message)


@pytest.mark.parametrize(
    ("length", "raw", "message"),
    [
        ("x", b"", "header inference-header-content-length is 'x' and not a number of bytes"),
        ("-1", b"", "header inference-header-content-length is '-1' and not a number of bytes"),
        ("9999", b"", "the header says that 9999 bytes are JSON; the body has "),
        ("0", b"", "the header says that 0 bytes are JSON; the body has "),
        (None, b"12345", "input 'x' has 5 bytes of binary data that are not a whole number of FP32"),
        (None, b"12345678", "input 'x' has 2 values; the shape [1, 3] has 3"),
    ],
)
def test_malformed_binary(linear: TestClient, length: str | None, raw: bytes, message: str) -> None:
    given = without("data") | {"parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [given]}).encode()
    headers = {"Inference-Header-Content-Length": length or str(len(head))}
    response = linear.post("/v2/models/m/infer", content=head + raw, headers=headers)
    assert response.status_code == 400
    assert response.json()["error"].startswith(message)


def test_bytes_that_belong_to_nobody(linear: TestClient) -> None:
    head = json.dumps({"inputs": [X]}).encode()
    headers = {"Inference-Header-Content-Length": str(len(head))}
    response = linear.post("/v2/models/m/infer", content=head + b"1234", headers=headers)
    assert response.json() == {"error": "4 bytes at the end of the body belong to no input"}


@pytest.mark.parametrize(
    ("kind", "datatype", "data", "message"),
    [
        (TensorProto.INT64, "INT64", [1.5], "data holds values that are not INT64"),
        (TensorProto.INT64, "INT64", [2**63], "data holds values beyond the range of INT64"),
        (TensorProto.INT8, "INT8", [128], "data holds values beyond the range of INT8"),
        (TensorProto.UINT8, "UINT8", [-1], "data holds values beyond the range of UINT8"),
        (TensorProto.BOOL, "BOOL", [1], "data holds values that are not BOOL"),
        (TensorProto.FLOAT, "FP32", [True], "data holds values that are not FP32"),
        (TensorProto.STRING, "BYTES", [1], "data holds values that are not strings"),
    ],
)
def test_values_are_never_changed_silently(
    serve: Serve, tmp_path: Path, kind: int, datatype: str, data: list[Any], message: str
) -> None:
    client = serve(models.echo(tmp_path / "m.onnx", kind))
    given = {"name": "x", "shape": [1], "datatype": datatype, "data": data}
    response = client.post("/v2/models/m/infer", json={"inputs": [given]})
    assert (response.status_code, response.json()) == (400, {"error": f"input 'x': {message}"})


def test_half_precision_has_no_form_in_json(serve: Serve, tmp_path: Path) -> None:
    client = serve(models.echo(tmp_path / "m.onnx", TensorProto.FLOAT16))
    given = {"name": "x", "shape": [1], "datatype": "FP16", "data": [1]}
    response = client.post("/v2/models/m/infer", json={"inputs": [given]})
    message = (
        'output \'y\' is FP16, which JSON can\'t carry; ask for it with "parameters": {"binary_data": true}'
    )
    assert (response.status_code, response.json()) == (400, {"error": message})


def test_what_the_model_itself_refuses(serve: Serve, tmp_path: Path) -> None:
    client = serve(models.table(tmp_path / "m.onnx"))
    given = {"name": "index", "shape": [1], "datatype": "INT64", "data": [3]}
    response = client.post("/v2/models/m/infer", json={"inputs": [given]})
    assert response.status_code == 400
    assert response.json()["error"].startswith("the model refuses these inputs: ")
    assert "out of data bounds" in response.json()["error"]
    assert client.get("/v2/health/ready").status_code == 200


def test_too_large_requests(serve: Serve, tmp_path: Path) -> None:
    client = serve(models.linear(tmp_path / "m.onnx"), max_bytes=1000)
    expected = (413, {"error": "the request is larger than 1000 bytes; send smaller batches"})
    announced = client.post("/v2/models/m/infer", content=b"x" * 1001)
    chunked = client.post("/v2/models/m/infer", content=iter([b"x" * 600, b"x" * 600]))
    assert [(r.status_code, r.json()) for r in (announced, chunked)] == [expected, expected]
    assert client.post("/v2/models/m/infer", json={"inputs": [X]}).status_code == 200


def test_wrong_methods_and_paths(linear: TestClient) -> None:
    assert linear.get("/v2/models/m/infer").status_code == 404  # a model of the name m/infer
    assert linear.post("/v2/health/ready").status_code == 405
    assert linear.get("/nothing").json() == {"error": "Not Found"}


def test_models_that_cannot_be_served(tmp_path: Path) -> None:
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"corrupt\.onnx can't be loaded: "):
        OnnxRuntime(corrupt, 1)
    with pytest.raises(
        ModelError, match=r"output 'y' is seq\(tensor\(float\)\), which the protocol can't carry"
    ):
        OnnxRuntime(models.pair(tmp_path / "pair.onnx"), 1)


def test_a_model_that_refuses_zeros_is_served_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = OnnxRuntime(models.echo(tmp_path / "m.onnx", TensorProto.STRING, ["n", 2]), 1)
    warm_up(engine)
    assert caplog.messages == []

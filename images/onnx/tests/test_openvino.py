"""OpenVINO: the same answers and the same protocol, and no arithmetic but the model's."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import models
import numpy as np
import openvino
import pytest
from conftest import Serve
from onnx import TensorProto, helper, numpy_helper
from test_process import served_once

from onnx_server.errors import ModelError, RequestError
from onnx_server.openvino_runtime import OpenVino


def converted(file: Path) -> Path:
    """The same model in OpenVINO's own format, as NNCF's results are stored."""
    target = file.with_name("ir") / "model.xml"
    target.parent.mkdir()
    openvino.save_model(openvino.Core().read_model(file), target, compress_to_fp16=False)
    return target


def double(file: Path, kind: int) -> Path:
    node = helper.make_node("Add", ["x", "x"], ["y"])
    return models.save(file, [node], [models.value("x", kind, ["n"])], [models.value("y", kind, ["n"])])


@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_both_formats_are_served(serve: Serve, tmp_path: Path, form: str) -> None:
    file = models.linear(tmp_path / "m.onnx")
    client = serve(converted(file) if form == "openvino" else file, choice="openvino")
    described = client.get("/v2/models/m").json()
    assert described == {
        "name": "m",
        "platform": "openvino",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
    }
    for rows in ([[1, 2, 3]], [[1, 2, 3], [0, 0, 1]]):
        given = {"name": "x", "shape": [len(rows), 3], "datatype": "FP32", "data": rows}
        (found,) = client.post("/v2/models/m/infer", json={"inputs": [given]}).json()["outputs"]
        right = np.array(rows, np.float32) @ models.WEIGHTS + models.BIAS
        assert found == {
            "name": "y", "datatype": "FP32", "shape": [len(rows), 2], "data": right.ravel().tolist(),
        }  # fmt: skip


def test_several_inputs_and_outputs_whatever_their_order(serve: Serve, tmp_path: Path) -> None:
    client = serve(converted(models.sums(tmp_path / "m.onnx")))
    inputs = [
        {"name": "b", "shape": [2], "datatype": "INT64", "data": [3, 4]},
        {"name": "a", "shape": [2], "datatype": "INT64", "data": [10, 20]},
    ]
    found = client.post("/v2/models/m/infer", json={"inputs": inputs}).json()["outputs"]
    assert {each["name"]: each["data"] for each in found} == {"sum": [13, 24], "difference": [7, 16]}


def test_int8_with_quantize_nodes(serve: Serve, tmp_path: Path) -> None:
    client = serve(converted(models.quantized(tmp_path / "m.onnx")))
    given = {"name": "x", "shape": [3], "datatype": "FP32", "data": [0.6, -0.2, 100.0]}
    (found,) = client.post("/v2/models/m/infer", json={"inputs": [given]}).json()["outputs"]
    assert found["data"] == [0.5, 0.0, 63.5]


@pytest.mark.parametrize(
    ("kind", "datatype", "data"),
    [
        (TensorProto.BOOL, "BOOL", [True, False]),
        (TensorProto.INT8, "INT8", [-128, 127]),
        (TensorProto.INT16, "INT16", [-32768, 32767]),
        (TensorProto.INT32, "INT32", [-(2**31), 2**31 - 1]),
        (TensorProto.INT64, "INT64", [-(2**31), 2**31 - 1]),
        (TensorProto.UINT8, "UINT8", [0, 255]),
        (TensorProto.UINT16, "UINT16", [0, 65535]),
        (TensorProto.UINT32, "UINT32", [0, 2**31 - 1]),
        (TensorProto.UINT64, "UINT64", [0, 2**31 - 1]),
        (TensorProto.FLOAT, "FP32", [0.5, -3.25]),
    ],
)
def test_data_types(serve: Serve, tmp_path: Path, kind: int, datatype: str, data: list[Any]) -> None:
    client = serve(models.echo(tmp_path / "m.onnx", kind), choice="openvino")
    given = {"name": "x", "shape": [2], "datatype": datatype, "data": data}
    (found,) = client.post("/v2/models/m/infer", json={"inputs": [given]}).json()["outputs"]
    assert found == {"name": "y", "shape": [2], "datatype": datatype, "data": data}


@pytest.mark.parametrize(
    ("kind", "dtype", "value"),
    [
        (TensorProto.INT64, np.int64, 2**31),
        (TensorProto.INT64, np.int64, -(2**31) - 1),
        (TensorProto.UINT64, np.uint64, 2**40),
        (TensorProto.UINT32, np.uint32, 2**31),
    ],
)
def test_integers_are_never_cut_silently(tmp_path: Path, kind: int, dtype: Any, value: int) -> None:
    engine = OpenVino(double(tmp_path / "m.onnx", kind), 1)
    with pytest.raises(RequestError, match=r"^input 'x': data holds values beyond 32 bits"):
        engine.run({"x": np.array([value], dtype)})


@pytest.mark.parametrize(("kind", "name"), [(TensorProto.DOUBLE, "f64"), (TensorProto.STRING, "string")])
def test_what_openvino_would_compute_otherwise_is_refused(tmp_path: Path, kind: int, name: str) -> None:
    with pytest.raises(ModelError, match=rf"^input 'x' is {name}, which OpenVINO doesn't compute as it is"):
        OpenVino(models.echo(tmp_path / "m.onnx", kind), 1)


def test_nothing_but_the_models_own_precision(tmp_path: Path) -> None:
    engine = OpenVino(models.linear(tmp_path / "m.onnx"), threads=1)
    settings = {
        "INFERENCE_PRECISION_HINT": openvino.Type.f32,
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        "ENABLE_CPU_PINNING": False,
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
    }
    assert {name: engine._model.get_property(name) for name in settings} == settings


def test_requests_side_by_side_keep_their_answers(tmp_path: Path) -> None:
    engine = OpenVino(models.slow(tmp_path / "m.onnx"), 2)

    def ask_for(number: int) -> float:
        return float(engine.run({"x": np.full((4, 256), number, np.float32)})["y"])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask_for, range(64))) == [1024.0 * number for number in range(64)]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("good", [1, 2, 3])
def test_what_the_model_refuses_leaves_no_trace(tmp_path: Path, threads: int, good: int) -> None:
    engine = OpenVino(models.sums(tmp_path / "m.onnx"), threads)
    for _ in range(3):
        for one, other in ((good + 3, good + 1), (good + 1, good + 3)):
            with pytest.raises(RequestError, match=r"^the model refuses these inputs: \w"):
                engine.run({"a": np.arange(one), "b": np.arange(other)})
        found = engine.run({"a": np.arange(good), "b": np.arange(good)})
        assert found["sum"].tolist() == [2 * number for number in range(good)]


def test_nor_where_the_model_takes_few_sizes(tmp_path: Path) -> None:
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    file = models.save(
        tmp_path / "m.onnx",
        [node],
        [models.value("x", TensorProto.FLOAT, ["n"])],
        [models.value("y", TensorProto.FLOAT, [2])],
        [numpy_helper.from_array(models.WEIGHTS, "w")],
    )
    engine = OpenVino(file, 1)
    for _ in range(2):
        with pytest.raises(RequestError, match=r"^the model refuses these inputs: \w"):
            engine.run({"x": np.ones(4, np.float32)})
        assert engine.run({"x": np.ones(3, np.float32)})["y"].tolist() == [9, 12]


def test_a_size_with_bounds(tmp_path: Path) -> None:
    model = openvino.Core().read_model(models.linear(tmp_path / "m.onnx"))
    model.reshape({"x": [openvino.Dimension(1, 4), 3]})
    openvino.save_model(model, tmp_path / "m.xml", compress_to_fp16=False)
    engine = OpenVino(tmp_path / "m.xml", 1)
    assert engine.run({"x": np.ones((4, 3), np.float32)})["y"].shape == (4, 2)
    with pytest.raises(RequestError, match=r"^the model refuses these inputs: \w"):
        engine.run({"x": np.ones((5, 3), np.float32)})


@pytest.mark.parametrize("name", ["m.onnx", "m.xml"])
def test_a_corrupt_model(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not a model")
    with pytest.raises(ModelError, match=rf"/{name} can't be loaded: Unable to read the model: "):
        OpenVino(tmp_path / name, 1)


def test_a_model_without_its_weights(tmp_path: Path) -> None:
    file = converted(models.linear(tmp_path / "m.onnx"))
    file.with_suffix(".bin").unlink()
    with pytest.raises(ModelError, match=r"/model\.xml can't be loaded: "):
        OpenVino(file, 1)


def test_a_folder_with_an_openvino_model_is_served_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = converted(models.linear(tmp_path / "m.onnx")).parent
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    output = served_once(folder)
    assert f"serving {folder}/model.xml as 'm' by openvino on 1 threads" in output
    assert "warmed up" in output
    assert not home.exists()

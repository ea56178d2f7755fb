"""Which file of a mounted variant is the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from onnx_server.errors import ModelError
from onnx_server.find import Choice, find_model, library_of


def make(folder: Path, *files: str) -> Path:
    for each in files:
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).write_text("")
    return folder


@pytest.mark.parametrize(
    ("files", "path", "found"),
    [
        (["m.onnx"], "m.onnx", "m.onnx"),
        (["m.onnx", "README.md", "weights.data"], "", "m.onnx"),
        (["m.onnx", "1/other.onnx"], "", "m.onnx"),
        (["1/model.onnx"], "", "1/model.onnx"),
        (["1/model.onnx", "2/model.onnx", "10/model.onnx"], "", "10/model.onnx"),
        (["resnet/config.pbtxt", "resnet/1/model.onnx"], "", "resnet/1/model.onnx"),
        (["model.bin", "model.xml", "stowage-build.json"], "", "model.xml"),
        (["model.bin", "model.xml"], "model.xml", "model.xml"),
        (["1/model.onnx", "2/model.xml", "2/model.bin"], "", "2/model.xml"),
    ],
)
def test_found(tmp_path: Path, files: list[str], path: str, found: str) -> None:
    assert find_model(make(tmp_path, *files) / path) == tmp_path / found


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ([], "nowhere", "there is nothing at {}/nowhere; mount the model there"),
        ([], "", "there is no .onnx or .xml file in {}, which holds nothing"),
        (["m.bin", "a/m.onnx"], "", "there is no .onnx or .xml file in {}, which holds a, m.bin"),
        (["a.onnx", "a.xml"], "", "there are 2 .onnx or .xml files in {}, and one is served: a.onnx, a.xml"),
        (["m.bin"], "m.bin", "{}/m.bin is not an .onnx or .xml file"),
        (
            ["a.onnx", "b.onnx"],
            "",
            "there are 2 .onnx or .xml files in {}, and one is served: a.onnx, b.onnx",
        ),
        (
            ["1/a.onnx", "1/b.onnx"],
            "",
            "there are 2 .onnx or .xml files in {}, and one is served: 1/a.onnx, 1/b.onnx",
        ),
        (
            ["x/1/a.onnx", "y/1/a.onnx"],
            "",
            "there are 2 .onnx or .xml files in {}, and one is served: x/1/a.onnx, y/1/a.onnx",
        ),
    ],
)
def test_not_found(tmp_path: Path, files: list[str], path: str, message: str) -> None:
    with pytest.raises(ModelError) as refused:
        find_model(make(tmp_path, *files) / path)
    assert str(refused.value) == message.format(tmp_path)


@pytest.mark.parametrize(
    ("choice", "files", "found", "library"),
    [
        ("auto", ["m.onnx"], "m.onnx", "onnxruntime"),
        ("auto", ["m.xml", "m.bin"], "m.xml", "openvino"),
        ("onnxruntime", ["m.onnx", "m.xml"], "m.onnx", "onnxruntime"),
        ("openvino", ["m.onnx"], "m.onnx", "openvino"),
        ("openvino", ["m.xml"], "m.xml", "openvino"),
    ],
)
def test_the_library_that_runs_it(
    tmp_path: Path, choice: Choice, files: list[str], found: str, library: str
) -> None:
    file = find_model(make(tmp_path, *files), choice)
    assert (file.name, library_of(file, choice)) == (found, library)


def test_what_a_library_does_not_load(tmp_path: Path) -> None:
    make(tmp_path, "m.xml")
    with pytest.raises(ModelError, match=rf"there is no \.onnx file in {tmp_path}, which holds m\.xml"):
        find_model(tmp_path, "onnxruntime")

"""Which file of a mounted variant is the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from onnx_server.errors import ModelError
from onnx_server.find import find_model


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
    ],
)
def test_found(tmp_path: Path, files: list[str], path: str, found: str) -> None:
    assert find_model(make(tmp_path, *files) / path) == tmp_path / found


@pytest.mark.parametrize(
    ("files", "path", "message"),
    [
        ([], "nowhere", "there is nothing at {}/nowhere; mount the model there"),
        ([], "", "there is no .onnx file in {}, which holds nothing"),
        (["m.bin", "a/m.onnx"], "", "there is no .onnx file in {}, which holds a, m.bin"),
        (["m.bin"], "m.bin", "{}/m.bin is not an .onnx file"),
        (["a.onnx", "b.onnx"], "", "there are 2 .onnx files in {}, and one is served: a.onnx, b.onnx"),
        (
            ["1/a.onnx", "1/b.onnx"],
            "",
            "there are 2 .onnx files in {}, and one is served: 1/a.onnx, 1/b.onnx",
        ),
        (
            ["x/1/a.onnx", "y/1/a.onnx"],
            "",
            "there are 2 .onnx files in {}, and one is served: x/1/a.onnx, y/1/a.onnx",
        ),
    ],
)
def test_not_found(tmp_path: Path, files: list[str], path: str, message: str) -> None:
    with pytest.raises(ModelError) as refused:
        find_model(make(tmp_path, *files) / path)
    assert str(refused.value) == message.format(tmp_path)

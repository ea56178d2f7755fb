"""Finds the model's file in what is mounted, and which library runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from onnx_server.errors import ModelError

Choice = Literal["auto", "onnxruntime", "openvino"]

SUFFIXES: Mapping[Choice, tuple[str, ...]] = {
    "auto": (".onnx", ".xml"),
    "onnxruntime": (".onnx",),
    "openvino": (".xml", ".onnx"),
}
"""Endings of models that each choice of a library loads."""


def library_of(file: Path, choice: Choice) -> Literal["onnxruntime", "openvino"]:
    """The library that runs a file: by itself, each its own format."""
    if choice != "auto":
        return choice
    return "openvino" if file.suffix == ".xml" else "onnxruntime"


def find_model(path: Path, choice: Choice = "auto") -> Path:
    """Return the one .onnx or .xml file that `path` is or holds.

    A directory holds it itself, or in directories named for versions (``1/model.onnx``), of which the highest
    counts. So the layouts of OpenVINO Model Server and, in a directory of the model's name, of Triton
    (``name/1/model.onnx``) are read too: one artefact serves on every kind of accelerator.

    Raises:
        ModelError: there is no such path, no model in it, or more than one.
    """
    suffixes = SUFFIXES[choice]
    kinds = " or ".join(sorted(suffixes))
    if path.is_file():
        if path.suffix not in suffixes:
            raise ModelError(f"{path} is not an {kinds} file")
        return path
    if not path.is_dir():
        raise ModelError(f"there is nothing at {path}; mount the model there")
    found = _models_in(path, suffixes) or _models_of_versions(path, suffixes)
    if not found:
        inside = ", ".join(sorted(each.name for each in path.iterdir())[:10]) or "nothing"
        raise ModelError(f"there is no {kinds} file in {path}, which holds {inside}")
    if len(found) > 1:
        names = ", ".join(str(each.relative_to(path)) for each in found)
        raise ModelError(f"there are {len(found)} {kinds} files in {path}, and one is served: {names}")
    return found[0]


def _models_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.suffix in suffixes and each.is_file())


def _models_of_versions(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """Those of the highest version; one level down where the folder holds the model's own directory."""
    versions = _versions(folder)
    if not versions:
        inner = [each for each in folder.iterdir() if each.is_dir() and _versions(each)]
        return [model for each in sorted(inner) for model in _models_of_versions(each, suffixes)]
    return _models_in(max(versions, key=lambda each: int(each.name)), suffixes)


def _versions(folder: Path) -> list[Path]:
    return [
        each for each in folder.iterdir() if each.is_dir() and each.name.isdecimal() and each.name.isascii()
    ]

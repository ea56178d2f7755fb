"""Finds the model's file in what is mounted."""

from __future__ import annotations

from pathlib import Path

from onnx_server.errors import ModelError

SUFFIX = ".onnx"


def find_model(path: Path) -> Path:
    """Return the one .onnx file that `path` is or holds.

    A directory holds it itself, or in directories named for versions (``1/model.onnx``), of which the highest
    counts. So the layouts of OpenVINO Model Server and, in a directory of the model's name, of Triton
    (``name/1/model.onnx``) are read too: one artefact serves on every kind of accelerator.

    Raises:
        ModelError: there is no such path, no model in it, or more than one.
    """
    if path.is_file():
        if path.suffix != SUFFIX:
            raise ModelError(f"{path} is not an {SUFFIX} file")
        return path
    if not path.is_dir():
        raise ModelError(f"there is nothing at {path}; mount the model there")
    found = _models_in(path) or _models_of_versions(path)
    if not found:
        inside = ", ".join(sorted(each.name for each in path.iterdir())[:10]) or "nothing"
        raise ModelError(f"there is no {SUFFIX} file in {path}, which holds {inside}")
    if len(found) > 1:
        names = ", ".join(str(each.relative_to(path)) for each in found)
        raise ModelError(f"there are {len(found)} {SUFFIX} files in {path}, and one is served: {names}")
    return found[0]


def _models_in(folder: Path) -> list[Path]:
    return sorted(each for each in folder.iterdir() if each.suffix == SUFFIX and each.is_file())


def _models_of_versions(folder: Path) -> list[Path]:
    """Those of the highest version; one level down where the folder holds the model's own directory."""
    versions = _versions(folder)
    if not versions:
        inner = [each for each in folder.iterdir() if each.is_dir() and _versions(each)]
        return [model for each in sorted(inner) for model in _models_of_versions(each)]
    return _models_in(max(versions, key=lambda each: int(each.name)))


def _versions(folder: Path) -> list[Path]:
    return [
        each for each in folder.iterdir() if each.is_dir() and each.name.isdecimal() and each.name.isascii()
    ]

"""Digests of models, which everybody can compute with sha256sum."""

from __future__ import annotations

import errno
import subprocess
from pathlib import Path

import pytest

from onnx_server.digest import check, digest_of
from onnx_server.errors import DigestMismatch, ModelError

FILES = "find . -type f ! -name stowage-build.json -printf '%P\\0'"
BY_SHELL = f"{FILES} | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum"


def make(folder: Path, *files: str) -> Path:
    for each in files:
        (folder / each).parent.mkdir(parents=True, exist_ok=True)
        (folder / each).write_text(f"of {each}")
    return folder


def by_shell(folder: Path, command: str = BY_SHELL) -> str:
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    return f"sha256:{done.stdout.split()[0]}"


@pytest.mark.parametrize(
    "files",
    [
        ["model.onnx"],
        ["model.xml", "model.bin", "stowage-build.json"],
        ["a/1/model.onnx", "a.b/x", "a-b/x", "a/config.pbtxt", "Z"],
    ],
)
def test_of_a_folder(tmp_path: Path, files: list[str]) -> None:
    make(tmp_path, *files)
    assert digest_of(tmp_path) == by_shell(tmp_path)


def test_of_a_file_alone(tmp_path: Path) -> None:
    make(tmp_path, "model.onnx", "model.txt", "model.onnx-old", "other.onnx")
    assert digest_of(tmp_path / "model.onnx") == by_shell(tmp_path, "sha256sum model.onnx")


@pytest.mark.parametrize(
    ("file", "beside"),
    [("m.onnx", "m.onnx.data"), ("m.onnx", "m.onnx_data"), ("m.xml", "m.bin")],
)
def test_of_a_file_with_its_weights_beside_it(tmp_path: Path, file: str, beside: str) -> None:
    make(tmp_path, file, beside, "README")
    command = f"printf '%s\\n' {file} {beside} | LC_ALL=C sort | xargs sha256sum | sha256sum"
    assert digest_of(tmp_path / file) == by_shell(tmp_path, command)


def test_of_a_file_that_was_built_the_folder_counts(tmp_path: Path) -> None:
    make(tmp_path, "model.onnx", "more", "stowage-build.json")
    assert digest_of(tmp_path / "model.onnx") == by_shell(tmp_path)


def test_every_file_counts_and_its_name(tmp_path: Path) -> None:
    make(tmp_path, "model.xml", "model.bin")
    check(tmp_path, digest := digest_of(tmp_path))
    (tmp_path / "model.bin").write_text("other weights")
    with pytest.raises(DigestMismatch, match=rf"^digest is {digest_of(tmp_path)}, expected {digest}$"):
        check(tmp_path, digest)
    make(tmp_path, "model.bin")
    check(tmp_path, digest)
    (tmp_path / "model.bin").rename(tmp_path / "model.bim")
    with pytest.raises(DigestMismatch):
        check(tmp_path, digest)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is nothing at .*/m; mount the model there"):
        digest_of(tmp_path / "m")


def test_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: Path, _mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    make(tmp_path, "m.onnx")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ModelError, match=r"/m\.onnx can't be read: Permission denied"):
        digest_of(tmp_path / "m.onnx")

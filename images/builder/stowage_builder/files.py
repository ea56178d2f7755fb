"""Files of models: found, measured, digested, and stored so that a reader sees all of a result or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stowage_builder.errors import BadInput, StoreFailed

REPORT_NAME = "stowage-build.json"
"""The report within a result. It is no part of the digest, since it holds it."""


def model_file(path: Path) -> Path:
    """The one ``.onnx`` file that is meant: the path itself, or the only one in the folder.

    Raises:
        BadInput: there is none, or more than one.
    """
    if path.is_file():
        return path
    if not path.exists():
        raise BadInput(f"{path} doesn't exist; see that the source variant's uri names a model")
    found = sorted(path.rglob("*.onnx"))
    if len(found) != 1:
        names = ", ".join(str(f.relative_to(path)) for f in found[:4]) or "none"
        raise BadInput(f"{path} must hold exactly one .onnx file, and has {names}; name the file in the uri")
    return found[0]


def content(path: Path) -> list[Path]:
    """The files of a result or of a source, in a stated order."""
    if path.is_file():
        beside = [*path.parent.glob(f"{path.name}[._]*")]  # external weights: model.onnx.data
        if path.suffix == ".xml":
            beside.append(path.with_suffix(".bin"))
        files = [path, *(f for f in beside if f.is_file())]
        return sorted(files, key=lambda f: f.name)
    files = [f for f in path.rglob("*") if f.is_file() and f.name != REPORT_NAME]
    return sorted(files, key=lambda f: f.relative_to(path).as_posix())


def size_of(path: Path) -> int:
    """Bytes of all files."""
    return sum(f.stat().st_size for f in content(path))


def digest_of(path: Path) -> str:
    """``sha256:...`` over names and contents of all files: of a file, its content alone counts.

    The servers that compare it compute the same (images/onnx, onnx_server/digest.py).
    """
    whole = hashlib.sha256()
    files = content(path)
    base = path if path.is_dir() else path.parent
    for file in files:
        with file.open("rb") as stream:
            each = hashlib.file_digest(stream, "sha256").hexdigest()
        if len(files) == 1 and path.is_file():
            return f"sha256:{each}"
        whole.update(f"{each}  {file.relative_to(base).as_posix()}\n".encode())
    return f"sha256:{whole.hexdigest()}"


@contextmanager
def workplace(output: Path) -> Iterator[Path]:
    """A new folder beside the output, on the same file system; removed when it wasn't moved away.

    Raises:
        StoreFailed: nothing can be written there.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{output.name}.", dir=output.parent))
    except OSError as error:
        raise StoreFailed(f"nothing can be written to {output.parent}: {error.strerror}") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put(folder: Path, output: Path) -> bool:
    """Gives a finished folder its name, in one step. Returns False where another was quicker.

    Raises:
        StoreFailed: the file system refuses it.
    """
    try:
        folder.chmod(0o755)  # mkdtemp makes it for one user alone; the server is another one
        for path in folder.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
            _flush(path)
        _flush(folder)
        folder.rename(output)
        _flush(output.parent)
    except OSError as error:
        if output.is_dir():
            return False
        raise StoreFailed(f"the result can't be stored as {output}: {error.strerror}") from error
    return True


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

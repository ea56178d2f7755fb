"""The digest of a model's files, as Stowage's builder and its API name it.

The builder (images/builder, stowage_builder/files.py) computes the same; a test compares the two.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import re
import time
from pathlib import Path

from onnx_server.errors import DigestMismatch, ModelError

log = logging.getLogger(__name__)

REPORT_NAME = "stowage-build.json"
"""The builder's report, in the folder of what it built. It is no part of the digest, since it holds it."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def digest_argument(text: str) -> str:
    """For argparse."""
    if _DIGEST.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("must be sha256: and 64 lower-case hexadecimal digits")
    return text


def check(path: Path, expected: str) -> None:
    """Compare the model that is mounted with the one that is meant.

    Raises:
        DigestMismatch: it is another one.
        ModelError: it can't be read.
    """
    start = time.monotonic()
    found = digest_of(path)
    if found != expected:
        log.error("the files at %s have the digest %s; expected is %s", path, found, expected)
        raise DigestMismatch(f"digest is {found}, expected {expected}")
    log.info("the digest is the expected one, %s (%.1f s)", found, time.monotonic() - start)


def digest_of(path: Path) -> str:
    """``sha256:...``: of one file its contents' digest, of more that of the lines ``<sha256>  <name>``.

    Of a file that the builder made, the folder counts, whose digest its report holds.

    Raises:
        ModelError: there is nothing, or it can't be read.
    """
    if path.is_file() and (path.parent / REPORT_NAME).is_file():
        path = path.parent
    if not path.exists():
        raise ModelError(f"there is nothing at {path}; mount the model there")
    base = path if path.is_dir() else path.parent
    try:
        found = {file.relative_to(base).as_posix(): _sha256(file) for file in content(path)}
    except OSError as error:
        raise ModelError(f"{error.filename} can't be read: {error.strerror}") from error
    if path.is_file() and len(found) == 1:
        return f"sha256:{found[path.name]}"
    lines = "".join(f"{found[name]}  {name}\n" for name in sorted(found))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def content(path: Path) -> list[Path]:
    """The files that count: all of a folder; of a file it and its weights beside it."""
    if path.is_dir():
        return [each for each in path.rglob("*") if each.is_file() and each.name != REPORT_NAME]
    # External weights of ONNX, model.onnx.data or model.onnx_data, and those of OpenVINO, model.bin.
    beside = [*path.parent.glob(f"{path.name}[._]*")]
    if path.suffix == ".xml":
        beside.append(path.with_suffix(".bin"))
    return [path, *(each for each in beside if each.is_file())]


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()

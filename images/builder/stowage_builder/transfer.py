"""Results and the registry: fetched before a build, so that nothing is built again, and pushed after it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stowage_builder.errors import StoreFailed
from stowage_builder.files import REPORT_NAME, put, workplace
from stowage_builder.image import digest_of_bytes, report_of, unpack, write_layout
from stowage_builder.registry import Image

PASSING = ("benchmark", "seconds", "reused")
"""Of a report, what is of a node and a day. An image holds the rest: the same inputs make the same image, and
whoever uses it measures the speed of its own node."""


def pull(image: Image, folder: Path) -> bool:
    """Puts the result that the tag stands for, and its report, into a new folder. Returns False for no tag.

    Raises:
        StoreFailed: the tag is something else's, or the registry can't be asked.
    """
    index = image.manifest()
    if index is None:
        return False
    _built(image, index)
    with workplace(folder) as place, tempfile.TemporaryDirectory() as fetched:
        result = place / "result"
        result.mkdir()
        image.fetch(digest_of_bytes(index), Path(fetched))
        unpack(Path(fetched), result)
        put(result, folder)
    return True


def push(folder: Path, image: Image) -> dict[str, Any]:
    """Pushes a result, unless it is there. Returns its report, with the digest of the image.

    Raises:
        StoreFailed: the tag is something else's, or the registry doesn't take it.
    """
    report = _report(folder)
    lasting = {k: v for k, v in report.items() if k not in PASSING}
    files = [path for path in folder.iterdir() if path.name != REPORT_NAME]
    with tempfile.TemporaryDirectory() as place:
        layout = Path(place) / "layout"
        digest = write_layout(files, lasting, layout)
        there = image.manifest()
        if there is None:
            image.push(layout)
            there = image.manifest()
    if there is None:
        raise StoreFailed(
            f"{image.name} was pushed and isn't there; see what its registry does with new tags"
        )
    if digest_of_bytes(there) != digest and not _same(_built(image, there), lasting):
        raise StoreFailed(
            f"{image.name} is there and was made from other contents of the same names; remove it, or give "
            "what changed a new name"
        )
    return {**report, "image": digest_of_bytes(there)}


def _report(folder: Path) -> dict[str, Any]:
    """What the builder wrote. A script that measured the quality may have put a link there, to credentials
    that only this process sees: nothing is read by way of one."""
    file = folder / REPORT_NAME
    if folder.is_symlink() or file.is_symlink():
        raise StoreFailed(f"{file} is reached by a link, which no build makes")
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreFailed(f"{folder} has no report of a build: {error}") from error
    if not isinstance(report, dict):
        raise StoreFailed(f"{file} holds no report of a build")
    return report


def _built(image: Image, index: bytes) -> dict[str, Any]:
    """The report of what is there."""
    report = report_of(index)
    if report is None:
        raise StoreFailed(
            f"{image.name} is there and was not built by Stowage; remove it, or name another repository"
        )
    return report


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two builds made the same: somebody else's was quicker, and may have measured its quality."""
    measured = ("quality", "builder", "libraries")
    return {k: v for k, v in one.items() if k not in measured} == {
        k: v for k, v in other.items() if k not in measured
    }

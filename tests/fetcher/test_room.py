"""A disk with too little room, as the file system would tell."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import pytest

from stowage_fetcher import partial
from stowage_fetcher.errors import NoRoom

Usage = namedtuple("Usage", "total used free")


def test_what_is_missing_must_have_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partial.shutil, "disk_usage", lambda folder: Usage(0, 0, 2 * partial.GIB))
    one = partial.Partial(tmp_path, "net.onnx")
    one.need(2 * partial.GIB)
    with pytest.raises(NoRoom) as caught:
        one.need(5 * partial.GIB)
    assert str(caught.value) == (
        f"net.onnx needs 5.00 GiB more, and the disk under {tmp_path} has 2.00 GiB free;"
        " use a node with more local disk, or a volume"
    )

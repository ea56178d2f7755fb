"""Packs the chart, the same bytes for the same tree: ``helm package`` stamps the time into them."""

from __future__ import annotations

import fnmatch
import gzip
import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from helmchart import CHART

EPOCH = 315532800
"""The time of every file: 1980-01-01, the earliest that all archivers can write. Seconds since 1970."""


def package(folder: Path, chart: Path = CHART) -> Path:
    """Write ``NAME-VERSION.tgz`` into the folder, and return its path."""
    about = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{about['name']}-{about['version']}.tgz"
    target.write_bytes(packed(chart, about["name"]))
    return target


def packed(chart: Path, name: str) -> bytes:
    """The archive: what .helmignore leaves, sorted by path, without owners and modes of this machine."""
    buffer = io.BytesIO()
    # No file name and no time in gzip's header; level 9 of zlib, which every Python has.
    with (
        gzip.GzipFile(filename="", mode="wb", fileobj=buffer, mtime=0, compresslevel=9) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for path in contents(chart):
            data = (chart / path).read_bytes()
            entry = tarfile.TarInfo(f"{name}/{path}")
            entry.size, entry.mtime, entry.mode = len(data), EPOCH, 0o644
            archive.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def contents(chart: Path) -> list[str]:
    """The files of the package, by their path in the chart."""
    lines = (chart / ".helmignore").read_text(encoding="utf-8").splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    found = (path.relative_to(chart).as_posix() for path in chart.rglob("*") if path.is_file())
    # Chart.yaml first: readers of a stream want it early.
    return sorted((p for p in found if not _ignored(p, patterns)), key=lambda p: (p != "Chart.yaml", p))


def _ignored(path: str, patterns: Sequence[str]) -> bool:
    """Of the rules of .helmignore those that ours uses: a folder, and a file at the top."""
    return any(path.startswith(p) if p.endswith("/") else fnmatch.fnmatch(path, p) for p in patterns)

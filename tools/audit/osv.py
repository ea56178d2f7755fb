"""Known vulnerabilities, from advisories in the OSV format that lie in a folder or a zip file.

The whole of PyPI's is https://osv-vulnerabilities.storage.googleapis.com/PyPI/all.zip. The format and its
rules: https://ossf.github.io/osv-schema/
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from audit.pins import Pin

ECOSYSTEM = "PyPI"
Advisory = Mapping[str, Any]


@dataclass(frozen=True, order=True)
class Finding:
    """A pin that an advisory speaks of."""

    pin: Pin
    id: str
    aliases: tuple[str, ...]
    fixed: tuple[str, ...]
    """Versions in which it is mended, ascending."""
    summary: str

    def __str__(self) -> str:
        names = ", ".join((self.id, *self.aliases))
        mended = f"mended in {', '.join(self.fixed)}" if self.fixed else "no version is known to mend it"
        return f"{self.pin.name}=={self.pin.version}: {names}: {self.summary or 'no summary'}; {mended}"


def read(path: Path) -> Iterator[Advisory]:
    """The advisories of a folder or a zip file; withdrawn ones are left out.

    Raises:
        FileNotFoundError: there is nothing at the path.
        ValueError: there isn't a single advisory in it.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: there are no advisories; download them, or give another path by OSV="
        )
    count = 0
    for text in _texts(path):
        count += 1
        advisory = json.loads(text)
        if "withdrawn" not in advisory:
            yield advisory
    if not count:
        raise ValueError(f"{path}: holds no advisory (*.json)")


def _texts(path: Path) -> Iterator[bytes]:
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            yield file.read_bytes()
    else:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if name.endswith(".json"):
                    yield archive.read(name)


def find(pins: Iterable[Pin], advisories: Iterable[Advisory]) -> list[Finding]:
    """What the advisories say of the pins, sorted."""
    by_name: dict[str, list[Pin]] = {}
    for pin in pins:
        by_name.setdefault(pin.name, []).append(pin)
    found = set()
    for advisory in advisories:
        for affected in advisory.get("affected", ()):
            package = affected.get("package", {})
            if package.get("ecosystem") != ECOSYSTEM:
                continue
            for pin in by_name.get(canonicalize_name(package["name"]), ()):
                if affects(affected, pin.version):
                    found.add(_finding(pin, advisory, affected))
    return sorted(found)


def _finding(pin: Pin, advisory: Advisory, affected: Mapping[str, Any]) -> Finding:
    events = [e for r in affected.get("ranges", ()) if r["type"] == "ECOSYSTEM" for e in r["events"]]
    fixed = sorted({e["fixed"] for e in events if "fixed" in e}, key=Version)
    aliases = tuple(sorted(advisory.get("aliases", ())))
    return Finding(pin, advisory["id"], aliases, tuple(fixed), str(advisory.get("summary", "")))


def affects(affected: Mapping[str, Any], version: str) -> bool:
    """Whether a version is listed, or lies in one of the ranges.

    The evaluation is the schema's: events in the order of versions; ``introduced`` begins, ``fixed`` ends
    before its version, ``last_affected`` after it. Versions are compared as PEP 440 has them.
    """
    wanted = Version(version)
    if any(_equal(listed, wanted) for listed in affected.get("versions", ())):
        return True
    ranges = (r for r in affected.get("ranges", ()) if r.get("type") == "ECOSYSTEM")
    return any(_in_range(r["events"], wanted) for r in ranges)


def _equal(listed: str, wanted: Version) -> bool:
    try:
        return Version(listed) == wanted
    except InvalidVersion:
        return False  # from before PEP 440; nothing that is locked has such a version


def _in_range(events: Iterable[Mapping[str, str]], wanted: Version) -> bool:
    inside = False
    for version, _, kind in sorted(_ordered(events)):
        if kind == "introduced" and wanted >= version:
            inside = True
        elif (kind == "fixed" and wanted >= version) or (kind == "last_affected" and wanted > version):
            inside = False
    return inside


def _ordered(events: Iterable[Mapping[str, str]]) -> Iterator[tuple[Version, int, str]]:
    """By version; at the same one what ends comes before what begins anew."""
    for event in events:
        for kind, text in event.items():
            if kind in ("introduced", "fixed", "last_affected"):
                version = Version("0.dev0") if text == "0" else Version(text)
                yield version, kind == "introduced", kind

"""What the lock files pin."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = "requirements*.lock"


@dataclass(frozen=True, order=True)
class Pin:
    """A distribution in a version."""

    name: str
    """Canonical: lower case, dashes."""
    version: str


def lock_files(root: Path = ROOT) -> list[Path]:
    """Every lock file of the repository."""
    found = [*root.glob(LOCKS), *root.glob(f"images/*/{LOCKS}"), *root.glob(f"e2e/*/{LOCKS}")]
    return sorted(found)


def pins(path: Path) -> list[Pin]:
    """The pins of a lock file, in its order.

    Raises:
        ValueError: a line pins no single version.
    """
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        text = line.removesuffix("\\").strip()
        if not text or text.startswith(("#", "--hash")):
            continue
        requirement = Requirement(text)
        (only,) = requirement.specifier
        if only.operator != "==":
            raise ValueError(f"{path.name}: {text!r} pins no version; run make lock")
        found.append(Pin(canonicalize_name(requirement.name), str(Version(only.version))))
    return found


def all_pins(paths: Iterable[Path]) -> dict[Pin, list[str]]:
    """Every pin with the lock files that have it."""
    found: dict[Pin, list[str]] = {}
    for path in paths:
        for pin in pins(path):
            found.setdefault(pin, []).append(
                path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
            )
    return dict(sorted(found.items()))

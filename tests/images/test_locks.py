"""The image's lock files fit pyproject.toml and the versions that are tested."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
OPERATOR = PROJECT["project"]["dependencies"]
IMAGE = PROJECT["dependency-groups"]["image"]


def pins(lock: str) -> dict[str, str]:
    """Name to version; a package may be pinned differently for several Pythons, the last one counts here."""
    found = re.findall(r"^([a-z0-9.-]+)==(\S+)", (ROOT / lock).read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in found}


def hashes(lock: str) -> dict[str, set[str]]:
    entries = re.split(r"^(?=[a-z0-9.-]+==)", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return {
        canonicalize_name(e.partition("==")[0]): set(re.findall(r"sha256:[0-9a-f]{64}", e))
        for e in entries
        if "==" in e
    }


def closure(requirements: list[str]) -> set[str]:
    """All that these need, as the installed distributions say."""
    names: set[str] = set()
    waiting = [(Requirement(each), "") for each in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        if name in names and not requirement.extras:
            continue
        names.add(name)
        for each in distribution(name).requires or []:
            waiting += [(Requirement(each), chosen) for chosen in requirement.extras or {""}]
    return names


@pytest.mark.parametrize(
    ("lock", "wanted"), [("requirements-operator.lock", OPERATOR), ("requirements-build.lock", IMAGE)]
)
def test_a_lock_meets_what_is_asked_for(lock: str, wanted: list[str]) -> None:
    pinned = pins(lock)
    unmet = [
        each
        for each in map(Requirement, wanted)
        if pinned.get(canonicalize_name(each.name), "") not in each.specifier
    ]
    assert unmet == [], "run make lock"


def test_the_image_holds_the_versions_that_are_tested() -> None:
    tested, held = hashes("requirements.lock"), hashes("requirements-operator.lock")
    assert {name: found - tested.get(name, set()) for name, found in held.items()} == {n: set() for n in held}


def test_the_image_holds_what_the_operator_needs_and_no_more() -> None:
    assert set(pins("requirements-operator.lock")) == closure(OPERATOR), "run make lock"


@pytest.mark.parametrize("lock", ["requirements-operator.lock", "requirements-build.lock"])
def test_every_pin_has_a_hash(lock: str) -> None:
    assert [name for name, found in hashes(lock).items() if not found] == []
    assert set(hashes(lock)) == set(pins(lock))

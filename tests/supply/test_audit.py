"""The check of licences and vulnerabilities, against what is really locked and a real advisory."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from audit import licences, osv
from audit.pins import LOCKS, ROOT, Pin, all_pins, lock_files, pins

ADVISORIES = Path(__file__).with_name("advisories")


def test_every_lock_file_is_read() -> None:
    found = {path.relative_to(ROOT).as_posix() for path in lock_files()}
    ignored = {".venv", "node_modules"}
    everywhere = {
        path.relative_to(ROOT).as_posix() for path in ROOT.rglob(LOCKS) if not ignored & set(path.parts)
    }
    assert found == everywhere
    assert "requirements.lock" in found


def test_all_that_the_operator_needs_has_an_allowed_licence() -> None:
    known, locked = licences.installed(), all_pins(lock_files())
    assert licences.problems(locked, known) == []
    operator = set(pins(ROOT / "requirements-operator.lock"))
    assert operator <= known.keys(), "and all of them were looked at"


def test_a_lock_file_that_pins_no_version(tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text("# a comment\nPy_YAML==6.0 ; python_version > '3' \\\n    --hash=sha256:1\n    # via x\n")
    assert pins(path) == [Pin("py-yaml", "6.0")]
    path.write_text("a>=1\n")
    with pytest.raises(ValueError, match="run make lock"):
        pins(path)


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-only", False),
        ("MIT OR GPL-3.0-only", True),
        ("MIT AND GPL-3.0-only", False),
        ("(MIT OR GPL-2.0-only) AND Apache-2.0", True),
        ("(MIT AND GPL-2.0-only) OR AGPL-3.0-only", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        (licences.UNKNOWN, False),
        ("", False),
    ],
)
def test_expressions(licence: str, allowed: bool) -> None:
    assert licences.is_allowed(licence) == allowed


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ({"license_expression": "MIT", "classifier": ["License :: OSI Approved :: BSD License"]}, "MIT"),
        ({"classifier": ["License :: OSI Approved :: Apache Software License"]}, "Apache-2.0"),
        ({"classifier": ["License :: OSI Approved"], "license": "MIT License\n\nCopyright"}, "MIT"),
        ({"license": "x" * 100}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_where_the_licence_is_read(metadata: dict[str, Any], licence: str) -> None:
    assert licences.licence_of(metadata) == licence


def test_what_is_not_allowed_is_named() -> None:
    pin = Pin("bad", "1.0")
    (found,) = licences.problems({pin: ["requirements.lock"]}, {pin: "AGPL-3.0-only"})
    assert found.startswith("bad==1.0 (requirements.lock): AGPL-3.0-only is not allowed")


@pytest.mark.parametrize(
    ("version", "affected"),
    [("2.19.1", True), ("2.20.0", False), ("2.20.0rc1", True), ("0.1", True), ("3.0", False)],
)
def test_a_real_advisory(version: str, affected: bool) -> None:
    found = osv.find([Pin("requests", version), Pin("aiohttp", version)], osv.read(ADVISORIES))
    assert [f.id for f in found] == (["PYSEC-2018-28"] if affected else [])
    if affected:
        assert "CVE-2018-18074" in str(found[0])
        assert "mended in 2.20.0" in str(found[0])


EVENTS = [{"introduced": "1.0"}, {"fixed": "1.2"}, {"introduced": "2.0"}, {"last_affected": "2.3"}]


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ("0.9", False), ("1.0", True), ("1.1.post1", True), ("1.2", False), ("1.9", False),
        ("2.0", True), ("2.3", True), ("2.3.1", False), ("2.0rc1", False), ("5!1.1", False),
    ],
)  # fmt: skip
def test_ranges_by_the_schemas_rules(version: str, affected: bool) -> None:
    for events in (EVENTS, EVENTS[::-1]):
        ranges = [{"type": "ECOSYSTEM", "events": events}, {"type": "GIT", "events": [{"introduced": "0"}]}]
        assert osv.affects({"ranges": ranges}, version) == affected
    assert osv.affects({"versions": ["not-a-version", "1.0.0"]}, "1.0")


def test_names_ecosystems_and_withdrawn_advisories(tmp_path: Path) -> None:
    def advisory(number: int, **changes: Any) -> dict[str, Any]:
        package = {"ecosystem": "PyPI", "name": "Py_YAML", **changes.pop("package", {})}
        affected = [{"package": package, "versions": ["6.0"]}]
        return {"id": f"A-{number}", "affected": affected, **changes}

    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for each in (
            advisory(1),
            advisory(2, withdrawn="2024-01-01T00:00:00Z"),
            advisory(3, package={"ecosystem": "npm"}),
            advisory(4, package={"name": "another"}),
        ):
            file.writestr(f"{each['id']}.json", json.dumps(each))
        file.writestr("README.md", "no advisory")
    assert [f.id for f in osv.find([Pin("py-yaml", "6.0")], osv.read(archive))] == ["A-1"]


def test_no_advisories_is_an_error_and_not_a_clean_bill(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no advisory"):
        list(osv.read(tmp_path))
    with pytest.raises(FileNotFoundError, match="download them"):
        list(osv.read(tmp_path / "none"))

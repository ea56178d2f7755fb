"""Programs of the system: found, installed, or named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from devcluster import packages
from devcluster.errors import ToolError


def test_nothing_is_installed_when_everything_is_there() -> None:
    packages.ensure_packages({"sh": "dash"})


def test_what_is_missing_is_named_by_its_packages_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(ToolError, match=r"^needed and not installed: one-package, two-package \(names of"):
        packages.ensure_packages({"no-such-two": "two-package", "no-such-one": "one-package", "sh": "dash"})


def test_a_program_that_no_package_brought_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt = tmp_path / "apt-get"
    apt.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    apt.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setattr(os, "geteuid", lambda: 0)

    with pytest.raises(ToolError, match="still missing after apt-get install a-package: no-such-program"):
        packages.ensure_packages({"no-such-program": "a-package"})

    calls = (tmp_path / "calls").read_text().splitlines()
    assert [call.split()[3] for call in calls] == ["update", "install"]


def test_a_program_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(ToolError, match="no-such-program is not installed"):
        packages.find("no-such-program")

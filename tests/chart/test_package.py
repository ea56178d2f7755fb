"""The package is the same bytes for the same tree, and what helm itself would pack."""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path

import pytest
from tests.chart.harness import CHART, Helm

from helmchart.package import contents, package, packed


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(CHART, copy)
    for number, path in enumerate(sorted(copy.rglob("*"), reverse=True)):
        os.utime(path, (number, number))
        path.chmod(0o700)
    assert packed(copy, "stowage") == packed(CHART, "stowage")


def test_no_trace_of_the_machine_is_in_it(tmp_path: Path) -> None:
    with tarfile.open(package(tmp_path)) as archive:
        entries = archive.getmembers()
    assert entries[0].name == "stowage/Chart.yaml"
    assert {(e.mtime, e.uid, e.gid, e.uname, e.gname, e.mode) for e in entries} == {
        (315532800, 0, 0, "", "", 0o644)
    }


def test_what_is_for_developers_stays_out() -> None:
    found = contents(CHART)
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md", "files/dashboard.json"} <= set(
        found
    )
    assert not [
        path for path in found if path.startswith("tests/") or path.endswith((".gotmpl", ".helmignore"))
    ]


@pytest.mark.cluster
def test_helm_packs_the_same_files_and_takes_ours(helm: Helm, tmp_path: Path) -> None:
    helm("package", str(CHART), "--destination", str(tmp_path / "theirs"))
    (theirs,) = (tmp_path / "theirs").iterdir()
    ours = package(tmp_path / "ours")
    assert ours.name == theirs.name
    assert names(ours) == names(theirs)
    assert helm.template(chart=ours) == helm.template()


def names(archive: Path) -> set[str]:
    with tarfile.open(archive) as opened:
        return {name for name in opened.getnames() if not name.endswith(".helmignore")}

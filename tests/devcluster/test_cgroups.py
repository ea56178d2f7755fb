"""Which hierarchies there are, told by files. That groups are made and removed, test_sandbox shows."""

from __future__ import annotations

from pathlib import Path

from devcluster.cgroups import hierarchies


def test_version_two_has_one_hierarchy(tmp_path: Path) -> None:
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "system.slice").mkdir()
    (tmp_path / "system.slice" / "cgroup.procs").touch()

    assert hierarchies(tmp_path) == [tmp_path]


def test_version_one_has_a_hierarchy_for_each_folder_that_is_no_link(tmp_path: Path) -> None:
    for name in ("cpu,cpuacct", "memory"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").touch()
    (tmp_path / "cpu").symlink_to("cpu,cpuacct")
    (tmp_path / "empty").mkdir()

    assert hierarchies(tmp_path) == [tmp_path / "cpu,cpuacct", tmp_path / "memory"]

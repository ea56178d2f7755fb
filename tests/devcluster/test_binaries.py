"""The cache's key, the pins, and the messages for a Go that is missing or old."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster import binaries
from devcluster.binaries import MODULE, GoTool, Pins, cache_key, cache_root, ensure_binaries, find_go
from devcluster.components import BOOT_ORDER
from devcluster.errors import BuildError, ToolError

GO = GoTool("go1.26.1", "linux", "amd64")
GO_MOD = """\
module example

go 1.26.0

tool (
\tk8s.io/kubernetes/cmd/kubectl
)

require k8s.io/klog v1.0.0

require (
\tk8s.io/kubernetes v1.2.3 // indirect
)
"""


@pytest.fixture
def module(tmp_path: Path) -> Path:
    (tmp_path / "go.mod").write_text(GO_MOD)
    (tmp_path / "go.sum").write_text("sum\n")
    return tmp_path


def test_pins_are_read_from_the_module(module: Path) -> None:
    assert Pins.read(module) == Pins({"kubectl": "k8s.io/kubernetes/cmd/kubectl"}, "v1.2.3", (1, 26))


def test_a_tool_without_kubernetes_has_no_version_to_link_in(module: Path) -> None:
    content = GO_MOD.replace("\tk8s.io/kubernetes v1.2.3 // indirect\n", "").replace(
        "kubernetes/cmd/kubectl", "x"
    )
    (module / "go.mod").write_text(f"// stowage:tags no_zfs,no_btrfs\n{content}")
    pins = Pins.read(module)
    assert pins == Pins({"x": "k8s.io/x"}, None, (1, 26), "no_zfs,no_btrfs")
    assert pins.link_flags() == "-s -w"
    assert pins.build_flags()[-2:] == ("-tags", "no_zfs,no_btrfs")


def test_a_block_of_one_tool_may_be_a_line(module: Path) -> None:
    content = GO_MOD.replace("tool (\n\tk8s.io/kubernetes/cmd/kubectl\n)", "tool k8s.io/x/cmd/y")
    (module / "go.mod").write_text(content)
    assert Pins.read(module).packages == {"y": "k8s.io/x/cmd/y"}


def test_an_unknown_tool_is_named() -> None:
    with pytest.raises(ToolError, match=r"no tool 'abacus': .*tools/go/abacus/go.mod does not exist"):
        ensure_binaries("abacus")


def test_a_tool_is_built_from_its_own_module(
    builder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = tmp_path / "go-tools" / "abacus"
    module.mkdir(parents=True)
    (module / "go.mod").write_text(GO_MOD)
    (module / "go.sum").write_text("")
    monkeypatch.setattr(binaries, "TOOLS", module.parent)
    folder = ensure_binaries.__wrapped__("abacus")
    assert folder.name.startswith("abacus-")
    assert [each.name for each in folder.iterdir()] == ["kubectl"]
    (module / "main.go").write_text("package main\n")
    assert ensure_binaries.__wrapped__("abacus") != folder


def test_the_real_module_pins_every_component() -> None:
    assert set(Pins.read(MODULE).packages) == {*BOOT_ORDER, "kubectl"}


def test_the_key_changes_with_everything_that_the_programs_depend_on(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pins = Pins.read(module)
    key = cache_key(module, pins, GO)
    assert cache_key(module, pins, GO) == key
    keys = {
        key,
        cache_key(module, pins, replace(GO, version="go1.26.2")),
        cache_key(module, pins, replace(GO, architecture="arm64")),
        cache_key(module, pins, replace(GO, system="darwin")),
        cache_key(module, replace(pins, kubernetes="v1.2.4"), GO),
    }
    (module / "go.sum").write_text("another sum\n")
    keys.add(cache_key(module, pins, GO))
    (module / "go.mod").write_text(GO_MOD + "\n")
    keys.add(cache_key(module, pins, GO))
    monkeypatch.setattr(binaries, "BUILD_FLAGS", ("-race",))
    keys.add(cache_key(module, pins, GO))
    assert len(keys) == 8


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"STOWAGE_CACHE_DIR": "/a", "XDG_CACHE_HOME": "/b"}, Path("/a")),
        ({"XDG_CACHE_HOME": "/b"}, Path("/b/stowage")),
        ({"STOWAGE_CACHE_DIR": "", "XDG_CACHE_HOME": ""}, Path.home() / ".cache" / "stowage"),
    ],
)
def test_where_the_cache_lies(environment: dict[str, str], expected: Path) -> None:
    assert cache_root(environment) == expected


def fake_go(folder: Path, script: str) -> None:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_a_missing_go_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"go is not on PATH; install Go 1\.26 or newer"):
        find_go((1, 26), tmp_path)


@pytest.mark.parametrize("version", ["go1.25.7", "go1.9"])
def test_an_old_go_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    fake_go(tmp_path, f"printf '{version}\\nlinux\\namd64\\n'")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=rf"{version} is too old; install Go 1\.26 or newer"):
        find_go((1, 26), tmp_path)


def test_a_go_that_refuses_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(tmp_path, "echo 'go.mod requires go >= 1.26.0' >&2; exit 1")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ToolError, match=r"go\.mod requires go >= 1\.26\.0; install"):
        find_go((1, 26), tmp_path)


FAKE_BUILD = """\
if [ "$1" = env ]; then printf 'go1.26.1\\nlinux\\namd64\\n'; exit; fi
while [ "$1" != -o ]; do shift; done
echo "$2" >> "$BUILD_LOG"
sleep 0.05
echo program > "$2"
"""


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A go that makes files at once, an empty cache, and the log of what was built."""
    fake_go(tmp_path, FAKE_BUILD)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STOWAGE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("BUILD_LOG", str(tmp_path / "built"))
    return tmp_path / "built"


def test_two_runs_at_once_build_once(builder: Path) -> None:
    command = [sys.executable, "-m", "devcluster", "binaries"]
    environment = {**os.environ, "PYTHONPATH": str(MODULE)}
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [run.communicate()[0].splitlines()[-1] for run in runs]
    assert answers[0] == answers[1]
    assert len(builder.read_text().splitlines()) == len(Pins.read(MODULE).packages)
    assert {each.name for each in Path(answers[0]).iterdir()} == set(Pins.read(MODULE).packages)


@pytest.mark.usefixtures("builder")
def test_a_failed_build_leaves_nothing_and_shows_the_output(tmp_path: Path) -> None:
    build = ensure_binaries.__wrapped__  # without what earlier tests built
    working = (tmp_path / "go").read_text().removeprefix("#!/bin/sh\n")
    fake_go(tmp_path, working.replace("sleep 0.05", 'case "$2" in *kubectl) echo no memory; exit 2;; esac'))
    with pytest.raises(BuildError, match="building kubectl failed\nno memory"):
        build()
    (folder,) = (tmp_path / "cache").iterdir()
    assert [each.suffix for each in folder.iterdir()] == [".lock"]
    fake_go(tmp_path, working)
    assert build().is_dir()


def test_a_built_cache_is_found_without_building(builder: Path) -> None:
    command = [
        sys.executable,
        "-c",
        "from devcluster.binaries import *; ensure_binaries(); ensure_binaries()",
    ]
    environment = {**os.environ, "PYTHONPATH": str(MODULE)}
    for _ in range(2):
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    assert len(builder.read_text().splitlines()) == len(Pins.read(MODULE).packages)

"""The smaller commands."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from stowage import __version__
from stowage.api.parse import parse
from stowage.cli.main import app

from .conftest import ROOT, Stowage


def test_version(stowage: Stowage) -> None:
    assert stowage("--version").stdout == f"stowage {__version__}\n"


def test_help_of_every_command_has_an_example(stowage: Stowage) -> None:
    for command in (
        ["plan"],
        ["advise"],
        ["pools"],
        ["explain"],
        ["catalog"],
        ["operator", "run"],
        ["crds", "generate"],
    ):
        text = stowage(*command, "--help").stdout
        assert f"stowage {command[0]}" in text
        assert "Example" in text


def test_what_is_no_name_of_a_namespace_is_refused(stowage: Stowage) -> None:
    done = stowage("operator", "run", "--namespace", "shop", "--namespace", "Shop_2")
    assert done.returncode == 1
    assert done.stderr == "stowage operator: 'Shop_2' is no name of a namespace\n"


def test_catalog_lists_and_shows(stowage: Stowage) -> None:
    assert "nvidia-l4" in stowage("catalog").stdout
    assert "KNOWN FROM" in stowage("catalog", "nvidia-l4").stdout
    manifest = yaml.safe_load(stowage("catalog", "nvidia-l4", "-o", "yaml").stdout)
    assert parse(manifest).name == "nvidia-l4"
    assert json.loads(stowage("catalog", "vllm", "-o", "json").stdout)["metadata"]["name"] == "vllm"
    unknown = stowage("catalog", "nvidia-l5")
    assert unknown.returncode == 1
    assert unknown.stderr.startswith("stowage catalog: nothing is named 'nvidia-l5'; known are ")


def test_crds_are_those_of_the_repository(stowage: Stowage, tmp_path: Path) -> None:
    assert stowage("crds", "generate", tmp_path).returncode == 0
    written = {f.name: f.read_text() for f in tmp_path.iterdir()}
    assert written == {f.name: f.read_text() for f in (ROOT / "crds").iterdir()}
    printed = list(yaml.safe_load_all(stowage("crds", "print").stdout))
    assert len(printed) == len(written)


def test_a_list_as_the_api_server_writes_it(stowage: Stowage, fleet: Path, tmp_path: Path) -> None:
    """``kubectl get --raw /api/v1/nodes``: a NodeList, whose items name no kind."""
    nodes = yaml.safe_load(fleet.read_text())["items"]
    raw = [{k: v for k, v in each.items() if k not in ("apiVersion", "kind")} for each in nodes]
    listing = tmp_path / "nodes.json"
    listing.write_text(json.dumps({"apiVersion": "v1", "kind": "NodeList", "items": raw}))
    expected, found = (stowage("pools", "--fleet", each, "-o", "json").stdout for each in (fleet, listing))
    assert json.loads(found) == json.loads(expected)


def test_pools_of_a_fleet(stowage: Stowage, fleet: Path) -> None:
    found = json.loads(stowage("pools", "--fleet", fleet, "-o", "json").stdout)
    pools = {p["name"]: p for p in found["pools"]}
    assert pools["l4-spot"] == {
        "name": "l4-spot",
        "acceleratorClass": "nvidia-l4",
        "acceleratorType": "GPU",
        "capacityType": "spot",
        "architecture": "amd64",
        "resourceName": "nvidia.com/gpu",
        "draOnly": False,
        "nodes": 4,
        "usableNodes": 3,
        "devices": 8,
        "freeDevices": 6,
        "deviceMemoryGiB": 24.0,
        "costPerHour": None,
        "provisionableNodes": 0,
    }
    assert found["problems"] == []
    assert "l4-spot" in stowage("pools", "--fleet", fleet).stdout


@pytest.mark.parametrize(
    "arguments", [["plan", "--bogus"], ["plan"], ["--bogus"], ["bogus"], ["plan", "-o", "x"]]
)
def test_a_wrong_command_line_is_an_error_and_not_an_answer(stowage: Stowage, arguments: list[str]) -> None:
    ended = stowage(*arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Error: " in ended.stderr


@pytest.mark.parametrize("name", ["stowage", "kubectl-stowage"])
def test_both_programs_are_the_same(name: str) -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, _, attribute = scripts[name].partition(":")
    assert getattr(importlib.import_module(module), attribute) is app


@pytest.mark.parametrize("name", ["stowage", "kubectl-stowage"])
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "pwsh"])
def test_completion_can_be_shown(name: str, shell: str) -> None:
    entry = f"import sys; sys.argv[0] = {name!r}; from stowage.cli.main import app; app()"
    ended = subprocess.run(
        [sys.executable, "-c", entry, "--show-completion", shell],
        capture_output=True,
        text=True,
        # Without it the shell is that of the process which called us, whatever it is.
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert f"_{name.replace('-', '_').upper()}_COMPLETE" in ended.stdout


@pytest.mark.parametrize("command", ["crds", "reference"])
def test_a_folder_that_cannot_be_written_is_one_line(stowage: Stowage, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    ended = stowage(command, "generate", tmp_path / "file")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == f"stowage {command} generate: {tmp_path}/file: File exists\n"

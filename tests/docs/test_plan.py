"""The plan's page: its JSON tables name the fields that there are, and its scripts do what it says."""

from __future__ import annotations

import json
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from .console import ROOT, run

TEXT = (ROOT / "docs/plan.md").read_text()
FLEET = ["--fleet", "docs/examples/fleet.yaml"]
TYPES: dict[str, tuple[type | None, ...]] = {
    "text": (str,),
    "text or null": (str, type(None)),
    "boolean": (bool,),
    "integer": (int,),
    "integer or null": (int, type(None)),
    "list": (list,),
    "object": (dict,),
    "object or null": (dict, type(None)),
    "number or null": (int, float, type(None)),
}


def documented() -> dict[str, dict[str, str]]:
    """Types by field, by the path of the object that has them."""
    sections = re.findall(r"^### `([^`]+)`\n(.*?)(?=^#|\Z)", TEXT, re.S | re.M)
    return {path: dict(re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", body, re.M)) for path, body in sections}


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    plan = run(["stowage", "plan", "-f", "manifests/samples", *FLEET, "-o", "json"])
    pools = run(["stowage", "pools", "-f", "manifests/samples/node-pools.yaml", *FLEET, "-o", "json"])
    return {**json.loads(plan.stdout), **json.loads(pools.stdout)}


def at(document: Any, path: str) -> Iterator[dict[str, Any]]:
    """All objects at a path such as ``decisions[].placements[]``."""
    name, _, rest = path.partition(".")
    below = document[name.removesuffix("[]")]
    for each in below if name.endswith("[]") else [below]:
        if each is None:
            continue
        if rest:
            yield from at(each, rest)
        else:
            yield each


@pytest.mark.parametrize("path", documented())
def test_the_fields_are_those_of_the_output(documents: dict[str, Any], path: str) -> None:
    fields = documented()[path]
    objects = list(at(documents, path))
    assert objects
    for one in objects:
        assert list(one) == list(fields)
        for name, value in one.items():
            assert type(value) in TYPES[fields[name]], f"{path}.{name}"


def test_every_object_of_the_output_has_a_table(documents: dict[str, Any]) -> None:
    assert set(objects_in(documents)) == {*documented()}
    assert documents.keys() == {"decisions", "pools", "problems"}


def objects_in(value: Any, path: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        if path:
            yield path
        for name, each in value.items():
            yield from objects_in(each, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for each in value:
            yield from objects_in(each, f"{path}[]")


def test_the_verdicts_are_as_documented(documents: dict[str, Any]) -> None:
    candidates = list(at(documents, "decisions[].candidates[]"))
    assert {c["verdict"] for c in candidates} == {"Chosen", "Feasible", "Rejected"}
    assert all((c["verdict"] == "Chosen") == (c["reasons"] == []) for c in candidates)


def scripts() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```", TEXT, re.S | re.M)


@pytest.mark.parametrize(("sample", "code", "commented"), [
    ("gpu-chat.yaml", 2, True),  # its policy isn't among the files
    ("npu-assistant.yaml", 0, True),
    ("node-pools.yaml", 1, False),
])  # fmt: skip
def test_the_script_for_ci_comments_and_passes_the_code_on(
    tmp_path: Path, sample: str, code: int, commented: bool
) -> None:
    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/one.yaml").write_text((ROOT / "manifests/samples" / sample).read_text())
    (tmp_path / "fleet.yaml").write_text((ROOT / "docs/examples/fleet.yaml").read_text())
    program(tmp_path / "stowage", f'exec {sys.executable} -m stowage "$@"')
    program(tmp_path / "gh", 'cp plan.md commented.md; echo "$@" > gh.txt')
    script = next(s for s in scripts() if "gh pr comment" in s)
    ended = subprocess.run(
        ["bash", "-eu", "-c", script],
        cwd=tmp_path,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "operator"), "PULL_REQUEST": "7"},
        capture_output=True,
        check=False,
    )
    assert ended.returncode == code
    assert (tmp_path / "commented.md").exists() == commented
    if commented:
        assert (tmp_path / "commented.md").read_text().startswith("### Placement plan\n")
        assert (tmp_path / "gh.txt").read_text().startswith("pr comment 7 --body-file plan.md")


def program(path: Path, line: str) -> None:
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(path.stat().st_mode | stat.S_IEXEC)


@pytest.mark.parametrize(
    ("words", "found"),
    [(["pl"], ["plan"]), (["plan", "-o", "m"], ["markdown", "manifests"]), (["plan", "-f", ""], [])],
)
def test_the_completion_for_kubectl_gives_words(tmp_path: Path, words: list[str], found: list[str]) -> None:
    entry = "import sys; sys.argv[0] = 'stowage'; from stowage.cli.main import app; app()"
    program(tmp_path / "stowage", f'exec {sys.executable} -c "{entry}" "$@"')
    script = tmp_path / "kubectl_complete-stowage"
    script.write_text(next(s for s in scripts() if "COMP_WORDS" in s))
    script.chmod(0o755)
    ended = subprocess.run(
        [script, *words],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT / "operator")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.split() == found

"""The documents say what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from stowage.api.parse import parse
from stowage.api.reasons import Code

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("code", list(Code), ids=str)
def test_every_reason_is_documented(code: Code) -> None:
    assert f"| `{code.value}` | {code.doc} |" in (ROOT / "docs/status.md").read_text()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_manifests_in_the_readme_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert blocks
    for block in blocks:
        for manifest in yaml.safe_load_all(block):
            parse(manifest)


@pytest.mark.parametrize("sample", sorted(ROOT.glob("manifests/samples/*.yaml")), ids=lambda s: s.name)
def test_the_samples_are_valid(sample: Path) -> None:
    for manifest in yaml.safe_load_all(sample.read_text()):
        parse(manifest)


def test_the_make_targets_in_the_documents_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M)) | {"bench", "e2e"}
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:^ {4}|`)make ([a-z]+)", document.read_text(), re.M))
        assert named <= targets, document.name

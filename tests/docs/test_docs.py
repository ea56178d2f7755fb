"""The documents say what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from stowage.api.parse import parse

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_to_files_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda d: d.name)
def test_links_to_places_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", document.read_text())
    assert [
        link for link in links if link[1] not in _places((document.parent / link[0]) if link[0] else document)
    ] == []


def _places(document: Path) -> set[str]:
    """Anchors and headings of a document, the headings as GitHub names them."""
    text = document.read_text()
    headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    named = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return named | set(re.findall(r'<a id="([^"]+)">', text))


def test_the_index_names_every_document() -> None:
    index = (ROOT / "docs/README.md").read_text()
    pages = [d.relative_to(ROOT / "docs") for d in DOCUMENTS if d.is_relative_to(ROOT / "docs")]
    assert [str(p) for p in pages if f"({p})" not in index and p.name != "README.md"] == []


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
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.M))
    for document in DOCUMENTS:
        named = set(re.findall(r"(?:^ {4}|`)make ([a-z0-9]+)", document.read_text(), re.M))
        assert named <= targets, document.name

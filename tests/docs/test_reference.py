"""The reference and the example fleet are what ``make generate`` writes, and nothing is missing in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from devcluster.cli import FLEET_HEADER
from devcluster.fleet import listing, load_fleet, nodes_of
from stowage.api.crds import INVENTORY, Kind, object_schema
from stowage.api.reasons import Code
from stowage.api.types import Schema
from stowage.cli.main import app
from stowage.cli.pages.markdown import HEADER, anchor, escape
from stowage.cli.reference import pages, write

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"


def test_the_committed_pages_are_what_the_program_says() -> None:
    found = {p.name: p.read_text() for p in REFERENCE.iterdir()}
    assert found == pages(), "run make generate"


def test_the_committed_fleet_is_that_of_the_demo() -> None:
    text = (ROOT / "docs/examples/fleet.yaml").read_text()
    assert text == f"{FLEET_HEADER}\n{listing(nodes_of(load_fleet()))}", "run make generate"
    assert len(yaml.safe_load(text)["items"]) == 17


def test_writing_removes_what_is_generated_no_more_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "gone.md").write_text(f"{HEADER}\n")
    (tmp_path / "own.md").write_text("# Written by hand\n")
    write(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {*pages(), "own.md"}


def _fields(path: str, schema: Schema) -> Iterator[str]:
    for name, each in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        inner = each
        suffix = ""
        while inner.get("type") == "array":
            inner, suffix = inner["items"], f"{suffix}[]"
        yield from _fields(f"{path}.{name}{suffix}", inner)


@pytest.mark.parametrize("kind", INVENTORY, ids=lambda k: k.name)
def test_every_field_has_one_place_on_the_page_of_its_kind(kind: Kind) -> None:
    text = pages()[f"{kind.name.lower()}.md"]
    schema = object_schema(kind.model)
    paths = [
        p
        for part in ("spec", "status")
        if part in schema["properties"]
        for p in _fields(part, schema["properties"][part])
    ]
    assert paths
    for path in paths:
        assert text.count(f'<a id="{anchor(path)}"></a>') == 1, path


@pytest.mark.parametrize("kind", INVENTORY, ids=lambda k: k.name)
def test_every_sentence_of_a_rule_is_on_the_page(kind: Kind) -> None:
    text = pages()[f"{kind.name.lower()}.md"]
    missing = [m for m in _messages(object_schema(kind.model)) if escape(m) not in text]
    assert missing == []


def _messages(schema: Schema) -> Iterator[str]:
    yield from (each["message"] for each in schema.get("x-kubernetes-validations", []))
    for each in [
        *schema.get("properties", {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]:
        if isinstance(each, dict):
            yield from _messages(each)


@pytest.mark.parametrize("code", list(Code), ids=str)
def test_every_reason_says_what_it_means_and_what_to_do(code: Code) -> None:
    row = next(line for line in pages()["reasons.md"].splitlines() if f"`{code.value}`" in line)
    assert [cell.strip() for cell in row.split("|")[2:5]] == [code.doc, code.where, code.remedy]
    assert code.doc.endswith(".")
    assert code.remedy.endswith(".")


def test_every_command_has_an_example_and_says_how_it_ends() -> None:
    sections = pages()["cli.md"].split("\n## ")[2:]
    assert len(sections) == 9
    for section in sections:
        name = section.splitlines()[0]
        examples = re.findall(r"\*\*Examples\*\*\n\n```sh\n(.*?)```", section, re.S)
        assert f"{name} " in f"{examples[0]} ".replace("\n", " "), name
        assert re.search(r"^\*\*Exit codes\*\*: 0", section, re.M), name


def test_the_command_that_writes_the_pages_is_for_developers() -> None:
    assert "reference" not in pages()["cli.md"]
    assert get_command(app).get_command(None, "reference") is not None  # type: ignore[attr-defined]

"""What the programs in images/ and the operator must agree on: each has its own copy, since none is in the
other's image. Where one changes, this says which other one has to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stowage.api.variant import MAKES, Variant
from stowage.placement import failure, fetching
from stowage.render import build_job, build_push
from stowage.render import fetcher as rendered
from stowage_builder import errors as builder_errors
from stowage_builder import files as built
from stowage_fetcher import cli as fetcher
from stowage_fetcher import errors as fetcher_errors
from stowage_fetcher import folders, model, sources

ROOT = Path(__file__).parents[2]
BUILDER = ROOT / "images" / "builder" / "stowage_builder"
WRONG_COMMAND_LINE = 2
"""argparse's."""
OF_TABLE = re.compile(r"^\| ([0-9]+) \| `(\w+)` \|", re.MULTILINE)
URIS = (
    "https://host/path/model.onnx",
    "https://host/path/",
    "s3://bucket/key",
    "s3://bucket/folder/model.gguf",
    "s3://bucket/folder/",
    "s3://bucket/",
    "gs://bucket/object",
    "gs://bucket/folder/",
    "hf://organisation/model",
    "hf://organisation/model@main",
    "hf://organisation/model/model.gguf",
    "hf://organisation/model@main/folder/model.gguf",
)


def exit_codes(base: type[Exception]) -> dict[str, int]:
    """Those of a program's kinds of errors, by name."""
    return {kind.__name__: getattr(kind, "exit_code") for kind in base.__subclasses__()}  # noqa: B009


def test_every_end_of_the_fetcher_is_one_that_the_operator_knows() -> None:
    codes = exit_codes(fetcher_errors.FetchError)
    assert {WRONG_COMMAND_LINE, *codes.values()} == failure.FETCH_ERRORS
    assert codes["NoRoom"] == failure.NO_ROOM


def test_a_build_is_not_tried_again_where_the_builder_says_that_it_does_not_help() -> None:
    codes = exit_codes(builder_errors.BuildError)
    passing = codes.pop("StoreFailed")
    assert sorted({WRONG_COMMAND_LINE, *codes.values()}) == build_job.FINAL_EXIT_CODES
    assert passing not in build_job.FINAL_EXIT_CODES


@pytest.mark.parametrize(
    ("page", "base"),
    [("models.md", fetcher_errors.FetchError), ("variants.md", builder_errors.BuildError)],
)
def test_the_documents_list_the_same_exit_codes(page: str, base: type[Exception]) -> None:
    found = OF_TABLE.findall((ROOT / "docs" / page).read_text())
    assert {name: int(code) for code, name in found} == exit_codes(base)


def test_files_may_be_called_the_same() -> None:
    assert sources.NAME.pattern == fetching.FILE_NAME.pattern


@pytest.mark.parametrize("uri", URIS)
def test_the_same_uris_are_of_folders(uri: str) -> None:
    variant = Variant(name="v", precision="fp32", format="onnx", uri=uri, size="1Gi")
    assert folders.is_folder(uri) == fetching.is_folder(variant)


def test_what_the_operator_has_fetched_the_fetcher_fetches() -> None:
    for scheme in fetching.FETCHED:
        uri = f"{scheme}://organisation/model/file.onnx"
        assert sources.source_of(uri, sources.Access()).name == "file.onnx"


def test_credentials_have_the_same_names() -> None:
    assert fetcher.KEYS == rendered.KEYS
    assert fetcher.TOKEN in (ROOT / "operator/stowage/render/fetcher.py").read_text()


def test_the_report_of_a_build_has_one_name_and_is_no_part_of_a_digest() -> None:
    assert built.REPORT_NAME == model.REPORT_NAME
    server = (ROOT / "images/onnx/onnx_server/digest.py").read_text()
    assert f'REPORT_NAME = "{built.REPORT_NAME}"\n' in server


def test_every_method_of_the_api_is_the_builders_and_wants_the_same() -> None:
    """By its source: its libraries are not installed here."""
    (methods,) = (
        node.value
        for node in ast.parse((BUILDER / "methods" / "__init__.py").read_text()).body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "METHODS"
    )
    assert isinstance(methods, ast.Dict)
    calibrated = {
        ast.literal_eval(name): any(
            k.arg == "calibrated" and ast.literal_eval(k.value) for k in call.keywords
        )
        for name, call in zip(methods.keys, methods.values, strict=True)
        if name is not None and isinstance(call, ast.Call)
    }
    assert calibrated == {name: makes.calibrated for name, makes in MAKES.items()}


def test_what_a_job_says_is_an_option_of_the_builder() -> None:
    source = (BUILDER / "cli.py").read_text()
    known = set(strings(source))
    said = {
        text
        for file in ("build_job.py", "build_push.py")
        for text in strings((ROOT / "operator/stowage/render" / file).read_text())
        if text.startswith("--")
    }
    assert {"--from", "--output", "--image", "--auth-file"} <= said
    assert {*said, "build", build_push.PULL, build_push.PUSH} <= known


def strings(source: str) -> Iterator[str]:
    """The literals of a program."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value

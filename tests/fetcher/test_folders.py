"""Models of several files: all of a bucket's prefix, and a hub's model at one commit."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .conftest import COMMIT, Store

Run = Callable[..., tuple[int, str, str]]
KEYS = ("AKIAIOSFODNN7EXAMPLE", "secret/of+this")
FILES = {
    "config.json": b"{}",
    "model-00001-of-00002.safetensors": b"a" * 300_000,
    "model-00002-of-00002.safetensors": b"b" * 200_001,
    "onnx/decoder/model.onnx": b"c" * 70_000,
}
SIZE = sum(len(content) for content in FILES.values())


def digest() -> str:
    """As the builder of variants names a folder."""
    lines = "".join(f"{hashlib.sha256(FILES[n]).hexdigest()}  {n}\n" for n in sorted(FILES))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def hold(store: Store, place: str = "/models/llama/") -> list[str]:
    """Fills the store; returns arguments for its address."""
    store.files = {f"{place}{name}": content for name, content in FILES.items()}
    return ["--endpoint", f"https://{urlsplit(store.url).netloc}"]


def fetched(folder: Path) -> dict[str, bytes]:
    model = folder / "model"
    return {f.relative_to(model).as_posix(): f.read_bytes() for f in model.rglob("*") if f.is_file()}


def test_all_files_of_a_prefix(store: Store, run: Run, tmp_path: Path) -> None:
    address, store.keys = hold(store), KEYS
    store.files |= {"/models/llama/": b"", "/models/llama2/config.json": b"", "/models/llama/.cache": b"x"}
    keys = dict(zip(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), KEYS, strict=True))
    code, out, error = run(*address, "--digest", digest(), uri="s3://models/llama/", **keys)
    assert (code, error) == (0, "")
    assert fetched(tmp_path) == FILES
    assert "4 files, 0.54 MiB" in out
    assert [p for p in store.paths if "list-type" in p] == [
        "/models/?list-type=2&prefix=llama%2F",
        "/models/?continuation-token=to%2Bken%2F2&list-type=2&prefix=llama%2F",
        "/models/?continuation-token=to%2Bken%2F4&list-type=2&prefix=llama%2F",
    ]
    asked = len(store.paths)
    assert run(*address, "--digest", digest(), uri="s3://models/llama/", **keys)[0] == 0
    assert len(store.paths) == asked + 3, "what is there isn't fetched again"


def test_all_files_of_a_commit(store: Store, run: Run, tmp_path: Path) -> None:
    address = hold(store, f"/org/net/resolve/{COMMIT}/")
    store.files[f"/org/net/resolve/{COMMIT}/.gitattributes"] = b"x"
    store.token = "hub"
    assert run(*address, uri="hf://org/net@v1", FETCH_TOKEN="hub")[0] == 0
    assert fetched(tmp_path) == FILES
    assert store.paths[0] == "/api/models/org/net/revision/v1?blobs=true"


def test_what_a_restart_interrupted_goes_on_with_what_is_missing(
    store: Store, run: Run, tmp_path: Path
) -> None:
    address = hold(store)
    store.page, store.faults = 10, ["", "", 404]
    code, _, error = run(*address, uri="s3://models/llama/")
    assert (code, "model-00001-of-00002.safetensors: the store answers 404" in error) == (6, True)
    assert fetched(tmp_path) == {"config.json": b"{}"}
    (tmp_path / "model/config.json").write_bytes(b"other")
    (tmp_path / "model/old.bin").write_bytes(b"of another model")
    store.paths = []
    assert run(*address, uri="s3://models/llama/")[0] == 0
    assert fetched(tmp_path) == FILES
    assert len(store.paths) == 1 + len(FILES)


def test_another_model_is_refused_with_both_digests(store: Store, run: Run, tmp_path: Path) -> None:
    address, other = hold(store), f"sha256:{'0' * 64}"
    code, _, error = run(*address, "--digest", other, uri="s3://models/llama/")
    assert (code, error) == (
        4,
        f"DigestMismatch: the model's files have the digest {digest()}, and {other} was asked for; correct"
        " the variant's digest or its uri\n",
    )
    assert fetched(tmp_path) == {}


def test_a_larger_model_than_was_said_is_refused_before_it_is_fetched(store: Store, run: Run) -> None:
    address, store.page = hold(store), 10
    code, _, error = run(*address, "--most-bytes", str(SIZE - 1), uri="s3://models/llama/")
    assert (code, len(store.paths)) == (8, 1)
    assert error == (
        "TooLarge: the model has 0.54 MiB in 4 files, and at most 0.54 MiB are expected of it; correct the"
        " variant's size\n"
    )
    assert run(*address, "--most-bytes", str(SIZE), uri="s3://models/llama/")[0] == 0


@pytest.mark.parametrize(
    ("uri", "more", "sentence"),
    [
        ("s3://models/other/", {}, "the store has no files there; correct the variant's uri"),
        (
            "s3://models/llama/",
            {"/models/llama/a b.bin": b""},
            "the store has a file 'a b.bin', whose name isn't of letters, digits and ._+=@-; rename it, or"
            " name one that holds only the model",
        ),
        ("gs://models/other/", {}, "the store has no files there; correct the variant's uri"),
        ("hf://org/other", {}, "the store has no files there; correct the variant's uri"),
    ],
)
def test_what_cant_be_a_model(
    store: Store, run: Run, uri: str, more: dict[str, bytes], sentence: str
) -> None:
    address = hold(store)
    store.files |= more
    code, _, error = run(*address, uri=uri)
    assert (code, error) == (6, f"Refused: {sentence}\n")


def test_a_file_may_not_lead_out_of_the_folder(store: Store, run: Run, tmp_path: Path) -> None:
    address = hold(store)
    store.files = {"/models/llama/x/../../../evil": b"1", "/models/llama/config.json": b"{}"}
    code, _, error = run(*address, uri="s3://models/llama/")
    assert (code, "the store has a file 'x/../../../evil'" in error) == (6, True)
    assert not (tmp_path / "evil").exists()


def test_what_isnt_a_list_is_refused(store: Store, run: Run) -> None:
    for uri, said in (("s3://models/a/", "as S3 does"), ("hf://org/net", "as the hub does")):
        store.files, store.raw = {}, b"<html>hello"
        code, _, error = run("--endpoint", f"https://{urlsplit(store.url).netloc}", uri=uri)
        assert (code, f"the store doesn't list its files {said}" in error) == (6, True)

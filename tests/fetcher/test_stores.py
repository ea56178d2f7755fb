"""Buckets and hubs: where their files are, and how requests for them are signed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from stowage_fetcher.errors import BadInput
from stowage_fetcher.signing import Keys, signed
from stowage_fetcher.sources import Access, source_of

from .conftest import Store
from .sigv4 import is_signed

Run = Callable[..., tuple[int, str, str]]
IDENTIFIER, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEYS = {"AWS_ACCESS_KEY_ID": IDENTIFIER, "AWS_SECRET_ACCESS_KEY": SECRET}
ELSEWHERE = Access(endpoint="https://minio.storage:9000/")


@pytest.mark.parametrize(
    ("uri", "access", "url", "name"),
    [
        ("https://host/a/net.onnx?sig=1", Access(), "https://host/a/net.onnx?sig=1", "net.onnx"),
        (
            "s3://models/a/net.onnx",
            Access(),
            "https://models.s3.us-east-1.amazonaws.com/a/net.onnx",
            "net.onnx",
        ),
        (
            "s3://models/a=1/v+2/net.onnx",
            Access(region="eu-central-1"),
            "https://models.s3.eu-central-1.amazonaws.com/a%3D1/v%2B2/net.onnx",
            "net.onnx",
        ),
        ("s3://my.models/n.onnx", Access(), "https://s3.us-east-1.amazonaws.com/my.models/n.onnx", "n.onnx"),
        ("s3://models/n.onnx", ELSEWHERE, "https://minio.storage:9000/models/n.onnx", "n.onnx"),
        ("gs://models/a%b/n.onnx", Access(), "https://storage.googleapis.com/models/a%25b/n.onnx", "n.onnx"),
        ("hf://org/net/n.gguf", Access(), "https://huggingface.co/org/net/resolve/main/n.gguf", "n.gguf"),
        (
            "hf://org/net@v1.0/q4/n.gguf",
            Access(endpoint="https://hub.example.com"),
            "https://hub.example.com/org/net/resolve/v1.0/q4/n.gguf",
            "n.gguf",
        ),
    ],
)
def test_where_a_file_is(uri: str, access: Access, url: str, name: str) -> None:
    found = source_of(uri, access)
    assert (found.url, found.name, dict(found.headers())) == (url, name, {})


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        ("ftp://host/n.onnx", "ftp is not fetched; write https://host/path/file, s3://bucket/key, "),
        ("s3://models/", "the uri must end in a file's name of letters, digits and ._+=@-, and ends in ''"),
        ("s3://Models/n.onnx", "'Models' is no name of a bucket"),
        ("s3://n.onnx", "'n.onnx' is no name of a bucket"),
        ("s3://models/a/../b/n.onnx", "the uri holds a part that is . or ..; write the path without"),
        ("https://host/a/%2e%2e/n.onnx", "the uri holds a part that is . or ..; write the path without"),
        ("hf://org/net", "the uri names no file; write hf://organisation/model/file"),
    ],
)
def test_where_none_is(uri: str, sentence: str) -> None:
    with pytest.raises(BadInput) as caught:
        source_of(uri, Access())
    assert sentence in str(caught.value)


def test_no_endpoint_in_the_clear() -> None:
    with pytest.raises(BadInput, match="must begin with https://"):
        source_of("s3://models/n.onnx", Access(endpoint="http://minio:9000"))


def test_a_token_is_for_what_takes_tokens() -> None:
    access = Access(token="secret", keys=None)
    for uri in ("https://host/n.onnx", "gs://models/n.onnx", "hf://org/net/n.onnx"):
        assert dict(source_of(uri, access).headers()) == {"Authorization": "Bearer secret"}
    assert dict(source_of("s3://models/n.onnx", access).headers()) == {}


def test_what_is_signed_is_as_the_standard_says() -> None:
    when = datetime(2013, 5, 24, tzinfo=UTC)
    url = "https://examplebucket.s3.amazonaws.com/test.txt"
    headers = signed(url, Keys(IDENTIFIER, SECRET), "us-east-1", when)
    given = {"Host": "examplebucket.s3.amazonaws.com", **headers}
    assert is_signed("/test.txt", given, IDENTIFIER, SECRET)
    assert not is_signed("/test2.txt", given, IDENTIFIER, SECRET)
    assert not is_signed("/test.txt", given, IDENTIFIER, SECRET[:-1])
    assert not is_signed("/test.txt", given, IDENTIFIER, SECRET, "eu-west-1")


def test_the_judge_agrees_with_amazons_example() -> None:
    """Example: GET Object, with the signature that the page prints."""
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    printed = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
    given = {
        "Host": "examplebucket.s3.amazonaws.com",
        "Range": "bytes=0-9",
        "x-amz-content-sha256": empty,
        "x-amz-date": "20130524T000000Z",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={IDENTIFIER}/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,Signature={printed}",
    }
    assert is_signed("/test.txt", given, IDENTIFIER, SECRET)
    assert not is_signed("/test.txt", {**given, "Range": "bytes=0-8"}, IDENTIFIER, SECRET)


def endpoint(store: Store) -> str:
    return f"https://{urlsplit(store.url).netloc}"


def test_a_bucket_is_read_with_its_keys_and_resumed(store: Store, run: Run, tmp_path: Path) -> None:
    store.keys, store.faults = (IDENTIFIER, SECRET), ["cut"]
    code, out, error = run(
        "--endpoint", endpoint(store), "--digest", store.digest, uri="s3://models/v=1/a+b/net.onnx", **KEYS
    )
    assert (code, error) == (0, "")
    assert "resumed after" in out
    assert (tmp_path / "model/net.onnx").read_bytes() == store.content
    assert store.paths == ["/models/v%3D1/a%2Bb/net.onnx"] * 2


def test_a_session_has_a_token_more(store: Store, run: Run) -> None:
    store.keys = (IDENTIFIER, SECRET)
    asked = run(
        "--endpoint", endpoint(store), uri="s3://models/net.onnx", AWS_SESSION_TOKEN="session", **KEYS
    )
    assert asked[0] == 0
    assert store.asked[0]["X-Amz-Security-Token"] == "session"
    assert "x-amz-security-token" in store.asked[0]["Authorization"]


@pytest.mark.parametrize(
    "keys", [{}, {**KEYS, "AWS_SECRET_ACCESS_KEY": "another"}], ids=["no keys", "a wrong key"]
)
def test_who_has_not_the_keys_is_told(store: Store, run: Run, keys: dict[str, str]) -> None:
    store.keys = (IDENTIFIER, SECRET)
    code, _, error = run("--endpoint", endpoint(store), uri="s3://models/net.onnx", **keys)
    assert (code, len(store.asked)) == (6, 1)
    assert error == (
        "Refused: net.onnx: the store answers 403 SignatureDoesNotMatch: it refuses access; see that the"
        " credentials, or the signature in the uri, are valid and may read it\n"
    )
    assert SECRET not in error


def test_a_public_bucket_needs_no_keys(store: Store, run: Run, tmp_path: Path) -> None:
    for uri in ("s3://models/net.onnx", "gs://models/net.onnx", "hf://org/net/net.onnx"):
        assert run("--endpoint", endpoint(store), "--digest", store.digest, uri=uri)[0] == 0
        assert (tmp_path / "model/net.onnx").read_bytes() == store.content
        (tmp_path / "model/net.onnx").unlink()
    assert store.paths == ["/models/net.onnx", "/models/net.onnx", "/org/net/resolve/main/net.onnx"]


def test_keys_are_for_the_store_alone(store: Store, run: Run) -> None:
    """Hubs redirect to where their files are."""
    store.faults = [store.url.replace("localhost", "127.0.0.1")]
    assert run("--endpoint", endpoint(store), uri="s3://models/net.onnx", **KEYS)[0] == 0
    assert ["Authorization" in asked for asked in store.asked] == [True, False]


def test_half_a_pair_of_keys_is_none(run: Run) -> None:
    code, _, error = run(uri="s3://models/net.onnx", AWS_ACCESS_KEY_ID=IDENTIFIER)
    said = "the Secret must have both AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    assert (code, error) == (3, f"BadInput: {said}\n")

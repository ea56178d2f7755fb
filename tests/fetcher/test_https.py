"""The fetcher against a real server that speaks https."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Start, Store

Run = Callable[..., tuple[int, str, str]]
OTHER = "sha256:" + "0" * 64


def _files(folder: Path) -> list[str]:
    return sorted(f.name for f in (folder / "model").iterdir())


def _fetched(folder: Path) -> bytes:
    assert _files(folder) == ["net.onnx"]
    return (folder / "model/net.onnx").read_bytes()


def test_one_request_and_the_very_file(store: Store, run: Run, tmp_path: Path) -> None:
    code, out, _ = run("--digest", store.digest)
    assert (code, len(store.asked), _fetched(tmp_path) == store.content) == (0, 1, True)
    assert "net.onnx: complete, 5000001 bytes" in out
    assert (tmp_path / "model/net.onnx").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "words").read_text() == ""


def test_what_is_there_is_not_fetched_again(store: Store, run: Run) -> None:
    run("--digest", store.digest)
    code, out, _ = run("--digest", store.digest)
    assert (code, out, len(store.asked)) == (0, "net.onnx is there already\n", 1)


def test_another_file_is_refused_with_both_digests(store: Store, run: Run, tmp_path: Path) -> None:
    code, _, error = run("--digest", OTHER)
    said = (
        f"net.onnx has the digest {store.digest}, and {OTHER} was asked for;"
        " correct the variant's digest or its uri"
    )
    assert (code, error) == (4, f"DigestMismatch: {said}\n")
    assert (tmp_path / "words").read_text() == said
    assert (_files(tmp_path), len(store.asked)) == ([], 1)


@pytest.mark.parametrize("fault", [408, 429, 500, 502, 503, 504, "cut"])
def test_passing_errors_are_tried_again(store: Store, run: Run, tmp_path: Path, fault: int | str) -> None:
    store.faults = [fault, fault]
    code, out, _ = run("--digest", store.digest)
    assert (code, len(store.asked), _fetched(tmp_path) == store.content) == (0, 3, True)
    assert out.count("next try in") == 2


def test_what_came_is_not_asked_for_again(store: Store, run: Run, tmp_path: Path) -> None:
    store.faults = ["cut"]
    assert run()[0] == 0
    assert store.asked[1]["Range"] == "bytes=2500000-"
    assert store.asked[1]["If-Range"] == '"one"'
    assert _fetched(tmp_path) == store.content


def test_the_store_says_how_long_to_wait(store: Store, run: Run) -> None:
    store.faults = [429]
    assert "the store answers 429 for net.onnx; next try in 1 s\n" in run()[1]


def test_a_length_that_nobody_says_needs_a_digest(store: Store, run: Run, tmp_path: Path) -> None:
    store.length = False
    code, _, error = run()
    assert (code, "doesn't say how long net.onnx is" in error) == (6, True)
    assert run("--digest", store.digest)[0] == 0
    assert _fetched(tmp_path) == store.content


def test_the_last_passing_error_ends_it(store: Store, run: Run) -> None:
    store.faults = [503] * 9
    code, _, error = run("--tries", "3")
    assert (code, len(store.asked)) == (7, 3)
    assert error == "Unreachable: the store answers 503 for net.onnx; given up after 3 tries\n"


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (
            401,
            "wants credentials; name their Secret in the policy's fetch.stores, or see that they are valid",
        ),
        (
            403,
            "refuses access; see that the credentials, or the signature in the uri, are valid and may"
            " read it",
        ),
        (404, "has no such file; correct the variant's uri"),
        (410, "has no such file any more; correct the variant's uri"),
        (400, "doesn't give the file; see that the variant's uri is right"),
    ],
)
def test_a_final_answer_is_not_tried_again(store: Store, run: Run, status: int, what: str) -> None:
    store.faults = [status]
    code, _, error = run()
    assert (code, len(store.asked)) == (6, 1)
    assert error == f"Refused: net.onnx: the store answers {status}: it {what}\n"


def test_a_killed_one_goes_on_where_it_was(store: Store, start: Start, run: Run, tmp_path: Path) -> None:
    store.stall = threading.Event()
    process = start("--digest", store.digest)
    part = tmp_path / "model/.net.onnx.part"
    deadline = time.monotonic() + 60
    while not (part.exists() and part.stat().st_size > 0):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.kill()
    process.wait()
    came = part.stat().st_size
    store.stall.set()
    code, out, _ = run("--digest", store.digest)
    assert (code, _fetched(tmp_path) == store.content) == (0, True)
    assert store.asked[1]["Range"] == f"bytes={came}-"
    assert f"resumed after {came} bytes" in out


@pytest.mark.parametrize(
    ("etag", "conditional", "checked"),
    [('"one"', True, False), ('"one"', False, False), ("", True, True)],
)
def test_a_file_that_changed_meanwhile_is_fetched_anew(
    store: Store, run: Run, tmp_path: Path, etag: str, conditional: bool, checked: bool
) -> None:
    store.etag, store.conditional = etag, conditional
    (tmp_path / "model").mkdir()
    (tmp_path / "model/.net.onnx.part").write_bytes(b"old" * 1000)
    (tmp_path / "model/.net.onnx.etag").write_text(etag and '"old"')
    assert run(*(["--digest", store.digest] if checked else []))[0] == 0
    assert _fetched(tmp_path) == store.content


@pytest.mark.parametrize("ranges", [True, False])
def test_without_anything_to_tell_it_by_nothing_is_resumed(
    store: Store, run: Run, tmp_path: Path, ranges: bool
) -> None:
    store.etag, store.faults, store.ranges = 'W/"weak"', ["cut"], ranges
    assert run()[0] == 0
    assert ["Range" in asked for asked in store.asked] == [False, False]
    assert _fetched(tmp_path) == store.content


def test_a_store_without_ranges_sends_all_of_it_again(store: Store, run: Run, tmp_path: Path) -> None:
    store.faults, store.ranges = ["cut"], False
    assert run()[0] == 0
    assert _fetched(tmp_path) == store.content


def test_a_token_is_sent_to_its_host_alone(store: Store, run: Run, tmp_path: Path) -> None:
    store.token = "secret"
    assert run()[0] == 6
    assert run(FETCH_TOKEN="secret\n")[0] == 0
    assert _fetched(tmp_path) == store.content
    (tmp_path / "model/net.onnx").unlink()
    store.token, store.asked = "", []
    store.faults = [store.url.replace("localhost", "127.0.0.1")]
    assert run(FETCH_TOKEN="secret")[0] == 0
    assert [asked.get("Authorization") for asked in store.asked] == ["Bearer secret", None]


def test_no_redirect_leaves_https(store: Store, run: Run) -> None:
    store.faults = [store.url.replace("https", "http")]
    code, _, error = run()
    assert (code, "redirects to http://, which is not followed" in error) == (6, True)


def test_a_certificate_of_nobody_is_refused_at_once(store: Store, run: Run) -> None:
    code, _, error = run(SSL_CERT_FILE="/dev/null")
    assert (code, store.asked) == (6, [])
    assert error == "Refused: localhost shows a certificate that nobody trusted vouches for\n"


@pytest.mark.parametrize(
    ("uri", "sentence"),
    [
        (
            "http://host/a.onnx",
            "http is not fetched; write https://host/path/file, s3://bucket/key, gs://bucket/object or"
            " hf://organisation/model/file",
        ),
        ("https://u:p@host/a.onnx", "the uri holds credentials; put them into a Secret instead"),
        (
            "https://host/a/..%2Fb",
            "the uri must end in a file's name of letters, digits and ._+=@-, and ends in '../b'",
        ),
        (
            "https://host/a/",
            "the uri must end in a file's name of letters, digits and ._+=@-, and ends in ''",
        ),
    ],
)
def test_other_uris_are_refused(run: Run, uri: str, sentence: str) -> None:
    code, _, error = run(uri=uri)
    assert (code, error) == (3, f"BadInput: {sentence}\n")


def test_a_signature_in_the_uri_is_never_said(store: Store, run: Run) -> None:
    store.faults = ["cut", 403]
    _, out, error = run(uri=f"{store.url}?signature=hush")
    assert "hush" not in out + error


def test_a_larger_file_than_was_said_is_refused(store: Store, run: Run, tmp_path: Path) -> None:
    said = (
        "net.onnx has 4.77 MiB or more, and at most 3.81 MiB are expected of it; correct the variant's size"
    )
    assert run("--most-bytes", "4000000")[::2] == (8, f"TooLarge: {said}\n")
    assert (tmp_path / "words").read_text() == said
    assert (_files(tmp_path), len(store.asked)) == ([], 1)
    assert run("--most-bytes", str(len(store.content)))[0] == 0
    assert _fetched(tmp_path) == store.content


def test_a_larger_file_is_refused_where_the_store_says_no_length(
    store: Store, run: Run, tmp_path: Path
) -> None:
    store.length = False
    code, _, error = run("--most-bytes", "4000000", "--digest", store.digest)
    assert (code, error.startswith("TooLarge: net.onnx has "), _files(tmp_path)) == (8, True, [])


def test_when_the_time_is_over_it_says_what_has_come_and_goes_on_from_there(
    store: Store, run: Run, tmp_path: Path
) -> None:
    store.stall = threading.Event()
    code, _, error = run("--timeout", "5", "--digest", store.digest)
    assert code == 9
    assert error == (
        "TimedOut: 2.00 MiB have come, and the 5 s are over that the policy's fetch.timeout gives it;"
        " it goes on from there\n"
    )
    (part,) = [f for f in (tmp_path / "model").iterdir() if f.name.endswith(".part")]
    came = part.stat().st_size
    assert came > 0
    store.stall.set()
    code, out, _ = run("--timeout", "60", "--digest", store.digest)
    assert (code, f"net.onnx: resumed after {came} bytes" in out) == (0, True)
    assert _fetched(tmp_path) == store.content


def test_an_authority_of_ones_own_is_trusted_beside_the_others(
    store: Store, run: Run, tmp_path: Path
) -> None:
    assert run(SSL_CERT_FILE="/dev/null")[0] == 6
    assert run("--trust", str(store.authority), SSL_CERT_FILE="/dev/null")[0] == 0
    assert _fetched(tmp_path) == store.content


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_what_holds_no_authority_is_named(run: Run, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "ca.crt"
    if content is not None:
        file.write_text(content)
    said = "ca.crt of the policy's fetch.trust holds no certificate that can be read"
    assert run("--trust", str(file))[::2] == (3, f"BadInput: {said}\n")


def test_a_host_that_nobody_knows(run: Run) -> None:
    code, out, error = run("--tries", "2", uri="https://nowhere.invalid/net.onnx")
    said = "nowhere.invalid: DNS knows no such host"
    assert (code, error) == (7, f"Unreachable: {said}; given up after 2 tries\n")
    assert out == f"{said}; next try in 0 s\n"


def test_a_uri_that_is_none(run: Run) -> None:
    code, _, error = run(uri="https://a[b/net.onnx")
    assert (code, error) == (3, "BadInput: the uri can't be read; write https://host/path/file\n")

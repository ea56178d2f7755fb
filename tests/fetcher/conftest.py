"""A store that speaks https, with the faults that real ones have, and the fetcher as a process."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote

import pytest

from devcluster.certificates import CertificateAuthority

from .sigv4 import is_signed

ROOT = Path(__file__).parents[2]


@dataclass
class Store:
    """What the server holds, and how it fails. Faults are used up, one a request."""

    content: bytes = b""
    files: dict[str, bytes] = field(default_factory=dict)
    """What it holds under other paths; under all that aren't here it has ``content``."""
    raw: bytes = b""
    """What it answers to everything, whatever is asked."""
    page: int = 2
    """As many files are listed at once."""
    etag: str = '"one"'
    ranges: bool = True
    conditional: bool = True
    """Whether ``If-Range`` is heeded."""
    length: bool = True
    """Whether it says how long its answer is."""
    token: str = ""
    """Wanted of whoever asks; empty: nobody is asked."""
    keys: tuple[str, str] | None = None
    """Those that requests must be signed with, as S3's are; None: nobody's are asked for."""
    faults: list[int | str] = field(default_factory=list)
    """A status (429 comes with ``Retry-After: 1``), ``cut`` (half of what was asked for), or a place to
    redirect to."""
    stall: threading.Event | None = None
    """Half of the file is sent, and then nothing until this is set."""
    asked: list[dict[str, str]] = field(default_factory=list)
    """The headers of each request."""
    paths: list[str] = field(default_factory=list)
    """What each asked for."""
    url: str = ""
    authority: Path = Path()

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"


def _handler(store: Store) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Says nothing."""

        def do_GET(self) -> None:
            store.asked.append(dict(self.headers))
            store.paths.append(self.path)
            fault = store.faults.pop(0) if store.faults else ""
            if isinstance(fault, int):
                return self._answer(fault, {"Retry-After": "1"} if fault == 429 else None)
            if "://" in fault:
                return self._answer(302, {"Location": fault})
            if store.token and self.headers.get("Authorization") != f"Bearer {store.token}":
                return self._answer(401)
            if store.keys and not is_signed(self.path, dict(self.headers), *store.keys):
                return self._refuse("SignatureDoesNotMatch")
            path, _, query = self.path.partition("?")
            listed = store.raw or _listed(store, path, query)
            if listed:
                return self._give(listed)
            content = store.files.get(unquote(path)) if store.files else store.content
            return self._answer(404) if content is None else self._send(content, cut=fault == "cut")

        def _answer(self, status: int, headers: dict[str, str] | None = None) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **(headers or {})}.items():
                self.send_header(name, value)
            self.end_headers()

        def _refuse(self, code: str) -> None:
            self._give(f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode(), 403)

        def _give(self, body: bytes, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _send(self, content: bytes, *, cut: bool) -> None:
            start, wanted = 0, self.headers.get("Range", "")
            same = not store.conditional or self.headers.get("If-Range", store.etag) == store.etag
            if wanted and store.ranges and same:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            body, total = content[start:], len(content)
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
            if store.etag:
                self.send_header("ETag", store.etag)
            self.close_connection = not store.length
            if store.length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            half = len(body) // 2
            self.wfile.write(body[:half])
            if store.stall is not None:
                store.stall.wait(60)
            if cut:
                self.close_connection = True
                return
            self.wfile.write(body[half:])

    return Handler


def _listed(store: Store, path: str, query: str) -> bytes:
    """As S3 lists what a bucket has: in pages, and folders' markers among it. Or as the hub tells of a
    revision. Nothing where neither is asked for."""
    if path.startswith("/api/models/"):
        return _commit(store)
    if "list-type=2" not in query:
        return b""
    given = parse_qs(query)
    bucket, prefix = path.strip("/"), given["prefix"][0]
    keys = sorted(p.removeprefix(f"/{bucket}/") for p in store.files if p.startswith(f"/{bucket}/{prefix}"))
    start = int(given.get("continuation-token", ["0"])[0].removeprefix("to+ken/"))
    shown, left = keys[start : start + store.page], keys[start + store.page :]
    items = "".join(
        f"<Contents><Key>{k}</Key><Size>{len(store.files[f'/{bucket}/{k}'])}</Size></Contents>" for k in shown
    )
    more = f"<NextContinuationToken>to+ken/{start + store.page}</NextContinuationToken>" if left else ""
    name = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    cut = str(bool(left)).lower()
    return (
        f"<ListBucketResult {name}><IsTruncated>{cut}</IsTruncated>{more}{items}</ListBucketResult>".encode()
    )


COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _commit(store: Store) -> bytes:
    place = f"/org/net/resolve/{COMMIT}/"
    files = [
        {"rfilename": p.removeprefix(place), "size": len(c)}
        for p, c in store.files.items()
        if p.startswith(place)
    ]
    return json.dumps({"sha": COMMIT, "siblings": files}).encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is part of the tests."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def store(authority: CertificateAuthority) -> Iterator[Store]:
    made = Store(content=os.urandom(5_000_001))
    pair = authority.serving("store", ["localhost", "127.0.0.1"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with _Server(("127.0.0.1", 0), _handler(made)) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        made.url = f"https://localhost:{server.server_port}/models/net.onnx"
        made.authority = authority.pair.certificate
        yield made
        server.shutdown()
        thread.join()


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(store: Store, tmp_path: Path) -> Iterator[Start]:
    """Starts the fetcher; its folder is ``tmp_path / "model"``, its last words ``tmp_path / "words"``."""
    (tmp_path / "words").touch()
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: str, uri: str | None = None, **variables: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "images/fetcher"),
            "SSL_CERT_FILE": str(store.authority),
            **variables,
        }
        command = [sys.executable, "-m", "stowage_fetcher", "--uri", uri or store.url, "--first-wait", "0.01"]
        command += ["--output", str(tmp_path / "model"), "--last-words", str(tmp_path / "words"), *arguments]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def run(start: Start) -> Callable[..., tuple[int, str, str]]:
    """Runs the fetcher to its end: exit code, log, error."""

    def whole(*arguments: str, uri: str | None = None, **variables: str) -> tuple[int, str, str]:
        process = start(*arguments, uri=uri, **variables)
        out, error = process.communicate(timeout=120)
        return process.returncode, out, error

    return whole

"""One file by https, wherever it is: tried again where that helps, and resumed where it stopped."""

from __future__ import annotations

import random
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, MaxRetryError, NameResolutionError, SSLError

from stowage_fetcher.errors import (
    BadInput,
    DigestMismatch,
    FetchError,
    Refused,
    TooLarge,
    Unreachable,
)
from stowage_fetcher.partial import Partial, digest_of, in_words
from stowage_fetcher.progress import Progress
from stowage_fetcher.sources import Source

T = TypeVar("T")

MOST_ANSWER = 64 * 1024**2
MOST_REDIRECTS = 5
CHUNK = 1 << 20
LONGEST_WAIT = 60.0
"""Seconds between two tries at most, whatever the store asks for."""
CODE = re.compile(rb"<Code>([A-Za-z]{1,40})</Code>")
ERROR_LENGTH = 4096
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
SENTENCES = {
    301: "has it elsewhere; name the store's region or endpoint in the policy's fetch.stores",
    401: "wants credentials; name their Secret in the policy's fetch.stores, or see that they are valid",
    403: "refuses access; see that the credentials, or the signature in the uri, are valid and may read it",
    404: "has no such file; correct the variant's uri",
    410: "has no such file any more; correct the variant's uri",
}


@dataclass(frozen=True, slots=True)
class Order:
    """One file that is to be fetched."""

    source: Source
    folder: Path
    digest: str | None = None
    most: int | None = None
    """Bytes that it may have at most."""


class TimeOver(Exception):
    """Raised from outside, by a signal."""


class _Passing(Exception):
    """A try that failed; the next one may not."""

    def __init__(self, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.wait = wait


class Web:
    """Fetches, as patiently as it is told to."""

    def __init__(
        self,
        say: Callable[[str], None],
        tries: int = 8,
        first_wait: float = 1.0,
        trust: Path | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Args:
        tries: in a row without a byte that came.
        first_wait: seconds before the second try; doubled with each further one.
        trust: certificate authorities beside the system's.
        """
        timeout = urllib3.Timeout(connect=30, read=60)
        self._pool = urllib3.PoolManager(retries=False, timeout=timeout, ssl_context=_trusted(trust))
        self._say, self._sleep = say, sleep
        self._tries, self._first_wait = tries, first_wait

    def fetch(self, order: Order) -> None:
        """Fetches a file, or sees that it is there already.

        Raises:
            FetchError: it can't be had; the kinds say why.
        """
        partial = Partial(order.folder, order.source.name)
        if partial.target.exists():
            if order.digest is None or digest_of(partial.target) == order.digest:
                self._say(f"{partial.target.name} is there already")
                return
            partial.target.unlink()
        self._patiently(lambda: _try(self._pool, order, partial, self._say), lambda: partial.size)

    def ask(self, source: Source) -> bytes:
        """A small answer, whole.

        Raises:
            FetchError: there is none; the kinds say why.
        """
        return self._patiently(lambda: _ask(self._pool, source), lambda: 0)

    def _patiently(self, attempt: Callable[[], T], size: Callable[[], int]) -> T:
        failures = 0
        while True:
            before = size()
            try:
                return attempt()
            except _Passing as error:
                failures = 1 if size() > before else failures + 1
                if failures >= self._tries:
                    raise Unreachable(f"{error}; given up after {failures} tries") from error
                wait = max(error.wait, self._first_wait * 2 ** (failures - 1) * random.uniform(0.8, 1.2))
                wait = min(wait, LONGEST_WAIT)
                self._say(f"{error}; next try in {wait:.0f} s")
                self._sleep(wait)


def _trusted(extra: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if extra is not None:
        try:
            context.load_verify_locations(extra)
        except (OSError, ssl.SSLError) as error:
            raise BadInput(
                f"{extra.name} of the policy's fetch.trust holds no certificate that can be read"
            ) from error
    return context


def _try(pool: urllib3.PoolManager, order: Order, partial: Partial, say: Callable[[str], None]) -> None:
    """One try.

    Raises:
        FetchError: trying again doesn't help.
        _Passing: it may.
    """
    resumed = partial.size
    if resumed and not partial.etag and order.digest is None:
        resumed = 0  # nothing would tell whether the rest belongs to it
    with _errors(order.source):
        response = _open(pool, order.source, resumed, partial.etag)
        try:
            _take(response, partial, resumed, order, say)
        finally:
            response.close()


def _ask(pool: urllib3.PoolManager, source: Source) -> bytes:
    """One try to get a small answer. Raises as ``_try`` does."""
    with _errors(source):
        response = _open(pool, source, 0, "")
        try:
            if response.status != HTTPStatus.OK:
                raise _refusal(response, source.name)
            answer = response.read(MOST_ANSWER + 1, decode_content=False)
        finally:
            response.close()
    if len(answer) > MOST_ANSWER:
        raise Refused(f"{source.name} is longer than anybody can want; see that the uri is right")
    return answer


@contextmanager
def _errors(source: Source) -> Iterator[None]:
    """What urllib3 raises, in our terms."""
    host = urlsplit(source.url).hostname
    try:
        yield
    except (SSLError, MaxRetryError) as error:
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            raise Refused(f"{host} shows a certificate that nobody trusted vouches for") from error
        raise _Passing(f"{host}: {_short(error)}") from error
    except HTTPError as error:
        raise _Passing(f"{host}: {_short(error)}") from error


def _open(pool: urllib3.PoolManager, source: Source, resumed: int, etag: str) -> urllib3.BaseHTTPResponse:
    """The answer to a GET, redirects followed: to https alone, and credentials to the first host alone."""
    uri, origin = source.url, urlsplit(source.url).netloc
    headers = {"Accept-Encoding": "identity", "User-Agent": "stowage-fetcher"}
    if resumed:
        headers["Range"] = f"bytes={resumed}-"
        if etag:
            headers["If-Range"] = etag
    for _ in range(MOST_REDIRECTS + 1):
        own = source.headers() if urlsplit(uri).netloc == origin else {}
        response = pool.request("GET", uri, headers={**headers, **own}, preload_content=False, redirect=False)
        location = response.get_redirect_location()
        if not location:
            return response
        response.close()
        uri = urljoin(uri, location)
        if urlsplit(uri).scheme != "https":
            raise Refused(f"{origin} redirects to {urlsplit(uri).scheme}://, which is not followed")
    raise Refused(f"{origin} redirects more than {MOST_REDIRECTS} times")


def _take(
    response: urllib3.BaseHTTPResponse,
    partial: Partial,
    resumed: int,
    order: Order,
    say: Callable[[str], None],
) -> None:
    if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and resumed:
        partial.begin("")
        raise _Passing(f"{partial.target.name} is no longer what it was; it is fetched anew")
    if response.status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        raise _refusal(response, partial.target.name)
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused(f"the store sends {partial.target.name} compressed, though that was not asked for")
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        same = not partial.etag or response.headers.get("ETag", partial.etag) == partial.etag
        if not same or not response.headers.get("Content-Range", "").startswith(f"bytes {resumed}-"):
            partial.begin("")
            raise _Passing(f"the store sent another part of {partial.target.name} than was asked for")
        say(f"{partial.target.name}: resumed after {resumed} bytes")
    else:
        resumed = 0
        partial.begin(response.headers.get("ETag", ""))
    length = response.headers.get("Content-Length", "")
    missing = int(length) if length.isdecimal() else None
    if missing is None and order.digest is None and "Transfer-Encoding" not in response.headers:
        raise Refused(
            f"the store doesn't say how long {partial.target.name} is, so that nothing would tell whether"
            " all of it came; write the variant's digest"
        )
    if missing is not None:
        _may_be(order.most, resumed + missing, partial)
        partial.need(missing)
    progress = Progress(partial.target.name, resumed, None if missing is None else resumed + missing, say)
    for count in partial.append(response.stream(CHUNK, decode_content=False)):
        progress.more(count)
        _may_be(order.most, progress.now, partial)
    try:
        partial.finish(order.digest)
    except DigestMismatch as error:
        if not resumed:
            raise
        raise _Passing(f"{partial.target.name} changed while it was fetched; it is fetched anew") from error
    progress.done()


def _may_be(most: int | None, size: int, partial: Partial) -> None:
    if most is None or size <= most:
        return
    partial.discard()
    raise TooLarge(
        f"{partial.target.name} has {in_words(size)} or more, and at most {in_words(most)} are expected of"
        " it; correct the variant's size"
    )


def _refusal(response: urllib3.BaseHTTPResponse, name: str) -> FetchError | _Passing:
    if response.status in PASSING:
        after = response.headers.get("Retry-After", "")
        return _Passing(
            f"the store answers {response.status} for {name}", float(after) if after.isdecimal() else 0.0
        )
    what = SENTENCES.get(response.status, "doesn't give the file; see that the variant's uri is right")
    return Refused(f"{name}: the store answers {response.status}{_code(response)}: it {what}")


def _code(response: urllib3.BaseHTTPResponse) -> str:
    """What S3 and its like name the error."""
    try:
        found = CODE.search(response.read(ERROR_LENGTH))
    except HTTPError:
        return ""
    return f" {found[1].decode()}" if found else ""


def _short(error: Exception) -> str:
    """What urllib3 says, without the uri, which may hold a signature."""
    cause = getattr(error, "reason", None) or error.__cause__ or error
    if isinstance(error, NameResolutionError) or isinstance(cause, NameResolutionError | socket.gaierror):
        return "DNS knows no such host"
    return f"{type(cause).__name__}"

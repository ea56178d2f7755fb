"""Models of several files: what a bucket has under a prefix, and a hub in a revision."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

from stowage_fetcher.errors import BadInput, Refused
from stowage_fetcher.sources import (
    BUCKET,
    HUB,
    NAME,
    Access,
    Source,
    bucket_url,
    credentials,
    endpoint,
    hub_url,
)

MOST_FILES = 10_000
Ask = Callable[[Source], bytes]
"""Gets a small answer."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the model."""

    path: str
    """Within the model."""
    size: int
    source: Source


def is_folder(uri: str) -> bool:
    """Whether a uri is of several files: a prefix that ends with a slash, or a hub's whole model."""
    scheme, _, rest = uri.partition("://")
    return (scheme in ("s3", "gs") and rest.endswith("/")) or (scheme == "hf" and rest.count("/") == 1)


def entries_of(uri: str, access: Access, ask: Ask) -> list[Entry]:
    """The files of a model, by path.

    Raises:
        FetchError: there are none, or they can't be what is meant.
    """
    scheme, _, rest = uri.partition("://")
    listed = _hub(rest, access, ask) if scheme == "hf" else _bucket(scheme, rest, access, ask)
    found: dict[str, Entry] = {}
    for entry in listed:
        parts = entry.path.split("/")
        if any(part.startswith(".") for part in parts) and not {".", ".."} & set(parts):
            continue  # what is hidden is for tools, such as .gitattributes
        if not all(NAME.fullmatch(part) for part in parts):
            raise Refused(
                f"the store has a file {entry.path!r}, whose name isn't of letters, digits and ._+=@-;"
                " rename it, or name one that holds only the model"
            )
        found[entry.path] = entry
        if len(found) > MOST_FILES:
            raise Refused(f"the store has more than {MOST_FILES} files there; name the model's own folder")
    if not found:
        raise Refused("the store has no files there; correct the variant's uri")
    return [found[path] for path in sorted(found)]


def _bucket(scheme: str, rest: str, access: Access, ask: Ask) -> Iterator[Entry]:
    bucket, _, prefix = rest.partition("/")
    if not BUCKET.fullmatch(bucket):
        raise BadInput(f"the uri must be {scheme}://bucket/prefix/; {bucket!r} is no name of a bucket")
    base, more = bucket_url(scheme, bucket, access), ""
    while True:
        # In the order that a signature wants.
        query = f"{more}list-type=2&prefix={quote(prefix, safe='')}"
        url = f"{base}/?{query}"
        page = _page(ask(Source(url, "the list of its files", credentials(scheme, url, access))))
        for item in page.iter("Contents"):
            key, size = item.findtext("Key", ""), item.findtext("Size", "")
            if key.startswith(prefix) and not key.endswith("/") and size.isdecimal():
                file = f"{base}/{quote(key)}"
                source = Source(file, key.rpartition("/")[2], credentials(scheme, file, access))
                yield Entry(key.removeprefix(prefix), int(size), source)
        following = page.findtext("NextContinuationToken")
        if page.findtext("IsTruncated") != "true" or not following:
            return
        more = f"continuation-token={quote(following, safe='')}&"


def _page(answer: bytes) -> ElementTree.Element:
    try:
        page = ElementTree.fromstring(answer)
    except ElementTree.ParseError as error:
        raise Refused(
            "the store doesn't list its files as S3 does; see that the endpoint is right"
        ) from error
    for element in page.iter():
        element.tag = element.tag.rpartition("}")[2]
    return page


def _hub(rest: str, access: Access, ask: Ask) -> Iterator[Entry]:
    """All files of one commit, whatever is pushed meanwhile."""
    name, _, revision = rest.partition("@")
    where = f"{endpoint(access, HUB)}/api/models/{quote(name)}/revision/{quote(revision or 'main', safe='')}"
    headers = credentials("hf", where, access)
    try:
        found: dict[str, Any] = json.loads(
            ask(Source(f"{where}?blobs=true", "the list of its files", headers))
        )
        commit, files = str(found["sha"]), [(f["rfilename"], int(f["size"])) for f in found["siblings"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(
            "the store doesn't list its files as the hub does; see that the endpoint is right"
        ) from error
    if not re.fullmatch(r"[0-9a-f]{7,64}", commit):
        raise Refused("the hub names no commit; see that the endpoint is right")
    for path, size in files:
        url = hub_url(name, commit, path, access)
        yield Entry(path, size, Source(url, path.rpartition("/")[2], credentials("hf", url, access)))

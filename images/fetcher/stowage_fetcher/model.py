"""A whole model: one file, or all of a folder."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stowage_fetcher.errors import DigestMismatch, Refused, TimedOut, TooLarge
from stowage_fetcher.folders import Entry, entries_of, is_folder
from stowage_fetcher.https import Order, TimeOver, Web
from stowage_fetcher.partial import Partial, digest_of, in_words
from stowage_fetcher.sources import Access, source_of

REPORT_NAME = "stowage-build.json"
"""The builder's report. It is no part of a digest, since it holds it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be fetched, and to where."""

    uri: str
    access: Access
    folder: Path
    digest: str | None = None
    most: int | None = None
    """Bytes that it may have at most."""


def bring(wanted: Wanted, web: Web, say: Callable[[str], None]) -> None:
    """Fetches the model, or sees that it is there already.

    Raises:
        FetchError: it can't be had; the kinds say why.
    """
    began = time.monotonic()
    try:
        if is_folder(wanted.uri):
            _folder(wanted, web, say)
        else:
            source = source_of(wanted.uri, wanted.access)
            wanted.folder.mkdir(parents=True, exist_ok=True)
            web.fetch(Order(source, wanted.folder, wanted.digest, wanted.most))
    except TimeOver:
        raise TimedOut(
            f"{in_words(_size(wanted.folder))} have come, and the {time.monotonic() - began:.0f} s are over"
            " that the policy's fetch.timeout gives it; it goes on from there"
        ) from None


def _folder(wanted: Wanted, web: Web, say: Callable[[str], None]) -> None:
    entries = entries_of(wanted.uri, wanted.access, web.ask)
    total = sum(entry.size for entry in entries)
    if wanted.most is not None and total > wanted.most:
        raise TooLarge(
            f"the model has {in_words(total)} in {len(entries)} files, and at most {in_words(wanted.most)}"
            " are expected of it; correct the variant's size"
        )
    wanted.folder.mkdir(parents=True, exist_ok=True)
    _clear(wanted.folder, entries)
    say(f"{len(entries)} files, {in_words(total)}")
    Partial(wanted.folder, "the model").need(max(0, total - _size(wanted.folder)))
    for entry in entries:
        place = wanted.folder / entry.path
        if place.exists():
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        web.fetch(Order(entry.source, place.parent, None, entry.size))
        if place.stat().st_size != entry.size:
            raise Refused(f"{entry.path} changed while the model was fetched; it is fetched anew")
    if wanted.digest is not None and (found := _digest(wanted.folder, entries)) != wanted.digest:
        shutil.rmtree(wanted.folder, ignore_errors=True)  # what is mounted stays, empty
        raise DigestMismatch(
            f"the model's files have the digest {found}, and {wanted.digest} was asked for;"
            " correct the variant's digest or its uri"
        )


def _clear(folder: Path, entries: list[Entry]) -> None:
    """Of an earlier run's files those that the store doesn't have any more, or not in that size."""
    sizes = {entry.path: entry.size for entry in entries}
    for file in [f for f in folder.rglob("*") if f.is_file() and not f.name.startswith(".")]:
        if sizes.get(file.relative_to(folder).as_posix()) != file.stat().st_size:
            file.unlink()


def _digest(folder: Path, entries: list[Entry]) -> str:
    """That of the lines ``<sha256>  <name>``, as the builder of variants and the servers compute it."""
    paths = [entry.path for entry in entries if entry.path.rpartition("/")[2] != REPORT_NAME]
    lines = "".join(f"{digest_of(folder / path).removeprefix('sha256:')}  {path}\n" for path in sorted(paths))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())

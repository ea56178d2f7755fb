"""A file on its way: what has come so far stays over a restart, under a name of its own."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stowage_fetcher.errors import DigestMismatch, NoRoom

GIB = 1024**3


class Partial:
    """The file that is to become ``folder/name``. Beside it stands the ETag of what it is a part of."""

    def __init__(self, folder: Path, name: str) -> None:
        self.target = folder / name
        self._part = folder / f".{name}.part"
        self._etag = folder / f".{name}.etag"

    @property
    def size(self) -> int:
        """Bytes that have come so far."""
        return self._part.stat().st_size if self._part.exists() else 0

    @property
    def etag(self) -> str:
        """Of what they are a part of; empty where the store named none that can be relied on."""
        return self._etag.read_text() if self._etag.exists() else ""

    def begin(self, etag: str) -> None:
        """Starts anew. A weak ETag doesn't promise equal bytes, and isn't kept (RFC 9110, section 8.8.1)."""
        with _room(self.target.parent):
            self._part.write_bytes(b"")
            self._etag.write_text("" if etag.startswith("W/") else etag)

    def need(self, missing: int) -> None:
        """Checks that so many bytes more have room.

        Raises:
            NoRoom: they have not.
        """
        free = shutil.disk_usage(self.target.parent).free
        if missing > free:
            raise NoRoom(
                f"{self.target.name} needs {missing / GIB:.2f} GiB more, and the disk under"
                f" {self.target.parent} has {free / GIB:.2f} GiB free; use a node with more local disk,"
                " or a volume"
            )

    def discard(self) -> None:
        """Removes what has come so far."""
        self._part.unlink(missing_ok=True)
        self._etag.unlink(missing_ok=True)

    def append(self, chunks: Iterable[bytes]) -> Iterator[int]:
        """Writes what comes; yields the length of each chunk.

        Raises:
            NoRoom: the disk is full.
        """
        with self._part.open("ab") as stream:
            for chunk in chunks:
                with _room(self.target.parent):
                    stream.write(chunk)
                yield len(chunk)
            with _room(self.target.parent):
                stream.flush()
                os.fsync(stream.fileno())

    def finish(self, digest: str | None) -> None:
        """Gives the file its name, once its digest is right.

        Raises:
            DigestMismatch: it is another file; nothing of it is kept.
        """
        if digest is not None and (found := digest_of(self._part)) != digest:
            self.discard()
            raise DigestMismatch(
                f"{self.target.name} has the digest {found}, and {digest} was asked for;"
                " correct the variant's digest or its uri"
            )
        self._part.chmod(0o644)  # the server is another user
        self._part.rename(self.target)
        self._etag.unlink(missing_ok=True)


def in_words(count: int) -> str:
    """Bytes, as people say them."""
    return f"{count / GIB:.2f} GiB" if count >= GIB // 10 else f"{count / 1024**2:.2f} MiB"


def digest_of(file: Path) -> str:
    """``sha256:...`` of its content, as the builder of variants and the servers compute it of one file."""
    with file.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


@contextmanager
def _room(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoRoom(
            f"the disk under {folder} is full; use a node with more local disk, or a volume"
        ) from error

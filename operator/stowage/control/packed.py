"""The JSON of an object, kept small.

A Deployment is 8 KB of JSON, 30 KB as dictionaries, and 2 KB packed; it is unpacked seldom, since what was
found to agree is recognised by its digest.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from hashlib import blake2b
from weakref import WeakValueDictionary

import orjson

from stowage.cluster.ports import Body

LEVEL = 1
"""Of zlib's: higher ones take longer for little."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Packed:
    """Equal to another one of the same content."""

    digest: bytes
    """16 bytes that stand for the content."""
    _content: bytes = field(compare=False, repr=False)

    @staticmethod
    def of(body: Body) -> Packed:
        """Packs an object; the same again, where its content is known already, as most changes are of what
        isn't packed."""
        text = orjson.dumps(body)
        digest = blake2b(text, digest_size=16).digest()
        found = _known.get(digest)
        if found is None:
            found = _known[digest] = Packed(digest, zlib.compress(text, LEVEL))
        return found

    @property
    def body(self) -> Body:
        """The object, made anew."""
        found: Body = orjson.loads(zlib.decompress(self._content))
        return found


_known: WeakValueDictionary[bytes, Packed] = WeakValueDictionary()

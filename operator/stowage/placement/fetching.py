"""Variants that are fetched into their pods before the server starts, since no server fetches them itself."""

from __future__ import annotations

import re
from urllib.parse import unquote

from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.placement_policy import ModelStore, PlacementPolicy
from stowage.api.variant import Variant
from stowage.placement.requests import MEBIBYTE, STORAGE_FACTOR, whole_mebibytes

FETCHED = frozenset({"https", "s3", "gs", "hf"})
"""Schemes that the fetcher knows."""
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@-]{0,200}")
"""Names that it gives a file, the last part of its uri: none leads out of the folder or hides in it."""
BESIDE = 4 * MEBIBYTE
"""For what stands beside the model in its volume: folders, and the mark of what has come so far."""


def is_fetched(variant: Variant, runtime: InferenceRuntime) -> bool:
    """Whether the fetcher brings the variant to the runtime's pods."""
    scheme = variant.location.partition("://")[0]
    return scheme in FETCHED and scheme not in runtime.spec.loads


def is_folder(variant: Variant) -> bool:
    """Whether the uri is of several files: a prefix of a bucket, or a hub's whole model."""
    scheme, _, rest = variant.location.partition("://")
    return (scheme in ("s3", "gs") and rest.endswith("/")) or (scheme == "hf" and rest.count("/") == 1)


def file_of(variant: Variant) -> str:
    """The name that the file gets; it may be one that the fetcher refuses. Empty for a folder."""
    if is_folder(variant):
        return ""
    scheme, _, rest = variant.location.partition("://")
    if scheme != "https":
        return rest.rpartition("/")[2]
    path = re.split("[?#]", rest, maxsplit=1)[0].partition("/")[2]
    return unquote(path.rpartition("/")[2])


def store_of(variant: Variant, policy: PlacementPolicy) -> ModelStore | None:
    """The policy's store that the variant is in: of those whose uri it begins with, the longest."""
    found = [s for s in policy.spec.fetch.stores if variant.location.startswith(s.uri)]
    return max(found, key=lambda s: len(s.uri), default=None)


def largest_file(variant: Variant) -> int:
    """Bytes that the model may have at most: what it is said to have, and a tenth."""
    return int(variant.stored_bytes * STORAGE_FACTOR)


def volume_size(variant: Variant) -> int:
    """Bytes of the volume that it is fetched into."""
    return whole_mebibytes(largest_file(variant)) + BESIDE


def why_unfetched(variant: Variant, runtime: InferenceRuntime, policy: PlacementPolicy) -> str | None:
    """Why the fetcher can't bring the variant to the runtime; None where it can."""
    scheme = variant.location.partition("://")[0]
    if scheme not in FETCHED:
        return f"{runtime.name} doesn't fetch {scheme}:// itself; store the variant as pvc:// or oci://"
    if not is_folder(variant) and (why := _no_file(variant, runtime, scheme)) is not None:
        return why
    if variant.credentials is not None:
        return (
            f"credentials of {variant.name} are for servers that fetch by themselves; leave them out: the"
            f" Secret of a store is named by policy {policy.name} (fetch.stores)"
        )
    if policy.spec.fetch.other_stores == "Never" and store_of(variant, policy) is None:
        return f"policy {policy.name} lets models be fetched from the stores of its fetch.stores only"
    return None


def _no_file(variant: Variant, runtime: InferenceRuntime, scheme: str) -> str | None:
    """Why the uri is of no file that the runtime could take."""
    if variant.format not in runtime.spec.file_formats:
        folder = {"hf": "organisation/model", "https": ""}.get(scheme, "bucket/folder/")
        what = f"write {scheme}://{folder}" if folder else "store the variant as pvc:// or oci://"
        loads = f"{runtime.name} loads a folder of {variant.format}"
        return f"{loads}, and {scheme}:// with this path is one file; {what}"
    name = file_of(variant)
    if not FILE_NAME.fullmatch(name):
        return (
            f"the uri of {variant.name} ends in {name!r}; it must end in a file's name of letters, digits"
            " and ._+=@-"
        )
    return None

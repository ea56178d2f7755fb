"""Where a uri's file is on the web, and what a request for it must carry."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from stowage_fetcher.errors import BadInput
from stowage_fetcher.signing import Keys, signed

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+=@-]{0,200}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,221}")
SCHEMES = "https://host/path/file, s3://bucket/key, gs://bucket/object or hf://organisation/model/file"
GOOGLE = "https://storage.googleapis.com"
HUB = "https://huggingface.co"

Headers = Callable[[], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Source:
    """One file."""

    url: str
    name: str
    """What it is called where it is put."""
    headers: Headers
    """The credentials, made anew for each request; for the url's own host alone."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a store is reached."""

    endpoint: str | None = None
    """Its address, where that isn't the public one."""
    region: str = "us-east-1"
    token: str | None = None
    keys: Keys | None = None


def source_of(uri: str, access: Access) -> Source:
    """The file of a uri.

    Raises:
        BadInput: there can be none.
    """
    scheme, _, rest = uri.partition("://")
    if access.endpoint is not None and not access.endpoint.startswith("https://"):
        raise BadInput("the store's endpoint must begin with https://")
    if scheme == "https":
        return _https(uri, access)
    if scheme not in ("s3", "gs", "hf"):
        raise BadInput(f"{scheme if rest else 'a uri without a scheme'} is not fetched; write {SCHEMES}")
    parts = rest.split("/")
    name = _checked(parts, parts[-1])
    if scheme == "hf":
        return Source(_hub(parts, access), name, credentials(scheme, uri, access))
    bucket, key = parts[0], "/".join(parts[1:])
    if not BUCKET.fullmatch(bucket) or not key:
        raise BadInput(f"the uri must be {scheme}://bucket/key; {bucket!r} is no name of a bucket")
    url = f"{bucket_url(scheme, bucket, access)}/{quote(key)}"
    return Source(url, name, credentials(scheme, url, access))


def _https(uri: str, access: Access) -> Source:
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise BadInput("the uri can't be read; write https://host/path/file") from error
    if not parts.hostname:
        raise BadInput("the uri names no host; write https://host/path/file")
    if parts.username is not None:
        raise BadInput("the uri holds credentials; put them into a Secret instead")
    path = parts.path.split("/")
    name = _checked([unquote(part) for part in path], unquote(path[-1]))
    return Source(uri, name, credentials("https", uri, access))


def _checked(parts: list[str], name: str) -> str:
    """No part leads to another folder than is written: what a policy says of a folder would be got round.
    And no name may lead out of the folder or hide in it."""
    if not NAME.fullmatch(name):
        raise BadInput(
            f"the uri must end in a file's name of letters, digits and ._+=@-, and ends in {name!r}"
        )
    if {".", ".."} & set(parts):
        raise BadInput("the uri holds a part that is . or ..; write the path without")
    return name


def bucket_url(scheme: str, bucket: str, access: Access) -> str:
    """Where a bucket is, without a slash at the end: by its own host at Amazon; by path elsewhere, and where
    no certificate covers that host."""
    if scheme == "gs" or access.endpoint is not None:
        return f"{endpoint(access, GOOGLE)}/{bucket}"
    host = f"s3.{access.region}.amazonaws.com"
    return f"https://{host}/{bucket}" if "." in bucket else f"https://{bucket}.{host}"


def _hub(parts: list[str], access: Access) -> str:
    """A revision stands behind an @; without one it is the newest."""
    if len(parts) < len(("organisation", "model", "file")):
        raise BadInput("the uri names no file; write hf://organisation/model/file")
    organisation, model, *path = parts
    model, _, revision = model.partition("@")
    return hub_url(f"{organisation}/{model}", revision or "main", "/".join(path), access)


def hub_url(model: str, revision: str, path: str, access: Access) -> str:
    """Where a file of a hub is."""
    return f"{endpoint(access, HUB)}/{quote(f'{model}/resolve/{revision}/{path}')}"


def endpoint(access: Access, default: str) -> str:
    """A store's address, without a slash at the end."""
    return (access.endpoint or default).rstrip("/")


def credentials(scheme: str, url: str, access: Access) -> Headers:
    """What makes requests for the url those of who may."""
    if scheme == "s3":
        return lambda: signed(url, access.keys, access.region) if access.keys else {}
    found = {"Authorization": f"Bearer {access.token}"} if access.token else {}
    return lambda: found

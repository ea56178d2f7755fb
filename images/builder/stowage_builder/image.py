"""A result as an OCI image that container runtimes mount: an index, whose images for each architecture
share one layer with the files at its root. The same files and report make the same bytes and digest."""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stowage_builder.errors import StoreFailed
from stowage_builder.files import REPORT_NAME

ANNOTATION = "dev.stowage.build"
"""Of the index: the report of the build, as JSON."""
ARCHITECTURES = ("amd64", "arm64")
"""Of nodes. A runtime doesn't unpack an image of another one than its own, whatever is in it."""
_TYPE = "application/vnd.oci.image."
INDEX, MANIFEST, CONFIG, LAYER = (
    f"{_TYPE}{kind}" for kind in ("index.v1+json", "manifest.v1+json", "config.v1+json", "layer.v1.tar")
)
FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,200}")
"""Names of a result's files: none leads out of the folder or hides in it."""

Object = dict[str, Any]


def write_layout(files: list[Path], report: Mapping[str, Any], layout: Path) -> str:
    """Writes the image of these files as an OCI layout, and returns the digest of its index.

    The report is among them, as on a claim: servers know by it that the digest is that of the folder. Weights
    hardly get smaller by compression, and a compressor's next version would make other bytes.

    Raises:
        StoreFailed: one is no plain file, or has a name that a result never has.
    """
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    said = json.dumps(report, sort_keys=True, separators=(",", ":"))
    layer = _layer(files, said.encode(), blobs)
    images = [_image(architecture, layer, blobs) for architecture in ARCHITECTURES]
    index = _put({**_head(INDEX), "manifests": images, "annotations": {ANNOTATION: said}}, INDEX, blobs)
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    (layout / "index.json").write_text(json.dumps({**_head(INDEX), "manifests": [index]}))
    return str(index["digest"])


def report_of(index: bytes) -> Object | None:
    """The report of the build that an image is of; None where it is of none."""
    try:
        report = json.loads(json.loads(index)["annotations"][ANNOTATION])
    except (ValueError, KeyError, TypeError):
        return None
    return report if isinstance(report, dict) else None


def unpack(fetched: Path, folder: Path) -> None:
    """Unpacks the one layer of an image that skopeo fetched (``dir:``) into a folder.

    Raises:
        StoreFailed: it is no image of a result.
    """
    try:
        (layer,) = json.loads((fetched / "manifest.json").read_text())["layers"]
        with tarfile.open(fetched / str(layer["digest"]).removeprefix("sha256:"), "r:") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is None or not FILE_NAME.fullmatch(member.name):
                    raise StoreFailed(f"the image holds {member.name!r}, which no result has; remove it")
                with content, (folder / member.name).open("xb") as file:
                    shutil.copyfileobj(content, file)
    except (ValueError, KeyError, TypeError, tarfile.TarError) as error:
        raise StoreFailed(f"the image holds no result of a build; remove it ({error})") from error


def digest_of_bytes(content: bytes) -> str:
    """``sha256:...``, by which registries know contents."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _layer(files: list[Path], report: bytes, blobs: Path) -> Object:
    draft = blobs / "draft"
    with tarfile.open(draft, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(files, key=lambda file: file.name):
            _add(tar, path)
        tar.addfile(_member(REPORT_NAME, len(report)), io.BytesIO(report))
    with draft.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    size = draft.stat().st_size
    draft.rename(blobs / digest)
    return {"mediaType": LAYER, "digest": f"sha256:{digest}", "size": size}


def _add(tar: tarfile.TarFile, path: Path) -> None:
    """Adds a file.

    A script that measured the quality may have put anything there: what a link leads to is not looked at.
    """
    if path.is_symlink() or not path.is_file() or not FILE_NAME.fullmatch(path.name):
        raise StoreFailed(f"the result holds {path.name!r}, which is no file that a build makes")
    with path.open("rb") as stream:
        tar.addfile(_member(path.name, path.stat().st_size), stream)


def _member(name: str, size: int) -> tarfile.TarInfo:
    """As everybody may read it, of no time and nobody."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member


def _image(architecture: str, layer: Object, blobs: Path) -> Object:
    platform = {"architecture": architecture, "os": "linux"}
    rootfs = {"type": "layers", "diff_ids": [layer["digest"]]}
    config = _put({**platform, "config": {}, "rootfs": rootfs}, CONFIG, blobs)
    return {
        **_put({**_head(MANIFEST), "config": config, "layers": [layer]}, MANIFEST, blobs),
        "platform": platform,
    }


def _head(media_type: str) -> Object:
    return {"schemaVersion": 2, "mediaType": media_type}


def _put(content: Object, media_type: str, blobs: Path) -> Object:
    data = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    digest = digest_of_bytes(data)
    (blobs / digest.removeprefix("sha256:")).write_bytes(data)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}

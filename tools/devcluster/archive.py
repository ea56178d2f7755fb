"""Makes an image of one static program, as ``docker save`` would write it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

from devcluster.binaries import TOOLS, Pins, ensure_binaries, find_go

PAUSE_IMAGE = "stowage/pause:1"
PAUSE_USER = "65535:65535"


def write_pause_archive(archive: Path) -> None:
    """Write the image of the container that holds a pod's namespaces. Builds its program when needed."""
    module = TOOLS / "pause"
    architecture = find_go(Pins.read(module).go, module).architecture
    write_archive(archive, PAUSE_IMAGE, ensure_binaries("pause") / "pause", PAUSE_USER, architecture)


def write_archive(archive: Path, image: str, program: Path, user: str, architecture: str = "amd64") -> None:
    """Write a docker-archive of an image whose one layer is `program`, and which runs it as `user`."""
    layer = _tar({program.name: (program.read_bytes(), 0o755)})
    digest = hashlib.sha256(layer).hexdigest()
    configuration = {
        "architecture": architecture,
        "os": "linux",
        "config": {"Entrypoint": [f"/{program.name}"], "User": user},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    content = json.dumps(configuration).encode()
    name = f"{hashlib.sha256(content).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [image], "Layers": ["layer.tar"]}]
    files = {name: content, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}
    archive.write_bytes(_tar({path: (data, 0o644) for path, data in files.items()}))


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, (data, mode) in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()

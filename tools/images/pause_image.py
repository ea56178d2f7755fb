"""The image of a pod's first container: one static program, written as an archive without any builder."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

from devcluster.binaries import BUILD_ENVIRONMENT, BUILD_FLAGS, GoTool, find_go
from devcluster.children import run
from devcluster.errors import BuildError
from images.recipes import digest_of, reference

MODULE = Path(__file__).with_name("pause")
USER = "65535:65535"
GO = (1, 26)
"""As in the module's go.mod."""


def pause_key() -> str:
    """A hash of all that the image depends on. Raises ToolError where Go is missing or too old."""
    sources = [(file.name, file.read_bytes()) for file in sorted(MODULE.iterdir())]
    return digest_of([*sources, ("go", repr(_go()).encode()), ("reference", reference("pause").encode())])


def write_pause(draft: Path) -> Path:
    """Build the program and write its archive in `draft`."""
    program = draft / "pause"
    command = ["go", "build", *BUILD_FLAGS, "-ldflags", "-s -w", "-o", str(program), "."]
    answer = run(command, environment={**os.environ, **BUILD_ENVIRONMENT}, folder=MODULE)
    if answer.returncode != 0:
        raise BuildError("pause", answer.stderr.splitlines())
    archive = draft / "pause.tar"
    archive.write_bytes(docker_archive(program.read_bytes(), _go().architecture, reference("pause")))
    return archive


def docker_archive(program: bytes, architecture: str, name: str) -> bytes:
    """An archive as ``docker save`` writes it, of an image that holds and runs /pause.

    The same arguments give the same bytes. Source: the Docker image specification v1.2.
    """
    layer = _tar({"pause": program}, mode=0o755)
    config = {
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"User": USER, "Entrypoint": ["/pause"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "stowage tools/images"}],
    }
    content = json.dumps(config, sort_keys=True).encode()
    file = f"{hashlib.sha256(content).hexdigest()}.json"
    manifest = [{"Config": file, "RepoTags": [name], "Layers": ["layer.tar"]}]
    return _tar(
        {file: content, "layer.tar": layer, "manifest.json": json.dumps(manifest).encode()}, mode=0o644
    )


def _go() -> GoTool:
    return find_go(GO, MODULE)


def _tar(files: dict[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()

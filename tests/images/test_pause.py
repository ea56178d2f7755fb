"""The pause image's archive: what a loader reads of it, and the program itself."""

from __future__ import annotations

import hashlib
import io
import json
import signal
import subprocess
import tarfile
from pathlib import Path

import pytest

from images.build import ensure_pause_image
from images.pause_image import docker_archive
from images.recipes import reference


def members(archive: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive)) as file:
        return {m.name: (file.extractfile(m) or io.BytesIO()).read() for m in file.getmembers()}


def test_an_archive_says_what_a_loader_needs() -> None:
    archive = docker_archive(b"program", "arm64", "stowage/pause:1")
    assert archive == docker_archive(b"program", "arm64", "stowage/pause:1")
    files = members(archive)
    (manifest,) = json.loads(files["manifest.json"])
    assert (manifest["RepoTags"], manifest["Layers"]) == (["stowage/pause:1"], ["layer.tar"])
    assert manifest["Config"] == f"{hashlib.sha256(files[manifest['Config']]).hexdigest()}.json"
    config = json.loads(files[manifest["Config"]])
    assert (config["architecture"], config["config"]["Entrypoint"]) == ("arm64", ["/pause"])
    assert config["config"]["User"] == "65535:65535"
    assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(files['layer.tar']).hexdigest()}"]
    with tarfile.open(fileobj=io.BytesIO(files["layer.tar"])) as layer:
        assert [(m.name, m.mode, m.uid) for m in layer.getmembers()] == [("pause", 0o755, 0)]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_waits_for_the_end(tmp_path: Path, number: signal.Signals) -> None:
    files = members(ensure_pause_image().read_bytes())
    assert json.loads(files["manifest.json"])[0]["RepoTags"] == [reference("pause")]
    program = tmp_path / "pause"
    program.write_bytes(members(files["layer.tar"])["pause"])
    program.chmod(0o755)
    with subprocess.Popen([program]) as running:
        with pytest.raises(subprocess.TimeoutExpired):
            running.wait(1)
        running.send_signal(number)
        assert running.wait(30) == 0

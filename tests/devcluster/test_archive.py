"""The image of one program."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

from devcluster.archive import write_archive


def test_an_archive_is_what_docker_load_reads(tmp_path: Path) -> None:
    program = tmp_path / "sleeper"
    program.write_bytes(b"not really a program")
    archive = tmp_path / "image.tar"

    write_archive(archive, "stowage/sleeper:1", program, "65535:65535")

    with tarfile.open(archive) as image:
        (manifest,) = json.loads(_read(image, "manifest.json"))
        configuration_text = _read(image, manifest["Config"])
        layer = _read(image, manifest["Layers"][0])
    configuration = json.loads(configuration_text)
    assert manifest["RepoTags"] == ["stowage/sleeper:1"]
    assert manifest["Config"] == f"{hashlib.sha256(configuration_text).hexdigest()}.json"
    assert configuration["config"] == {"Entrypoint": ["/sleeper"], "User": "65535:65535"}
    assert configuration["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer).hexdigest()}"]
    assert b"not really a program" in layer


def test_the_same_program_makes_the_same_archive(tmp_path: Path) -> None:
    program = tmp_path / "sleeper"
    program.write_bytes(b"not really a program")

    for name in ("one.tar", "two.tar"):
        write_archive(tmp_path / name, "stowage/sleeper:1", program, "65535:65535")

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file is not None
    return file.read()

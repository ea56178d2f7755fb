"""Builds with buildah: no daemon, no registry, and a store of its own, so that runs don't meet."""

from __future__ import annotations

import json
import os
from pathlib import Path

from devcluster.children import run
from devcluster.errors import LOG_LINES_SHOWN, BuildError

BASE = "localhost/stowage-base"


class Store:
    """A store of images in a folder that goes with the build."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        policy = folder / "policy.json"
        # Nothing is pulled; buildah still asks for a policy, and not every system has one.
        policy.write_text(json.dumps({"default": [{"type": "insecureAcceptAnything"}]}))
        self._policy = f"--signature-policy={policy}"
        # vfs copies where others mount: slower, but it works inside containers too.
        self._store = [f"--root={folder / 'store'}", f"--runroot={folder / 'run'}", "--storage-driver=vfs"]

    def load_base(self, tar: Path) -> None:
        """Make the image BASE of a root file system."""
        container = self._run("from", self._policy, "scratch").strip()
        self._run("add", "--quiet", container, str(tar), "/")
        self._run("commit", "--quiet", "--rm", self._policy, container, BASE)

    def build(self, context: Path, reference: str, arguments: dict[str, str]) -> Path:
        """Build the Dockerfile of `context` on BASE, without network, and return an archive."""
        archive = self._folder / "image.tar"
        given = [f"--build-arg={name}={value}" for name, value in {"BASE": BASE, **arguments}.items()]
        fixed = ["--isolation=chroot", "--layers=false", "--pull=false", "--format=docker", self._policy]
        self._run("build", *fixed, *given, f"--tag={reference}", str(context))
        self._run("push", "--quiet", self._policy, reference, f"docker-archive:{archive}:{reference}")
        return archive

    def _run(self, *arguments: str) -> str:
        environment = {**os.environ, "BUILDAH_ISOLATION": "chroot", "TMPDIR": str(self._folder)}
        answer = run(["buildah", *self._store, *arguments], environment=environment)
        if answer.returncode != 0:
            lines = (answer.stdout + answer.stderr).splitlines()
            raise BuildError(f"with buildah {arguments[0]}", lines[-LOG_LINES_SHOWN:])
        return answer.stdout

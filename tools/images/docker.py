"""Builds with Docker, where its daemon answers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from devcluster.children import run
from devcluster.errors import LOG_LINES_SHOWN, BuildError
from images.recipes import Recipe


def answers() -> bool:
    """Whether there is a Docker daemon to build with."""
    return shutil.which("docker") is not None and run(["docker", "version"]).returncode == 0


def build(recipe: Recipe, reference: str, arguments: dict[str, str], draft: Path) -> Path:
    """Build the recipe's context with the Dockerfile's own base, and return an archive in `draft`."""
    given = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    archive = draft / "image.tar"
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    for command in (
        ["docker", "build", *given, f"--tag={reference}", str(recipe.context)],
        ["docker", "save", f"--output={archive}", reference],
    ):
        answer = run(command, environment=environment)
        if answer.returncode != 0:
            raise BuildError(f"image {reference}", answer.stderr.splitlines()[-LOG_LINES_SHOWN:])
    return archive

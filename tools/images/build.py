"""Builds an image once per content, into the cache, as an archive that Docker and containerd load."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

from devcluster.errors import ToolError
from devcluster.progress import Progress
from images import buildah, docker
from images.base import PYTHON, base_path, ensure_base
from images.cache import images_folder, publish
from images.recipes import Recipe, digest_of, files_of, recipe_of, reference, version
from images.system import ensure_programs
from images.wheels import fetch_wheels

PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap"}
"""What a build without Docker needs: each program and its Debian package."""


def ensure_image(name: str) -> Path:
    """Return the archive of an image, and build it first when its content isn't in the cache.

    With Docker where its daemon answers, else with buildah on a base made by mmdebstrap. Raises ToolError
    for what is not installed and BuildError for what fails.
    """
    archive = archive_of(name)
    if archive.is_file():
        return archive
    recipe = recipe_of(name)
    return publish(archive, lambda draft: _build(name, recipe, draft))


def archive_of(name: str) -> Path:
    """Where the archive of an image lies, once it is built: its name changes with its content."""
    return images_folder() / f"{name}-{recipe_key(name, recipe_of(name))}.tar"


def recipe_key(name: str, recipe: Recipe) -> str:
    """A hash of all that goes into an image."""
    own = [(str(file), (recipe.context / file).read_bytes()) for file in files_of(recipe)]
    base = base_path(Path(), recipe.packages).name
    return digest_of([*own, ("base", base.encode()), ("reference", reference(name).encode())])


def _build(name: str, recipe: Recipe, draft: Path) -> Path:
    print(f"building image {reference(name)} (once)", flush=True)
    if docker.answers():
        return docker.build(recipe, reference(name), _arguments(recipe), draft)
    ensure_programs(PROGRAMS)
    with Progress(4) as progress:
        with progress.step("fetching wheels"):
            context = _context(recipe, draft)
        with progress.step(f"making a base of Debian with Python {PYTHON}"):
            base = ensure_base(images_folder(), recipe.packages)
        store = buildah.Store(draft)
        with progress.step("loading the base"):
            store.load_base(base)
        with progress.step(f"building {reference(name)}"):
            return store.build(context, reference(name), _arguments(recipe) | _offline(context))


def _arguments(recipe: Recipe) -> dict[str, str]:
    return {"VERSION": version(), **recipe.arguments}


def _context(recipe: Recipe, draft: Path) -> Path:
    """A copy of what the recipe names, with the wheels beside it: nothing is written into the tree."""
    context = draft / "context"
    for file in files_of(recipe):
        (context / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(recipe.context / file, context / file)
    wheels = context / "wheels"
    locks = [recipe.context / lock for lock in recipe.locks]
    fetch_wheels(locks, wheels, python=PYTHON, machine=platform.machine())
    return context


def _offline(context: Path) -> dict[str, str]:
    """Build arguments that let pip, itself one of the wheels, install without network."""
    pip = next((context / "wheels").glob("pip-*.whl"), None)
    if pip is None:
        raise ToolError(f"no lock file of {context} names pip, which installs the others")
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/src/wheels", "PYTHONPATH": f"/src/wheels/{pip.name}"}

"""What each image is made of."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from devcluster.errors import ToolError

REPOSITORY = Path(__file__).resolve().parents[2]
VERSION_FILE = REPOSITORY / "operator" / "stowage" / "__init__.py"

_NEVER = frozenset({"__pycache__", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"})


@dataclass(frozen=True)
class Recipe:
    """An image that a Dockerfile describes."""

    context: Path
    """The build context; it holds the Dockerfile."""
    parts: tuple[str, ...]
    """Files and folders of the context that the Dockerfile copies."""
    locks: tuple[str, ...]
    """Of the parts, the lock files whose wheels are needed."""
    packages: tuple[str, ...] = ()
    """Debian packages that the base needs beyond Python and the CA certificates."""
    arguments: dict[str, str] = field(default_factory=dict)
    """Build arguments beyond those of every image."""


RECIPES: dict[str, Recipe] = {
    "operator": Recipe(
        context=REPOSITORY,
        parts=(
            "LICENSE",
            "README.md",
            "operator",
            "pyproject.toml",
            "requirements-build.lock",
            "requirements-operator.lock",
        ),
        locks=("requirements-build.lock", "requirements-operator.lock"),
    ),
    "onnx-server": Recipe(
        context=REPOSITORY / "images" / "onnx",
        parts=("onnx_server", "pyproject.toml", "requirements-build.lock", "requirements.lock"),
        locks=("requirements-build.lock", "requirements.lock"),
        packages=("libstdc++6",),  # of gRPC's and ONNX Runtime's wheels
    ),
    "variant-builder": Recipe(
        context=REPOSITORY / "images" / "builder",
        parts=("pyproject.toml", "requirements-build.lock", "requirements.lock", "stowage_builder"),
        locks=("requirements-build.lock", "requirements.lock"),
        packages=("libstdc++6", "skopeo"),  # of ONNX Runtime's and OpenVINO's wheels; it pushes results
    ),
    "model-fetcher": Recipe(
        context=REPOSITORY / "images" / "fetcher",
        parts=("pyproject.toml", "requirements-build.lock", "requirements.lock", "stowage_fetcher"),
        locks=("requirements-build.lock", "requirements.lock"),
    ),
    "mlserver": Recipe(  # for the end-to-end suite only
        context=REPOSITORY / "e2e" / "mlserver",
        parts=("requirements.lock",),
        locks=("requirements.lock",),
        packages=("libstdc++6",),
    ),
}
"""By name."""


def recipe_of(name: str) -> Recipe:
    """The recipe of an image. Raises ToolError for an unknown name."""
    if name not in RECIPES:
        raise ToolError(f"there is no image {name!r}; there are {', '.join(RECIPES)}")
    return RECIPES[name]


def version() -> str:
    """The version that all images carry: the operator's."""
    found = re.search(r'^__version__ = "([^"]+)"', VERSION_FILE.read_text(), re.MULTILINE)
    if found is None:
        raise ToolError(f"{VERSION_FILE} names no version")
    return found[1]


def reference(name: str) -> str:
    """The image's name and tag, such as stowage/operator:0.1.0."""
    return f"stowage/{name}:{version()}"


def files_of(recipe: Recipe) -> Iterator[Path]:
    """All files that the image is built from, in a fixed order, relative to the context."""
    for part in ("Dockerfile", *recipe.parts):
        path = recipe.context / part
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            relative = file.relative_to(recipe.context)
            if file.is_file() and not _NEVER.intersection(relative.parts):
                yield relative


def digest_of(parts: Iterable[tuple[str, bytes]]) -> str:
    """A hash of named contents; neither a name nor a content can run into its neighbour."""
    digest = hashlib.sha256()
    for name, content in parts:
        for each in (name.encode(), content):
            digest.update(hashlib.sha256(each).digest())
    return digest.hexdigest()[:16]

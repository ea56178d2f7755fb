"""What an image is built from: its key, its context, its Dockerfile."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster.errors import ToolError
from images import build, recipes
from images.base import PYTHON, base_path
from images.recipes import RECIPES, Recipe, digest_of, files_of, recipe_of, reference, version
from images.wheels import platforms
from stowage import __version__


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.py").write_text("a\n")
    (tmp_path / "a.lock").write_text("a==1\n")
    return Recipe(tmp_path, ("own", "a.lock"), ("a.lock",))


def test_the_version_is_the_operators() -> None:
    assert version() == __version__
    assert reference("operator") == f"stowage/operator:{__version__}"


def test_files_are_those_of_the_parts_in_order(recipe: Recipe) -> None:
    (recipe.context / "own" / "__pycache__").mkdir()
    (recipe.context / "own" / "__pycache__" / "a.pyc").write_text("")
    (recipe.context / "other").write_text("")
    assert list(map(str, files_of(recipe))) == ["Dockerfile", "own/a.py", "a.lock"]


def test_the_key_changes_with_everything_that_goes_in(
    recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [build.recipe_key("operator", recipe), build.recipe_key("other", recipe)]
    keys.append(build.recipe_key("operator", replace(recipe, packages=("libgomp1",))))
    (recipe.context / "own" / "a.py").write_text("b\n")
    keys.append(build.recipe_key("operator", recipe))
    (recipe.context / "own" / "a.py").rename(recipe.context / "own" / "b.py")
    keys.append(build.recipe_key("operator", recipe))
    (recipe.context / "Dockerfile").write_text("FROM base\n")
    keys.append(build.recipe_key("operator", recipe))
    monkeypatch.setattr(recipes, "version", lambda: "9")
    keys.append(build.recipe_key("operator", recipe))
    assert len(set(keys)) == 7


def test_a_key_does_not_change_by_itself(recipe: Recipe) -> None:
    (recipe.context / "unrelated").write_text("")
    assert build.recipe_key("operator", recipe) == build.recipe_key("operator", recipe)


def test_contents_do_not_run_into_each_other() -> None:
    assert digest_of([("a", b"bc")]) != digest_of([("ab", b"c")])
    assert digest_of([("a", b""), ("b", b"")]) != digest_of([("ab", b"")])


def test_an_unknown_image_names_the_known() -> None:
    with pytest.raises(ToolError, match="there is no image 'x'; there are operator, "):
        recipe_of("x")


@pytest.mark.parametrize("name", RECIPES)
def test_a_dockerfile_copies_its_parts_and_says_its_version(name: str) -> None:
    recipe = RECIPES[name]
    text = (recipe.context / "Dockerfile").read_text()
    copied = {
        word.removeprefix("./")
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE)
        for word in line.split()
    }
    assert copied == {*recipe.parts, "wheel[s]"}
    allowed = (recipe.context / ".dockerignore").read_text().splitlines()
    assert {each[1:] for each in allowed if each.startswith("!")} == {*recipe.parts, "wheels"}
    assert f"ARG VERSION={__version__}\n" in text, (
        "the default of VERSION is for docker build without arguments"
    )
    assert f"python:{PYTHON}-slim-bookworm\n" in text, "both bases have the same Python"
    assert text.splitlines()[-1].startswith(('ENTRYPOINT ["', 'CMD ["')), "no shell"
    assert re.search(r"\nUSER [1-9]\d+:[1-9]\d+\n", text), "not root, by number"
    assert set(recipe.locks) <= set(recipe.parts)


def test_a_base_is_named_for_its_packages() -> None:
    folder = Path("/cache")
    assert base_path(folder, ()) != base_path(folder, ("libgomp1",))
    assert base_path(folder, ("a", "b")) == base_path(folder, ("b", "a"))


def test_platforms_are_named_newest_first() -> None:
    named = platforms("aarch64")
    assert (named[0], named[-2:]) == ("manylinux_2_36_aarch64", ["manylinux2014_aarch64", "linux_aarch64"])
    assert "manylinux_2_28_aarch64" in named

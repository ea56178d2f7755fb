"""What registries say, in skopeo's words, and what is made of it: some can't be had here to be asked."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from stowage_builder.errors import StoreFailed
from stowage_builder.registry import Image

NAME = "registry.example.com/team/models:shop.digits.7857db14"
FATAL = 'time="2026-11-27T11:10:24Z" level=fatal msg="Error parsing image name \\"docker://{}\\": {}"\n'
READING = "reading manifest shop.digits.7857db14 in registry.example.com/team/models: "


def said(monkeypatch: pytest.MonkeyPatch, words: str) -> bytes | None:
    """What comes of a look at the tag where skopeo ends with these words."""
    ends_with(monkeypatch, words)
    return Image(NAME).manifest()


def ends_with(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    def run(command: Any, **_: Any) -> subprocess.CompletedProcess[bytes]:
        errors = FATAL.format(NAME, words.replace('"', '\\"')).encode()
        return subprocess.CompletedProcess(command, 1, b"", errors)

    monkeypatch.setattr(subprocess, "run", run)


@pytest.mark.parametrize(
    "words",
    [
        "manifest unknown: manifest unknown",
        "manifest unknown: Requested image not found",
        "name unknown: repository name not known to registry",
        "unknown: artifact team/models:shop.digits.7857db14 not found",
        "unknown: repository team/models not found",
    ],
)
def test_no_such_tag(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    assert said(monkeypatch, READING + words) is None


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("unauthorized: project team not found", "it doesn't accept the credentials"),
        ("denied: requested access to the resource is denied", "these credentials may not do that there"),
        ("received unexpected HTTP status: 503 Service Unavailable", "it can't be reached"),
    ],
)
def test_what_the_registry_refuses(monkeypatch: pytest.MonkeyPatch, words: str, advice: str) -> None:
    with pytest.raises(StoreFailed) as caught:
        said(monkeypatch, READING + words)
    message = str(caught.value)
    assert message.startswith(f"{NAME} can't be looked up: registry.example.com: {advice}")
    assert message.endswith(f"({words})")


def test_signatures_in_addresses_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    words = 'Put "https://store.example.com/x?X-Amz-Signature=abc&digest=sha256:0": something else'
    with pytest.raises(StoreFailed) as caught:
        said(monkeypatch, words)
    assert str(caught.value) == (
        f'{NAME} can\'t be looked up: Put "https://store.example.com/x": something else'
    )


def test_a_repository_that_must_be_there_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A look finds no tag then; the push says why there can be none."""
    words = "name unknown: The repository with name 'team/models' does not exist in the registry with id '1'"
    assert said(monkeypatch, words) is None
    with pytest.raises(StoreFailed) as caught:
        Image(NAME).push(tmp_path)
    assert str(caught.value) == (
        f"{NAME} can't be pushed: registry.example.com: it has no such repository, and makes none by itself;"
        f" create it ({words})"
    )

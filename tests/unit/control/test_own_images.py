"""The images of our own programs: what is given, else those of this version."""

from __future__ import annotations

from stowage import __version__
from stowage.control.own_images import OwnImages


def test_what_is_not_given_is_of_this_version() -> None:
    ours = OwnImages(f"stowage/model-fetcher:{__version__}", f"stowage/variant-builder:{__version__}")
    assert OwnImages.given(fetcher="", builder="") == OwnImages() == ours
    assert OwnImages.given(fetcher="", builder="registry.example.com/builder:2") == OwnImages(
        builder="registry.example.com/builder:2"
    )
    assert OwnImages.given(fetcher="a", builder="b") == OwnImages("a", "b")

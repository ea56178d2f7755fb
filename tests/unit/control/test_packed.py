"""Objects that are kept small."""

from __future__ import annotations

import gc
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stowage.control import packed
from stowage.control.packed import Packed

LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(codec="utf-8"))
BODIES = st.dictionaries(
    st.text(st.characters(codec="utf-8")),
    st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text("ab"), inner), max_leaves=9),
)


@given(BODIES)
def test_what_is_packed_comes_out_again(body: dict[str, Any]) -> None:
    assert Packed.of(body).body == body


def test_the_same_content_is_packed_once_and_for_as_long_as_it_is_kept() -> None:
    one = Packed.of({"a": [1, 2]})
    assert Packed.of({"a": [1, 2]}) is one
    assert Packed.of({"a": [1, 3]}) != one
    digest = one.digest
    del one
    gc.collect()
    assert digest not in packed._known


def test_what_comes_out_can_be_changed() -> None:
    one = Packed.of({"a": {"b": 1}})
    one.body["a"]["b"] = 2
    assert one.body == {"a": {"b": 1}}

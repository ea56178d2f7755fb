"""Whatever characters a text has, what is applied arrives as it was."""

from __future__ import annotations

import json

import pytest
import yaml

from stowage.cluster.transport import Request, encoded

TEXTS = (
    "plain", "ü€ 漢字", "\U0001f600 emoji",
    '"quotes" \\ and \\u00e9 \\ud83d', "line\nbreak\ttab", "\x7f\x85\x9b",
    "\u2028\u2029\ufeff", "\U0010ffff", "${HOME} {{ x }} # - : &a *a !b",
)  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=ascii)
def test_what_is_applied_reads_the_same_as_yaml_and_as_json(text: str) -> None:
    request = Request("PATCH", "/x", "x", {}, {text: [text]}, content_type="application/apply-patch+yaml")
    content_type, body = encoded(request)
    assert content_type == "application/apply-patch+yaml; charset=utf-8"
    assert isinstance(body, str)
    assert yaml.safe_load(body) == json.loads(body) == {text: [text]}


def test_other_bodies_are_left_to_the_library() -> None:
    request = Request("POST", "/x", "x", {}, {"a": "\U0001f600"})
    assert encoded(request) == ("application/json", {"a": "\U0001f600"})

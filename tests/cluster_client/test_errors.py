"""Which HTTP status is which error, and what its message says."""

from __future__ import annotations

from typing import Any

import pytest

from stowage.cluster.errors import (
    ClusterError,
    Conflict,
    Forbidden,
    Gone,
    Retry,
    Terminal,
    Unauthorized,
    error_from_status,
)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (302, Terminal), (400, Terminal), (401, Unauthorized), (403, Forbidden), (404, Gone), (405, Terminal),
        (408, Retry), (409, Conflict), (410, Gone), (413, Terminal), (415, Terminal), (422, Terminal),
        (429, Retry), (500, Retry), (502, Retry), (503, Retry), (504, Retry),
    ],
)  # fmt: skip
def test_status(status: int, kind: type[ClusterError]) -> None:
    error = error_from_status(status, {"message": "words", "reason": "Why"}, "apply pods shop/chat")
    assert type(error) is kind
    assert (str(error), error.status, error.reason) == (
        f"apply pods shop/chat: {status} words",
        status,
        "Why",
    )


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("7", {}, 7.0),
        (None, {"details": {"retryAfterSeconds": 3}}, 3.0),
        ("7", {"details": {"retryAfterSeconds": 3}}, 7.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", {}, None),
        (None, {"details": None}, None),
        (None, {}, None),
    ],
)
def test_how_long_to_wait(header: str | None, body: dict[str, Any], seconds: float | None) -> None:
    error = error_from_status(429, body, "get pods", retry_after=header)
    assert isinstance(error, Retry)
    assert error.retry_after == seconds


def test_a_server_without_words() -> None:
    assert str(error_from_status(502, {}, "get pods")) == "get pods: 502 no explanation"

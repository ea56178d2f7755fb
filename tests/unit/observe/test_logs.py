"""How a log reads, as text and as JSON, and in an outage."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator

import pytest

from stowage.observe.logs import configure_logs
from stowage.observe.throttle import KOPF, OURS, WINDOW_SECONDS, Throttle

Shown = Callable[[], list[str]]


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Iterator[Shown]:
    """The lines on standard error; the logging of before comes back afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def read() -> list[str]:
        return capsys.readouterr().err.splitlines()

    yield read
    root.handlers[:], root.level = handlers, level
    for name in ("kopf", "aiohttp"):
        logging.getLogger(name).setLevel(logging.NOTSET)


FIELDS = {"namespace": "shop", "object": "chat", "placements": "a/vllm/l4x2", "reason": "Serving"}


def test_text_ends_with_the_fields(shown: Shown) -> None:
    configure_logs("INFO", "text")
    logging.getLogger("stowage.x").info("%d of %d replicas serve", 2, 2, extra={**FIELDS, "placements": ""})
    (line,) = shown()
    assert line.split(" ", 2)[2] == (
        'INFO    2 of 2 replicas serve namespace=shop object=chat reason=Serving placements=""'
    )


def test_json_has_the_fields_as_keys(shown: Shown) -> None:
    configure_logs("INFO", "json")
    logging.getLogger("stowage.x").info("%d of %d replicas serve", 2, 2, extra=FIELDS)
    found = json.loads(shown()[0])
    assert found.pop("time")
    assert found == {"level": "INFO", "logger": "stowage.x", "message": "2 of 2 replicas serve", **FIELDS}


def test_an_outage_stays_readable(shown: Shown) -> None:
    configure_logs("INFO", "text")
    for number in range(100):
        logging.getLogger("kopf.clients").error(
            f"Request attempt #{number}/5 failed: GET /{number} -> refused"
        )
        logging.getLogger("stowage.queue").warning(
            "%s: %s; again in %.1f s", f"chat-{number}", "refused", 2.0
        )
    assert len(shown()) == KOPF + OURS


def test_what_was_left_out_is_counted() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])

    def say(text: str = "%s: down") -> str | None:
        record = logging.LogRecord("stowage", logging.WARNING, "", 0, text, ("x",), None)
        return record.getMessage() if throttle.filter(record) else None

    assert [say() for _ in range(OURS + 5)] == ["x: down"] * OURS + [None] * 5
    assert say("%s: another kind") == "x: another kind"
    now[0] = WINDOW_SECONDS
    assert say() == "x: down (5 more lines like this were left out)"
    assert say() == "x: down"


@pytest.mark.parametrize(
    ("level", "extra"),
    [(logging.INFO, {}), (logging.WARNING, {"outcome": "placed"})],
    ids=["news", "decision"],
)
def test_decisions_are_never_left_out(level: int, extra: dict[str, str]) -> None:
    throttle = Throttle()
    record = logging.LogRecord("stowage", level, "", 0, "same", None, None)
    vars(record).update(extra)
    assert all(throttle.filter(record) for _ in range(100))

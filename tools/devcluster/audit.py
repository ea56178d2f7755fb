"""Reads the API server's audit log: who sent which request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

WRITE_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True)
class Request:
    """One answered request."""

    user: str
    user_agent: str
    verb: str
    group: str
    """Empty for the core API."""
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    """The HTTP status of the answer."""
    decision: str = "allow"
    """The authorizer's: allow or forbid."""
    message: str = ""
    """What an error said."""
    at: float = 0.0
    """When the answer went out: seconds since the epoch; 0 where the log doesn't say."""

    @property
    def is_write(self) -> bool:
        """Whether it was meant to change something, granted or not."""
        return self.verb in WRITE_VERBS


class AuditLog:
    """Requests since a point in time that the caller sets with ``mark``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        """Bytes of the file up to the mark."""

    def mark(self) -> None:
        """Forget everything up to now."""
        self.offset = self.path.stat().st_size

    def requests(self, user: str = "", user_agent: str = "", text: str = "") -> list[Request]:
        """Return the requests since the mark whose user and user agent start with these texts.

        Lines of the log without `text` are not even parsed, since all of a large log takes long.
        """
        return [
            each
            for each in self._read(text or user_agent)
            if each.user.startswith(user) and each.user_agent.startswith(user_agent)
        ]

    def writes(self, user: str = "", user_agent: str = "") -> list[Request]:
        """Return the writes among ``requests``."""
        return [each for each in self.requests(user, user_agent) if each.is_write]

    def _read(self, text: str) -> Iterator[Request]:
        with self.path.open() as file:
            file.seek(self.offset)
            for line in file:
                if not line.endswith("\n"):
                    return  # the server is writing it at this moment
                if text not in line:
                    continue
                event = json.loads(line)
                if event["stage"] == "ResponseComplete":
                    yield _request(event)


def _request(event: dict[str, object]) -> Request:
    def text(section: object, key: str) -> str:
        return str(section.get(key, "")) if isinstance(section, dict) else ""

    target, status = event.get("objectRef"), event.get("responseStatus")
    return Request(
        user=text(event["user"], "username"),
        user_agent=str(event.get("userAgent", "")),
        verb=str(event["verb"]),
        group=text(target, "apiGroup"),
        resource=text(target, "resource"),
        subresource=text(target, "subresource"),
        namespace=text(target, "namespace"),
        name=text(target, "name"),
        code=int(text(status, "code") or 0),
        decision=text(event.get("annotations"), "authorization.k8s.io/decision") or "allow",
        message=text(status, "message"),
        at=_seconds(str(event.get("stageTimestamp", ""))),
    )


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() if text else 0.0

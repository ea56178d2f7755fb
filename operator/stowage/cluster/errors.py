"""What can go wrong between us and the API server, by what the caller must do about it.

ClusterError
├── Retry              the same request may succeed later: 429, 5xx, timeouts, broken connections
│   ├── Conflict       409: the object changed (resourceVersion), is another one (uid), or exists already
│   ├── Unauthorized   401: the credentials have expired; they are read anew within a minute
│   └── NotLeading     nothing was sent: this process doesn't hold the Lease, or not for sure any more
├── Terminal           the same request can't succeed: 400, 413, 422 and the other 4xx
│   └── Forbidden      403: RBAC, a quota or an admission controller says no
├── Gone               404 or 410: the object, its namespace, or the watched resourceVersion is no more
└── NotConfigured      no API server to talk to: no kubeconfig, no such context, not in a cluster

Every message names the verb, the resource and the object, and ends with the server's own words.
"""

# The names are words for what to do; "RetryError" would be the failure of a retry.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClusterError(Exception):
    """Base of every error of this package.

    ``status`` is the HTTP status, 0 where no answer came. ``reason`` is the server's own constant, such as
    ``AlreadyExists`` or ``FieldValueInvalid``; it is empty where the server gave none.
    """

    def __init__(self, message: str, *, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class Retry(ClusterError):
    """Try again later, not before ``retry_after`` seconds where the server said so."""

    def __init__(
        self, message: str, *, status: int = 0, reason: str = "", retry_after: float | None = None
    ) -> None:
        super().__init__(message, status=status, reason=reason)
        self.retry_after = retry_after


class Conflict(Retry):
    """The object isn't what the request took it for: read it again, decide again."""


class Unauthorized(Retry):
    """The server doesn't know us: the token or certificate has expired or was never good."""


class NotLeading(Retry):
    """The write was not begun, since another process may be the writer."""


class Terminal(ClusterError):
    """The request itself is wrong; only a change of the object, the program or its rights helps."""


class Forbidden(Terminal):
    """The server knows us and refuses."""


class Gone(ClusterError):
    """What the request is about does not exist any more."""


class NotConfigured(ClusterError):
    """There is nothing that says where the API server is and who we are."""


_BY_STATUS: Mapping[int, type[ClusterError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: Gone,
    408: Retry,
    409: Conflict,
    410: Gone,
    429: Retry,
}


def error_from_status(
    status: int, body: Mapping[str, Any], request: str, *, retry_after: str | None = None
) -> ClusterError:
    """The error for an HTTP status.

    Args:
        status: the HTTP status, 300 or higher.
        body: the ``metav1.Status`` that came with it; empty when a proxy answered in its own words.
        request: what was asked, for the message: ``apply deployments.apps shop/chat``.
        retry_after: the ``Retry-After`` header; a date instead of seconds is ignored.
    """
    reason = str(body.get("reason") or "")
    words = str(body.get("message") or reason or "no explanation")
    message = f"{request}: {status} {words}"
    kind = _BY_STATUS.get(status, Retry if status >= 500 else Terminal)
    if issubclass(kind, Retry):
        return kind(message, status=status, reason=reason, retry_after=_seconds(retry_after, body))
    return kind(message, status=status, reason=reason)


def _seconds(header: str | None, body: Mapping[str, Any]) -> float | None:
    """How long to wait: as the header says, else the Status."""
    if header is not None and header.strip().isdecimal():
        return float(header)
    details = body.get("details")
    told = details.get("retryAfterSeconds") if isinstance(details, Mapping) else None
    return float(told) if told else None

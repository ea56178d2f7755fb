"""Backoffs as the status keeps them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from stowage.api.inference_deployment_status import BackoffStatus, InferenceDeploymentStatus
from stowage.api.reasons import Code
from stowage.placement.backoffs import Backoff
from stowage.placement.reasons import Reason
from stowage.render.names import clip

MESSAGE_LENGTH = 253
MAX_NUMBER = 1_000_000
_CODES = {code.value: code for code in Code}


def read_backoffs(status: InferenceDeploymentStatus | None) -> tuple[Backoff, ...]:
    """What the status remembers. A reason of another version of Stowage counts as the candidate's own."""
    return tuple(
        Backoff(
            one.candidate,
            Reason(_CODES.get(one.reason, Code.IN_BACKOFF), one.message),
            datetime.fromisoformat(one.until).timestamp(),
            one.failures,
        )
        for one in (status.backoffs if status is not None else ())
    )


def write_backoffs(backoffs: Iterable[Backoff]) -> list[BackoffStatus]:
    """For the status, which holds whole seconds: no backoff ends too early."""
    return [
        BackoffStatus(
            candidate=one.candidate,
            reason=one.reason.code.value,
            message=clip(one.reason.message, MESSAGE_LENGTH),
            until=datetime.fromtimestamp(math.ceil(one.until), UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            failures=min(one.failures, MAX_NUMBER),
        )
        for one in backoffs
    ]

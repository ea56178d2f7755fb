"""One object for what many statuses say alike.

A fleet of many pools has sixteen candidates in every status, two thirds of what a deployment takes of memory,
and deployments of one model are mostly told the same of the same pools.
"""

from __future__ import annotations

from typing import TypeVar
from weakref import WeakValueDictionary

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import CandidateStatus, ReasonStatus
from stowage.api.meta import Resource

R = TypeVar("R", bound=Resource)

_candidates: WeakValueDictionary[tuple[str, ...], CandidateStatus] = WeakValueDictionary()
_reasons: WeakValueDictionary[tuple[str, str], ReasonStatus] = WeakValueDictionary()


def share(found: R) -> R:
    """The object, with candidates that others have too."""
    if isinstance(found, InferenceDeployment) and found.status is not None:
        told = found.status.candidates
        told[:] = [_candidates.setdefault(_text(each), _with_shared_reasons(each)) for each in told]
    return found


def _with_shared_reasons(one: CandidateStatus) -> CandidateStatus:
    one.reasons[:] = [_reasons.setdefault((each.code, each.message), each) for each in one.reasons]
    return one


def _text(one: CandidateStatus) -> tuple[str, ...]:
    reasons = [text for reason in one.reasons for text in (reason.code, reason.message)]
    return one.pool, one.accelerator_class, one.variant, one.runtime, one.verdict, *reasons

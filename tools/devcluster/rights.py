"""Compares what a role grants with what its holder asked for, as the API server's audit log has it.

Two things don't show as requests of their own. Server-side apply of an object that isn't there yet is a
``patch`` that also needs ``create``; it answers 201. And admission asks for rights without a request.

An API server that has just started refuses for a moment what its roles, which it is still reading, allow. A
request that was granted before and after, in the same log, was not refused for want of a right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from devcluster.audit import AuditLog, Request

Grant = tuple[str, str, str, str]
"""API group (empty for the core one), resource, subresource, verb."""

# How the API server words a missing right. Admission, quotas and namespaces that end are 403 as well. So is
# an owner of a kind that has just come: admission asks for kinds every half minute, and may not know it yet.
_MISSING = re.compile(r'cannot \w+ resource "|cannot set blockOwnerDeletion if|is attempting to grant')


@dataclass(frozen=True)
class Comparison:
    """What a log says of a set of grants."""

    refused: tuple[str, ...]
    """A sentence for each kind of request that a right was missing for."""
    unused: frozenset[Grant]
    """Granted, and never asked for."""
    requests: int
    """How many of the holder's requests were looked at."""


def compare(logs: Iterable[Path], user: str, granted: Iterable[Grant]) -> Comparison:
    """Compare the grants with all that was asked for in these audit logs.

    Args:
        user: how the names of the holders start, such as system:serviceaccount:stowage-system:
    """
    every = frozenset(granted)
    found = [compare_requests(AuditLog(path).requests(user), every) for path in logs]
    return Comparison(
        refused=tuple(dict.fromkeys(sentence for each in found for sentence in each.refused)),
        unused=every.intersection(*(each.unused for each in found)),
        requests=sum(each.requests for each in found),
    )


def compare_requests(requests: Sequence[Request], granted: Iterable[Grant]) -> Comparison:
    """The same for the requests of one log, in its order."""
    asked = set[Grant]()
    first, last = dict[Request, int](), dict[Request, int]()
    refusals = list[tuple[int, Request]]()
    for index, each in enumerate(requests):
        if is_refused(each):
            refusals.append((index, each))
        elif each.resource:
            asked.update(_uses(each))
            first.setdefault(_kind(each), index)
            last[_kind(each)] = index
    lacking = [
        each
        for index, each in refusals
        if each.decision != "forbid"  # rights that are asked for on the way depend on the object
        or not first.get(_kind(each), index) < index < last.get(_kind(each), index)
    ]
    refused = tuple(dict.fromkeys(map(_sentence, lacking)))
    return Comparison(refused, frozenset(granted) - asked, len(requests))


def is_refused(request: Request) -> bool:
    """Whether a right was missing, rather than something else forbidding it."""
    return request.decision == "forbid" or bool(request.code == 403 and _MISSING.search(request.message))


def unexplained(found: Comparison, excused: Mapping[Grant, str]) -> tuple[list[Grant], list[Grant]]:
    """Grants that were not used and have no excuse, and excuses that are not needed since they were used."""
    return sorted(found.unused - excused.keys()), sorted(excused.keys() - found.unused)


def _kind(request: Request) -> Request:
    """What is the same of all requests that the same right is asked for."""
    return replace(request, user_agent="", name="", code=0, decision="", message="", at=0.0)


def _uses(request: Request) -> set[Grant]:
    what = (request.group, request.resource, request.subresource)
    verbs = {request.verb} | ({"create"} if request.verb == "patch" and request.code == 201 else set())
    return {(*what, verb) for verb in verbs}


def _sentence(request: Request) -> str:
    resource = "/".join(filter(None, (request.resource, request.subresource)))
    named = ".".join(filter(None, (resource, request.group))) or "no resource"
    return f"{request.verb} {named}: {request.message or 'refused by RBAC'}"

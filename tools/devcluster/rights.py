"""Compares what a role grants with what its holder asked for, as the API server's audit log has it.

Two things don't show as requests of their own. Server-side apply of an object that isn't there yet is a
``patch`` that also needs ``create``; it answers 201. And admission asks for rights without a request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.audit import AuditLog, Request

Grant = tuple[str, str, str, str]
"""API group (empty for the core one), resource, subresource, verb."""

# How the API server words a missing right; admission, quotas and namespaces that end are 403 as well.
_MISSING = re.compile(r'cannot \w+ resource "|cannot set blockOwnerDeletion|is attempting to grant')


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
    requests = [each for path in logs for each in AuditLog(path).requests(user)]
    return compare_requests(requests, granted)


def compare_requests(requests: Iterable[Request], granted: Iterable[Grant]) -> Comparison:
    """The same for requests that were read already."""
    asked, refused, count = set[Grant](), dict[str, None](), 0
    for each in requests:
        count += 1
        if is_refused(each):
            refused[_sentence(each)] = None
        elif each.resource:
            asked.update(_uses(each))
    return Comparison(tuple(refused), frozenset(granted) - asked, count)


def is_refused(request: Request) -> bool:
    """Whether a right was missing, rather than something else forbidding it."""
    return request.decision == "forbid" or bool(request.code == 403 and _MISSING.search(request.message))


def unexplained(found: Comparison, excused: Mapping[Grant, str]) -> tuple[list[Grant], list[Grant]]:
    """Grants that were not used and have no excuse, and excuses that are not needed since they were used."""
    return sorted(found.unused - excused.keys()), sorted(excused.keys() - found.unused)


def _uses(request: Request) -> set[Grant]:
    what = (request.group, request.resource, request.subresource)
    verbs = {request.verb} | ({"create"} if request.verb == "patch" and request.code == 201 else set())
    return {(*what, verb) for verb in verbs}


def _sentence(request: Request) -> str:
    resource = "/".join(filter(None, (request.resource, request.subresource)))
    named = ".".join(filter(None, (resource, request.group))) or "no resource"
    return f"{request.verb} {named}: {request.message or 'refused by RBAC'}"

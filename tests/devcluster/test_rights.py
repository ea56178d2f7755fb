"""A right too many or too few is found in an audit log."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from devcluster.audit import Request
from devcluster.rights import Comparison, Grant, compare, compare_requests, unexplained

USER = "system:serviceaccount:stowage-system:stowage-operator"
APPLY = Request(USER, "", "patch", "apps", "deployments", "", "shop", "chat", 200)
PATCH: Grant = ("apps", "deployments", "", "patch")
CREATE: Grant = ("apps", "deployments", "", "create")
STATUS: Grant = ("apps", "deployments", "status", "patch")
CANNOT = (
    f'deployments.apps "chat" is forbidden: User "{USER}" cannot create resource "deployments" in API group'
)
QUOTA = 'deployments.apps "chat" is forbidden: exceeded quota: few, requested: count/deployments.apps=1'
OWNER = (
    'deployments.apps "chat" is forbidden: cannot set blockOwnerDeletion if an ownerReference refers to a '
    "resource you can't set finalizers on"
)


def test_what_was_never_asked_for_is_unused() -> None:
    found = compare_requests([APPLY], [PATCH, CREATE, STATUS])
    assert found == Comparison((), frozenset({CREATE, STATUS}), 1)


def test_an_apply_that_creates_uses_both_verbs() -> None:
    assert compare_requests([replace(APPLY, code=201)], [PATCH, CREATE]).unused == frozenset()


def test_a_subresource_is_a_right_of_its_own() -> None:
    assert compare_requests([replace(APPLY, subresource="status")], [PATCH, STATUS]).unused == {PATCH}


def test_a_missing_right_is_named_once_and_uses_nothing() -> None:
    forbidden = replace(APPLY, code=403, decision="forbid", message=CANNOT)
    found = compare_requests([forbidden, forbidden], [PATCH])
    assert found == Comparison((f"patch deployments.apps: {CANNOT}",), frozenset({PATCH}), 2)


def test_rights_that_are_asked_for_on_the_way_count_as_well() -> None:
    """The authorizer let the patch in; creating, and blocking the owner's deletion, were refused later."""
    for message in (CANNOT, OWNER):
        found = compare_requests([replace(APPLY, code=403, message=message)], [PATCH])
        assert found.refused == (f"patch deployments.apps: {message}",)


def test_what_a_starting_server_refuses_for_a_moment_is_no_missing_right() -> None:
    forbidden = replace(APPLY, code=403, decision="forbid", message=CANNOT)
    elsewhere = replace(APPLY, namespace="other")
    named = (f"patch deployments.apps: {CANNOT}",)
    assert compare_requests([APPLY, forbidden, replace(APPLY, name="a")], [PATCH]).refused == ()
    assert compare_requests([APPLY, forbidden], [PATCH]).refused == named
    assert compare_requests([forbidden, APPLY], [PATCH]).refused == named
    assert compare_requests([elsewhere, forbidden, elsewhere], [PATCH]).refused == named
    on_the_way = replace(APPLY, code=403, message=CANNOT)
    assert compare_requests([APPLY, on_the_way, APPLY], [PATCH]).refused == named


def test_a_server_that_does_not_know_a_new_kind_yet_misses_no_right() -> None:
    unknown = "cannot set blockOwnerDeletion in this case because cannot find RESTMapping for APIVersion"
    assert compare_requests([replace(APPLY, code=403, message=unknown)], [PATCH]).refused == ()


def test_what_one_log_shows_another_need_not(tmp_path: Path) -> None:
    used, other = tmp_path / "used.log", tmp_path / "other.log"
    allowed = event(USER, "allow") | {"responseStatus": {"code": 200}}
    used.write_text(json.dumps(allowed) + "\n")
    other.write_text("")
    assert compare([used, other], USER, [PATCH, STATUS]) == Comparison((), frozenset({STATUS}), 1)


def test_a_quota_is_no_missing_right() -> None:
    assert compare_requests([replace(APPLY, code=403, message=QUOTA)], [PATCH]).refused == ()


def test_excuses_must_be_needed() -> None:
    found = compare_requests([APPLY], [PATCH, STATUS])
    assert unexplained(found, {}) == ([STATUS], [])
    assert unexplained(found, {STATUS: "why"}) == ([], [])
    assert unexplained(found, {STATUS: "why", PATCH: "why"}) == ([], [PATCH])


def test_other_users_requests_count_for_nothing(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    users = ("system:serviceaccount:default:other", "kubernetes-admin", USER)
    log.write_text("".join(json.dumps(event(user, "forbid")) + "\n" for user in users))
    assert compare([log], USER, [PATCH]) == Comparison(
        ("patch deployments.apps: not for you",), frozenset({PATCH}), 1
    )


def event(user: str, decision: str) -> dict[str, Any]:
    return {
        "stage": "ResponseComplete",
        "user": {"username": user},
        "verb": "patch",
        "objectRef": {"apiGroup": "apps", "resource": "deployments", "namespace": "shop", "name": "chat"},
        "responseStatus": {"code": 403, "message": "not for you"},
        "annotations": {"authorization.k8s.io/decision": decision},
    }

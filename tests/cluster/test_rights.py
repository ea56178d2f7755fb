"""What the operator was refused, and what it may do and never did, over all clusters of this run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cluster.harness import JUDGED, USER
from tests.conftest import DESELECTED
from tests.meeting import FAILED, MEETING, wait_for, words
from tests.spread import has_an_operator

from devcluster.rights import compare, unexplained
from stowage.cluster.permissions import Grant, grants

pytestmark = [pytest.mark.cluster, pytest.mark.looks_back]

OTHERS_SECONDS = 600.0
"""How long is waited for the tests of the other process, which began at the same time."""
ACCOUNTS = USER.removesuffix("stowage-operator")
"""Also of the replicas of which each has a name of its own."""
EXCUSED: dict[Grant, str] = {
    ("stowage.dev", "inferencedeployments", "finalizers", "update"): (
        "admission asks for it, without a request; lacking it, this API server refuses every child"
    ),
}
"""Granted, and not to be seen in an audit log, with the reason why."""


def only_a_part_ran(session: pytest.Session) -> str:
    """Why this run can't tell what is never used; empty where all tests of the folder ran and passed."""
    here = {each.path for each in session.items}
    missing = [path.name for path in Path(__file__).parent.glob("test_*.py") if path not in here]
    if missing:
        return f"{', '.join(sorted(missing))} didn't run"
    if session.config.stash.get(DESELECTED, False) or any("::" in each for each in session.config.args):
        return "some tests of the folder didn't run"
    return "tests failed" if words(session.config, FAILED) else ""


def test_the_operator_was_refused_nothing_and_uses_all_that_it_may(request: pytest.FixtureRequest) -> None:
    config, session = request.config, request.session
    judged = [each for each in session.items if has_an_operator(each) and each is not request.node]
    wait_for(config, (each.nodeid for each in judged), OTHERS_SECONDS)
    logs = [each.with_name("audit.log") for each in sorted(config.stash[MEETING].parent.rglob(JUDGED))]
    if not logs:
        pytest.skip("no operator ran")
    found = compare(logs, ACCOUNTS, grants())
    assert found.requests > 0
    assert found.refused == (), "\n".join(found.refused)
    if part := only_a_part_ran(session):
        print(f"only refusals were looked for, not rights that are never used: {part}")
        return
    unused, needless = unexplained(found, EXCUSED)
    assert unused == [], "granted in stowage/cluster/permissions.py, and never asked for"
    assert needless == [], "excused here, and yet asked for"

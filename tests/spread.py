"""How ``make test`` shares the tests out to its processes: who waits for a cluster runs beside who computes.

What belongs to one cluster stays in one process, one after another, just as in a run of a single process.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from xdist.scheduler import LoadScopeScheduling

TESTS = Path(__file__).parent
OPERATOR = "the operator's"
SURVIVAL = "the operator's among faults"
SERVERS = "API servers'"
LONGEST = (OPERATOR, SURVIVAL, SERVERS)
"""These begin first; all else fits in beside them and after them, file by file."""
OF_FOLDER = {
    "cluster": OPERATOR,
    "survival": SURVIVAL,
    # A cluster for each folder.
    "api": SERVERS,
    "bench": SERVERS,
    "chart": SERVERS,
    "cluster_client": SERVERS,
    "devcluster": SERVERS,
    "manifests": SERVERS,
}


def group_of(path: str) -> str:
    """What a file's tests go with; `path` is seen from the folder of all tests."""
    return OF_FOLDER.get(PurePosixPath(path).parts[0], path)


def group_of_item(item: pytest.Item) -> str:
    return group_of(item.path.relative_to(TESTS).as_posix())


def turn(item: pytest.Item) -> int:
    """When a test's group begins, if there are several processes."""
    group = group_of_item(item)
    return LONGEST.index(group) if group in LONGEST else len(LONGEST)


def has_an_operator(item: pytest.Item) -> bool:
    """Whether the test is of those whose operators are judged at the end by what they asked for."""
    return group_of_item(item) in (OPERATOR, SURVIVAL)


class Groups(LoadScopeScheduling):
    """Hands whole groups to the processes, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0].removeprefix(f"{TESTS.name}/"))

"""What several folders share: one real API server that knows Stowage's kinds, and what is said at the end."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.meeting import ENDED, FAILED, leave_word, open_meeting
from tests.spread import Groups, has_an_operator, turn
from tests.survival.table import SURVIVED, table

from devcluster.cluster import LocalCluster
from devcluster.testing import ephemeral_cluster

DESELECTED = pytest.StashKey[bool]()
CRDS = Path(__file__).parents[1] / "crds"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The quick ones first, then those that break a cluster, and at the end what looks back at all of it.

    One of several processes begins with what takes longest, since the quick ones run in the other.
    """
    several = hasattr(config, "workerinput")
    items.sort(
        key=lambda item: (
            several and turn(item),
            item.get_closest_marker("looks_back") is not None,
            item.get_closest_marker("cluster") is not None,
            "survival" in item.path.parts,
        )
    )


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Groups:
    """Whole groups, in their order; see tests/spread.py."""
    config.option.loadscopereorder = False
    return Groups(config, log)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests measured, in whichever process they ran."""
    reports = [each for found in terminalreporter.stats.values() for each in found]
    done = [each for each in reports if isinstance(each, pytest.TestReport)]
    measured = [each for report in done if report.when == "call" for each in report.user_properties]
    if measured:
        terminalreporter.section("measured")
    for key, value in measured:
        terminalreporter.write_line(f"{key}: {value}")
    kept = [each for report in done if report.when == "teardown" for each in report.user_properties]
    faults = [value for key, value in kept if key == SURVIVED]
    if faults:
        terminalreporter.section(f"survival, seed {faults[-1]['seed']}")
    for line in table(faults):
        terminalreporter.write_line(line)


def pytest_deselected(items: list[pytest.Item]) -> None:
    """Remembers that only some of the collected tests run."""
    for item in items[:1]:
        item.config.stash[DESELECTED] = True


@pytest.fixture(scope="session", autouse=True)
def _meeting(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> None:
    open_meeting(pytestconfig, tmp_path_factory.getbasetemp())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tells the other processes how the tests ended on which the last one looks back."""
    report = yield
    if has_an_operator(item):
        if report.failed:
            leave_word(item.config, FAILED, item.nodeid)
        if report.when == "teardown":
            leave_word(item.config, ENDED, item.nodeid)
    return report


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    """A control plane with simulated kubelets and the five kinds, for the whole session."""
    with ephemeral_cluster(tmp_path_factory.mktemp("shared") / "cluster") as local:
        create_kinds(local)
        yield local


def create_kinds(local: LocalCluster) -> None:
    """Creates the CRDs, and waits until the API server serves and lists them all."""
    local.kubectl("apply", "--server-side", "-f", str(CRDS))
    local.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
    # Discovery lists a kind up to some seconds after it is established.
    wanted = len(list(CRDS.glob("*.yaml")))
    deadline = time.monotonic() + 60
    listing = ("api-resources", "--cached=false", "--categories=stowage", "-o", "name")
    while len(local.kubectl(*listing).stdout.splitlines()) < wanted:
        if time.monotonic() > deadline:
            raise TimeoutError("the API server doesn't list Stowage's kinds")
        time.sleep(0.1)

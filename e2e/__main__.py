"""``python -m e2e``: fetches and builds all that the suite needs, then runs it, in a sandbox where needed."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from devcluster import interrupts, node, sandbox
from devcluster.binaries import MODULE, ensure_binaries
from devcluster.children import run
from devcluster.entry import run_command
from devcluster.errors import StepError
from devcluster.locks import exclusive
from devcluster.registry import PROGRAM
from devcluster.steps import step
from e2e.clusters import ClusterKind
from e2e.images import ensure_images

STATE = MODULE.parent / ".cluster" / "e2e"
KIND_VARIABLE = "STOWAGE_E2E_CLUSTER"
STATE_VARIABLE = "STOWAGE_E2E_STATE"


def main(arguments: argparse.Namespace) -> int:
    """Run, and return pytest's exit code. 0 where there can be no cluster, after saying why."""
    if arguments.cluster is ClusterKind.LOCAL and (reason := sandbox.obstacle()):
        print(f"skipped: a node with real pods can't run here: {reason}")
        return 0
    with exclusive(STATE.with_suffix(".lock"), _refuse):
        return _run(arguments.cluster, arguments.pytest)


def _run(kind: ClusterKind, pytest: list[str]) -> int:
    with step("programs"):
        ensure_binaries()
        for tool in ("helm4", PROGRAM):
            ensure_binaries(tool)
        if kind is ClusterKind.LOCAL:
            node.prepare()
        else:
            ensure_binaries("kind")
            _check_docker()
    with step("images"):
        ensure_images()
    command = [sys.executable, "-m", "pytest", str(Path(__file__).parent), *pytest]
    environment = {**os.environ, KIND_VARIABLE: kind.value, STATE_VARIABLE: str(STATE)}
    if kind is ClusterKind.LOCAL:
        return sandbox.run_sandboxed(command, STATE.with_name("e2e-node"), environment)
    with interrupts.shielded():  # pytest gets the Ctrl-C too, and ends the cluster
        return os.waitstatus_to_exitcode(os.spawnvpe(os.P_WAIT, command[0], command, environment) << 8)


def _check_docker() -> None:
    try:
        answer = run(["docker", "info"], timeout=30)
    except FileNotFoundError:
        raise StepError("docker is not on PATH, and kind needs it") from None
    if answer.returncode != 0:
        raise StepError(f"no Docker daemon answers, and kind needs one: {answer.stderr.strip()}")


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m e2e", description=__doc__)
    parser.add_argument("--cluster", type=ClusterKind, default=ClusterKind.LOCAL, choices=list(ClusterKind))
    parser.add_argument("pytest", nargs="*", help="arguments of pytest, after --")
    return parser.parse_args()


def _refuse() -> None:
    raise StepError(f"another run of the suite works in {STATE.parent} now; end that one first")


if __name__ == "__main__":
    given = _parse()
    sys.exit(run_command(lambda: main(given)))

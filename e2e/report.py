"""What is shown of a cluster where a test fails."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from devcluster.errors import DevclusterError
from e2e.clusters import Cluster
from e2e.installation import NAMESPACE as OPERATOR_NAMESPACE
from e2e.platform import NAMESPACE

LOG_LINES = "60"
TIMEOUT_SECONDS = 30.0

_COMMANDS: Sequence[Sequence[str]] = (
    ("get", "nodes", "-o", "wide"),
    ("get", "pods,services,endpointslices", "-A", "-o", "wide"),
    ("get", "infd", "-A"),
    ("-n", NAMESPACE, "describe", "infd"),
    ("-n", NAMESPACE, "describe", "pods"),
    ("-n", OPERATOR_NAMESPACE, "describe", "pods"),
    ("get", "events", "-A", "--sort-by=.lastTimestamp"),
)


def collect(cluster: Cluster) -> str:
    """Objects, events, and the ends of all logs. Never raises."""
    parts = [_shown(cluster, command) for command in _COMMANDS]
    for namespace in (OPERATOR_NAMESPACE, NAMESPACE):
        names = _output(cluster, ("-n", namespace, "get", "pods", "-o", "name")).split()
        for name in names:
            parts.append(_shown(cluster, ("-n", namespace, "logs", name, f"--tail={LOG_LINES}")))
    return "\n".join([*parts, cluster.logs()])


def _shown(cluster: Cluster, command: Sequence[str]) -> str:
    return f"--- kubectl {' '.join(command)}\n{_output(cluster, command)}"


def _output(cluster: Cluster, command: Sequence[str]) -> str:
    try:
        answer = cluster.kubectl(*command, check=False, timeout=TIMEOUT_SECONDS)
    except (DevclusterError, OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return answer.stdout + answer.stderr

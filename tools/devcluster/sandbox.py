"""Runs a command where nothing it does to the machine can be seen outside, or outlives it.

A real node sets up networks, packet filters, mounts, control groups and processes that outlive whoever
started them. The command therefore gets network, mount and process namespaces of its own: when its first
process ends, by whatever cause, the kernel ends all others there, and addresses, rules and mounts
are gone with them. What the kernel leaves (empty control groups, a folder) the next run removes.
Any number of sandboxes can run side by side. Inside there is no way out to a network.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster import cgroups
from devcluster.binaries import MODULE, cache_root
from devcluster.children import run
from devcluster.locks import exclusive
from devcluster.packages import find

NAME_VARIABLE = "STOWAGE_SANDBOX"
"""Set inside to the sandbox's name, which its control group has too."""

NODE_ADDRESS = "172.31.255.1"
"""An address that only exists inside, on the loopback interface: pods reach node and API server by it."""

NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")
PROBE_TIMEOUT_SECONDS = 30.0

PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None, use_errno=True)


def obstacle() -> str:
    """Say why there can be no sandbox here; empty when there can."""
    if sys.platform != "linux":
        return f"it needs Linux, this is {sys.platform}"
    if os.geteuid() != 0:
        return "it needs root, for namespaces, mounts and packet filters"
    if not os.access(cgroups.ROOT, os.W_OK):
        return f"{cgroups.ROOT} can't be written to"
    answer = run([*_unshare(), "true"], timeout=PROBE_TIMEOUT_SECONDS)
    if answer.returncode != 0:
        return f"new namespaces can't be made: {answer.stderr.strip()}"
    return ""


def run_sandboxed(command: Sequence[str], scratch: Path, environment: Mapping[str, str]) -> int:
    """Run `command` in a sandbox and return its exit code.

    `scratch` is a folder on a disk for the images, containers and logs of the node inside; it is emptied
    before, and removed afterwards.
    """
    parent = os.getpid()
    name = f"{cgroups.PREFIX}{parent}"
    lock = cache_root(os.environ) / "sandbox.lock"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    inside = [*_unshare(), sys.executable, "-m", "devcluster.sandboxinit", str(scratch), *command]
    python_path = os.pathsep.join(filter(None, (str(MODULE), environment.get("PYTHONPATH"))))
    try:
        # Locked, so that nobody sweeps a group away before its first process is in it.
        with exclusive(lock, lambda: None):
            cgroups.sweep()
            child = subprocess.Popen(
                inside,
                env={**environment, NAME_VARIABLE: name, "PYTHONPATH": python_path},
                preexec_fn=lambda: _begin(name, parent),  # noqa: PLW1509 (it takes no locks)
            )
        return _wait(child)
    finally:
        with exclusive(lock, lambda: None):
            cgroups.sweep()
        shutil.rmtree(scratch, ignore_errors=True)


def inside() -> str | None:
    """Return the name of the sandbox that this process is in; None outside of any."""
    return os.environ.get(NAME_VARIABLE)


def _begin(name: str, parent: int) -> None:
    """In the child, before it becomes unshare: join the group, and end when the parent does, even killed."""
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        raise ProcessLookupError("the parent has ended")
    cgroups.enter(name)


def _wait(child: subprocess.Popen[bytes]) -> int:
    """Wait for the sandbox. A Ctrl-C reaches the command inside as well, which then ends in order."""
    try:
        return child.wait()
    except KeyboardInterrupt:
        return child.wait()
    except BaseException:
        child.kill()  # with it goes everything inside
        child.wait()
        raise


def _unshare() -> list[str]:
    return [
        find("unshare"),
        *NAMESPACES,
        "--fork",
        "--kill-child=KILL",
        "--mount-proc",
        "--propagation=private",
    ]

"""Programs of the system that a build needs: installed where we may, else named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from devcluster.children import run
from devcluster.errors import LOG_LINES_SHOWN, ToolError
from devcluster.locks import exclusive

LOCK = Path("/run/lock/stowage-apt.lock")


def ensure_programs(programs: Mapping[str, str]) -> None:
    """See to it that programs are there: a mapping of each program to its Debian package.

    As root on Debian or Ubuntu the missing ones are installed, and said so. Raises ToolError, naming the
    packages, where that can't be done.
    """
    packages = _missing(programs)
    if not packages:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolError(
            f"not installed: {', '.join(packages)}; as root this is done by itself on Debian and Ubuntu, "
            f"(apt-get install --no-install-recommends {' '.join(packages)}), elsewhere by you"
        )
    with exclusive(LOCK, lambda: print("another run installs packages; waiting for it", flush=True)):
        packages = _missing(programs)
        if packages:
            print(f"installing {', '.join(packages)} with apt-get", flush=True)
            _install(packages)


def _missing(programs: Mapping[str, str]) -> list[str]:
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    return sorted(
        {package for program, package in programs.items() if shutil.which(program, path=path) is None}
    )


def _install(packages: list[str]) -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update", "-q"], ["install", "-q", "-y", "--no-install-recommends", *packages]):
        answer = run(["apt-get", "-o", "DPkg::Lock::Timeout=300", *step], environment=environment)
        if answer.returncode != 0:
            end = "\n".join((answer.stdout + answer.stderr).splitlines()[-LOG_LINES_SHOWN:])
            raise ToolError(f"apt-get {step[0]} failed; install {', '.join(packages)} by hand:\n{end}")

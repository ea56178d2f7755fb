"""The programs of the system that a real node needs: installed when we may, named when we may not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster.children import run
from devcluster.errors import ToolError

CNI_FOLDER = Path("/usr/lib/cni")
"""Where Debian and Ubuntu put the network plugins."""

NODE_PACKAGES: Mapping[str, str] = {
    "runc": "runc",
    str(CNI_FOLDER / "ptp"): "containernetworking-plugins",
    "iptables": "iptables",
    "conntrack": "conntrack",
    "ip": "iproute2",
    "unshare": "util-linux",
    "mount": "mount",
}
"""Program, by name or path, to the Debian package that has it."""

APT_TIMEOUT_SECONDS = 900.0


def ensure_packages(wanted: Mapping[str, str] = NODE_PACKAGES) -> None:
    """Install the packages whose programs are missing.

    Raises ToolError that names them where they can't be installed: not root, or not Debian.
    """
    missing = sorted({package for program, package in wanted.items() if not _is_there(program)})
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise ToolError(f"needed and not installed: {', '.join(missing)} (names of Debian's packages)")
    print(f"installing with apt-get: {', '.join(missing)}", flush=True)
    _apt("update")
    _apt("install", "--yes", "--no-install-recommends", *missing)
    lacking = sorted({program for program in wanted if not _is_there(program)})
    if lacking:
        raise ToolError(f"still missing after apt-get install {' '.join(missing)}: {', '.join(lacking)}")


def find(program: str) -> str:
    """Return the path of an installed program. Raises ToolError when there is none."""
    path = shutil.which(program, path=_search_path())
    if path is None:
        raise ToolError(f"{program} is not installed")
    return path


def _is_there(program: str) -> bool:
    return shutil.which(program, path=_search_path()) is not None


def _search_path() -> str:
    """PATH, and the folders of system programs, which a user's PATH may lack."""
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin"))


def _apt(*arguments: str) -> None:
    command: Sequence[str] = ("apt-get", "--quiet", "-o", "DPkg::Lock::Timeout=600", *arguments)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    result = run(command, environment=environment, timeout=APT_TIMEOUT_SECONDS)
    if result.returncode != 0:
        raise ToolError(f"{' '.join(command)} failed: {result.stderr.strip() or result.stdout.strip()}")

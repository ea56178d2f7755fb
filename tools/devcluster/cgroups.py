"""Control groups of sandboxes: made, entered, and removed when nothing lives in them any more.

Versions 1 (a hierarchy for each controller) and 2 (one for all) of the kernel's control groups.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PREFIX = "stowage-"

PODS = "pods"
"""The part of a group that a kubelet makes its pods' groups in."""
OWN = "own"
"""The part that all else in the sandbox is in: a group of version 2 holds either processes or groups."""


def hierarchies(root: Path = ROOT) -> list[Path]:
    """Return the folder of each hierarchy; one with version 2."""
    if (root / "cgroup.controllers").exists():
        return [root]
    # /sys/fs/cgroup/cpu may be a link to /sys/fs/cgroup/cpu,cpuacct.
    return [
        each for each in sorted(root.iterdir()) if (each / "cgroup.procs").exists() and not each.is_symlink()
    ]


def enter(name: str) -> None:
    """Make a group in every hierarchy, and move this process, and so its later children, into it."""
    for hierarchy in hierarchies():
        group = hierarchy / name
        for part in (group / PODS, group / OWN):
            part.mkdir(parents=True)
        if (hierarchy / "cgroup.controllers").exists():
            _delegate(hierarchy)
            _delegate(group)
        _inherit_processors(group)
        (group / OWN / "cgroup.procs").write_text(str(os.getpid()))


def sweep() -> list[str]:
    """Remove the groups of sandboxes that have ended, and return their names."""
    removed = set()
    for hierarchy in hierarchies():
        for group in hierarchy.glob(f"{PREFIX}*"):
            if not _is_inhabited(group) and _remove(group):
                removed.add(group.name)
    return sorted(removed)


def _delegate(group: Path) -> None:
    """Let the groups below have all controllers that this one has."""
    controllers = (group / "cgroup.controllers").read_text().split()
    for each in controllers:
        with suppress(OSError):  # one that can't be had there isn't used
            (group / "cgroup.subtree_control").write_text(f"+{each}")


def _inherit_processors(group: Path) -> None:
    """With version 1 a new group has no processors, and nothing can enter it."""
    for each in (group, group / PODS, group / OWN):
        for file in ("cpuset.cpus", "cpuset.mems"):
            if (each / file).exists() and (group.parent / "cgroup.clone_children").exists():
                (each / file).write_text((each.parent / file).read_text())


def _is_inhabited(group: Path) -> bool:
    with suppress(FileNotFoundError):
        return any(file.read_text().strip() for file in group.rglob("cgroup.procs"))
    return True  # it changes at this moment, so somebody is there


def _remove(group: Path) -> bool:
    """Remove a group and those below it, the deepest first. False where the kernel says that it is in use."""
    folders = [group, *(Path(folder) for folder, _, _ in os.walk(group))]
    try:
        for each in sorted(set(folders), key=lambda path: len(path.parts), reverse=True):
            each.rmdir()
    except OSError:
        return False
    return True

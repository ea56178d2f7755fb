"""The first process of a sandbox: ``python -m devcluster.sandboxinit SCRATCH COMMAND [ARGUMENT...]``.

Gives the sandbox folders of its own at the usual places, its network, and ends with the command's exit
code. As the first process of a process namespace it inherits orphans, and takes note of their ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from devcluster.packages import find
from devcluster.sandbox import NODE_ADDRESS

OWN_FOLDERS = ("/run", "/var/lib/containerd", "/var/lib/kubelet", "/var/lib/cni", "/var/log")
"""What containerd, the kubelet and the network plugins write to, here with nothing in them."""

OWN_SETTINGS = (
    "/proc/sys/vm/overcommit_memory",
    "/proc/sys/vm/panic_on_oom",
    "/proc/sys/kernel/panic",
    "/proc/sys/kernel/panic_on_oops",
    "/proc/sys/kernel/keys/root_maxkeys",
    "/proc/sys/kernel/keys/root_maxbytes",
)
"""What a kubelet sets for the whole machine at its start. It gets files to write to instead."""

NODES = Path("/sys/devices/system/node")
PROCESSORS = 6
"""How many the node says to have at the least: a replica on a CPU takes a whole one, and a roll needs one
more. On a machine with fewer the pods share what there is."""


def main() -> int:
    """Set up, run the command, and return its exit code."""
    scratch, command = Path(sys.argv[1]), sys.argv[2:]
    # Shared among the mounts inside: pods may ask for it. Outside was cut off by unshare.
    _run("mount", "--make-rshared", "/")
    for folder in OWN_FOLDERS:
        _bind(scratch / "root" / folder.strip("/"), Path(folder))
    for setting in OWN_SETTINGS:
        _shadow(scratch / "settings", Path(setting))
    _show_processors(scratch / "processors", PROCESSORS)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{NODE_ADDRESS}/32", "dev", "lo")
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    return _run_to_its_end(command)


def _bind(own: Path, place: Path) -> None:
    """Put a new folder at a place."""
    own.mkdir(parents=True)
    place.mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", str(own), str(place))


def _shadow(folder: Path, setting: Path) -> None:
    """Put a file with the same content at a setting's place."""
    if not setting.exists():
        return
    folder.mkdir(exist_ok=True)
    own = folder / "-".join(setting.parts[3:])
    own.write_text(setting.read_text())
    _run("mount", "--bind", str(own), str(setting))


def _show_processors(folder: Path, wanted: int) -> None:
    """Show the processors as often as it takes, each time as those of another memory node.

    The kubelet counts them so, and knows them by their numbers where it uses them.
    """
    real = NODES / "node0"
    if not real.is_dir():
        return
    processors = sorted(Path("/sys/devices/system/cpu").glob("cpu[0-9]*"))
    for number in range(-(-wanted // len(processors))):
        node = folder / f"node{number}"
        node.mkdir(parents=True)
        for file in ("meminfo", "distance"):
            (node / file).write_text((real / file).read_text())
        (node / "hugepages").symlink_to("/sys/kernel/mm/hugepages")
        for each in processors:
            (node / each.name).symlink_to(each)
    _run("mount", "--bind", str(folder), str(NODES))


def _run(program: str, *arguments: str) -> None:
    subprocess.run([find(program), *arguments], check=True)


def _run_to_its_end(command: list[str]) -> int:
    # A Ctrl-C is for the command. A function, since what is ignored would be so in the command too.
    signal.signal(signal.SIGINT, lambda *_: None)
    child = subprocess.Popen(command)
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)
            return child.returncode if child.returncode >= 0 else 128 - child.returncode


if __name__ == "__main__":
    sys.exit(main())

"""Free TCP ports on the loopback address."""

from __future__ import annotations

import random
import socket
from itertools import islice
from pathlib import Path

LOOPBACK = "127.0.0.1"
LOWEST = 10_000
"""Well above what known services listen on."""

_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")
_CHANCE = random.SystemRandom()
"""Not the module's: two processes with the same seed would choose the same ports."""


def free_ports(count: int) -> list[int]:
    """Return `count` different ports that nothing listens on at this moment.

    They are none of those that the kernel gives to outgoing connections and to servers that leave the
    choice to it: a server that is killed and started again would find its port taken now and then.
    Another caller may still take one before it is used, so a caller must be ready to ask again.

    Raises:
        OSError: there aren't so many.
    """
    first, last = map(int, _EPHEMERAL.read_text().split())
    candidates = [*range(LOWEST, first), *range(last + 1, 65536)] or list(range(first, last + 1))
    _CHANCE.shuffle(candidates)
    free = list(islice(filter(_is_free, candidates), count))
    if len(free) < count:
        raise OSError(f"{count} free ports were wanted, there are {len(free)}")
    return free


def _is_free(port: int) -> bool:
    with socket.socket() as attempt:
        try:
            attempt.bind((LOOPBACK, port))
        except OSError:
            return False
    return True

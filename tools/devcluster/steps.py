"""Says which step of a command is at work, and names it when it fails."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from devcluster.errors import DevclusterError, StepError


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announce a step, and say how long it took. Its failure becomes a StepError that names it."""
    print(f"==> {title}", flush=True)
    started = time.monotonic()
    try:
        yield
    except (DevclusterError, OSError, subprocess.TimeoutExpired) as error:
        raise StepError(f"step failed: {title}\n{error}") from error
    print(f"    done in {time.monotonic() - started:.1f} s", flush=True)

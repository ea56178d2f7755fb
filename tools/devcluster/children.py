"""Runs a program to its end, and leaves nothing of it behind when we are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import IO

from devcluster.interrupts import shielded


def run(
    command: Sequence[str],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
    input: str | None = None,
    output: IO[bytes] | None = None,
    timeout: float | None = None,
) -> CompletedProcess[str]:
    """Run a program and return its status and, unless they go to `output`, its two outputs.

    In a process group of its own, so that what it started ends with it. Raises FileNotFoundError
    when there is no such program and subprocess.TimeoutExpired after `timeout` seconds.
    """
    child: subprocess.Popen[str] | None = None
    try:
        with shielded():
            child = subprocess.Popen(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
                stdout=output or subprocess.PIPE,
                stderr=output or subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        stdout, stderr = child.communicate(input, timeout)
    except BaseException:
        with shielded():
            if child is not None:
                _end(child)
        raise
    return CompletedProcess(command, child.returncode, stdout or "", stderr or "")


def _end(child: subprocess.Popen[str]) -> None:
    """Kill a whole group."""
    if child.poll() is None:
        # Not reaped yet, so its pid, and with it the group's id, can't be anyone else's.
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None and not stream.closed:
            stream.close()

"""Runs the operator of this tree as a process on this machine."""

from __future__ import annotations

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from devcluster.errors import LOG_LINES_SHOWN, ComponentError
from devcluster.ports import LOOPBACK, free_ports
from devcluster.processes import Command, Lifetime, ProcessRecord, ProcessTable, start_process

NAME = "operator"
START_TIMEOUT_SECONDS = 60.0
START_ATTEMPTS = 3
POLL_SECONDS = 0.1
PORT_TAKEN = "address already in use"


class OperatorProcess:
    """The operator, started from a tree against one cluster, with its log in the state folder."""

    def __init__(
        self,
        root: Path,
        state: Path,
        kubeconfig: Path,
        table: ProcessTable,
        lifetime: Lifetime = Lifetime.DETACHED,
        *,
        name: str = NAME,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] = MappingProxyType({}),
        patience: float = START_TIMEOUT_SECONDS,
    ) -> None:
        """Args:
        name: of the process in the table, and of its log.
        arguments: further ones of ``stowage operator run``.
        environment: further variables.
        patience: seconds until it must be ready.
        """
        self.name = name
        self._arguments = arguments
        self._environment = environment
        self._patience = patience
        self._root = root
        self._kubeconfig = kubeconfig
        self._table = table
        self._lifetime = lifetime
        self.log = state / f"{name}.log"

    def restart(self) -> None:
        """End the one that runs, if any, and start one with the present code; wait until ready.

        Raises ComponentError. The health port may be taken before the operator binds it, so a
        start that fails for this reason is repeated.
        """
        self._table.stop([self.name])
        for attempt in range(1, START_ATTEMPTS + 1):
            try:
                self._start()
                return
            except ComponentError as error:
                self._table.stop([self.name])
                port_was_taken = any(PORT_TAKEN in line for line in error.log_lines)
                if not port_was_taken or attempt == START_ATTEMPTS:
                    raise

    def check_alive(self) -> None:
        """Raise ComponentError when it has ended."""
        for record in self._table.records():
            if record.name == self.name and not record.is_alive():
                raise ComponentError(self.name, "ended", self.log_tail())

    def log_tail(self) -> list[str]:
        """Return the last lines of its log."""
        if not self.log.exists():
            return []
        return self.log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:]

    def _start(self) -> None:
        self.log.unlink(missing_ok=True)
        (port,) = free_ports(1)
        record = start_process(self._command(port), self._table, self._lifetime)
        self._wait_ready(record, port)

    def _command(self, port: int) -> Command:
        python_path = os.pathsep.join(
            filter(None, (str(self._root / "operator"), os.environ.get("PYTHONPATH")))
        )
        environment = {
            **os.environ,
            "KUBECONFIG": str(self._kubeconfig),
            "PYTHONPATH": python_path,
            "PYTHONUNBUFFERED": "1",
            **self._environment,
        }
        arguments = [sys.executable, "-m", "stowage", "operator", "run", "--health-port", str(port)]
        return Command(self.name, [*arguments, *self._arguments], self.log, self._root, environment)

    def _wait_ready(self, record: ProcessRecord, port: int) -> None:
        deadline = time.monotonic() + self._patience
        while not _answers(f"http://{LOOPBACK}:{port}/readyz"):
            if not record.is_alive():
                raise ComponentError(self.name, "ended", self.log_tail())
            if time.monotonic() > deadline:
                problem = f"not ready after {self._patience:.0f} s"
                raise ComponentError(self.name, problem, self.log_tail())
            time.sleep(POLL_SECONDS)


def _answers(url: str) -> bool:
    """Whether a GET is answered with 200."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2.0) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False

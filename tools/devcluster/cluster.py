"""Boots and ends a control plane."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from devcluster.api import ApiProbe, etcd_is_healthy
from devcluster.binaries import ensure_binaries
from devcluster.components import (
    API_SERVER,
    BOOT_ORDER,
    CONTROLLER_MANAGER,
    ETCD,
    ETCD_SOCKET_FILE,
    Credentials,
    arguments,
)
from devcluster.errors import LOG_LINES_SHOWN, ComponentError, ForeignStateError
from devcluster.interrupts import shielded
from devcluster.kubectl import Kubectl
from devcluster.ports import LOOPBACK, free_ports
from devcluster.processes import Command, Lifetime, ProcessRecord, ProcessTable, start_process

BOOT_TIMEOUT_SECONDS = 120.0
BOOT_ATTEMPTS = 3
POLL_SECONDS = 0.05
PORT_TAKEN = "address already in use"


class LocalCluster:
    """etcd, API server, controller manager, scheduler and kwok, on the loopback address.

    Everything that it writes lies in `state`, its own folder. Any number can run side by side.
    """

    def __init__(
        self,
        state: Path,
        lifetime: Lifetime = Lifetime.EPHEMERAL,
        address: str = LOOPBACK,
        *,
        node_leases: bool = True,
    ) -> None:
        self.state = state.absolute()
        self.lifetime = lifetime
        self.address = address
        """Where the API server listens. Pods on a real node need one that isn't loopback."""
        self.node_leases = node_leases
        """Whether simulated nodes have Leases: not where kwok is to be killed, see ``kwok_arguments``."""
        self.kubeconfig = self.state / "kubeconfig"
        """Of the administrator."""
        self.audit_log = self.state / "audit.log"
        """One JSON line per request, see ``devcluster.audit``."""
        self.kubectl = Kubectl(self.kubeconfig)
        """Runs kubectl as administrator of this cluster."""
        self.processes = ProcessTable(self.state / "processes.json")
        self.credentials: Credentials | None = None
        """Of the cluster that this object booted."""
        self._commands: dict[str, list[str]] = {}

    def __enter__(self) -> LocalCluster:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Boot, and return when a pod could be created.

        A cluster left over in the state folder is ended and replaced. On failure, or when
        interrupted, nothing stays running. Raises ComponentError with the end of the log.
        """
        binaries = ensure_binaries()
        for attempt in range(1, BOOT_ATTEMPTS + 1):
            try:
                self._boot(binaries)
                return
            except ComponentError as error:
                self.stop()
                port_was_taken = any(PORT_TAKEN in line for line in error.log_lines)
                if not port_was_taken or attempt == BOOT_ATTEMPTS:
                    raise
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End the recorded processes, the last one first. The state folder stays, for its logs."""
        with shielded():
            self.processes.stop()

    def kill(self, component: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End one component, as a crash does; the others go on without it."""
        (record,) = [each for each in self.processes.alive() if each.name == component]
        record.signal(number)
        self.processes.stop([component])

    def revive(self, component: str, timeout: float = BOOT_TIMEOUT_SECONDS) -> None:
        """Start a component that ``kill`` ended, on the same port and data, and wait until pods could be
        created. Only the object that booted the cluster can. Raises ComponentError."""
        self.launch(component, self._commands[component])
        self.wait_ready(timeout)

    def running(self) -> bool:
        """Whether every component is alive."""
        alive = {each.name for each in self.processes.alive()}
        return alive.issuperset(BOOT_ORDER)

    def log_file(self, component: str) -> Path:
        """Return where a component's output goes."""
        return self.state / "logs" / f"{component}.log"

    def log_tail(self, component: str, lines: int = LOG_LINES_SHOWN) -> list[str]:
        """Return the last lines of a component's log."""
        try:
            content = self.log_file(component).read_text(errors="replace")
        except FileNotFoundError:
            return []
        return content.splitlines()[-lines:]

    def wait_ready(self, timeout: float = BOOT_TIMEOUT_SECONDS) -> None:
        """Wait until /readyz says yes and the first namespace can take pods."""
        probe = ApiProbe(self.kubeconfig)
        deadline = time.monotonic() + timeout
        self.wait_for(API_SERVER, lambda: probe.succeeds("/readyz"), deadline)
        # The ServiceAccount admission refuses pods until the controller manager made this one.
        account = "/api/v1/namespaces/default/serviceaccounts/default"
        self.wait_for(CONTROLLER_MANAGER, lambda: probe.succeeds(account), deadline)

    def _boot(self, binaries: Path) -> None:
        self._fresh_state()
        (port,) = free_ports(1)
        server = f"https://{self.address}:{port}"
        credentials = Credentials.make(self.state, server, self.kubeconfig, self.address)
        self.credentials = credentials
        deadline = time.monotonic() + BOOT_TIMEOUT_SECONDS
        probe = ApiProbe(self.kubeconfig)
        all_arguments = arguments(self.state, port, credentials, self.address, node_leases=self.node_leases)
        for component, its_arguments in all_arguments.items():
            self.launch(component, [str(binaries / component), *its_arguments])
            if component == ETCD:
                self.wait_for(ETCD, lambda: etcd_is_healthy(self.state, ETCD_SOCKET_FILE), deadline)
            if component == API_SERVER:
                self.wait_for(API_SERVER, lambda: probe.succeeds("/readyz"), deadline)
        self.wait_ready(deadline - time.monotonic())

    def _fresh_state(self) -> None:
        """Empty the state folder, after ending what still runs from it."""
        occupied = self.state.is_dir() and any(self.state.iterdir())
        if occupied and not self.processes.path.exists():
            raise ForeignStateError(f"{self.state} is not empty and not a cluster's state folder")
        self.stop()
        shutil.rmtree(self.state, ignore_errors=True)
        self.state.mkdir(parents=True, mode=0o700)
        self.processes.clear()
        (self.state / "logs").mkdir()

    def launch(self, component: str, command: list[str]) -> ProcessRecord:
        """Start a process of this cluster, which ``stop`` ends, and whose end ``wait_for`` notices."""
        self._commands[component] = command
        log = self.log_file(component)
        return start_process(Command(component, command, log, self.state), self.processes, self.lifetime)

    def wait_for(self, component: str, done: Callable[[], bool], deadline: float) -> None:
        """Wait for a component, and notice at once when any of them has ended.

        `deadline` is of the monotonic clock. Raises ComponentError.
        """
        while not done():
            for record in self.processes.records():
                if not record.is_alive():
                    raise ComponentError(record.name, "ended", self.log_tail(record.name))
            if time.monotonic() > deadline:
                raise ComponentError(component, "not ready in time", self.log_tail(component))
            time.sleep(POLL_SECONDS)

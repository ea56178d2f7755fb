"""Waits until the samples are where they should be, and shows what is still waited for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.status import Status

from devcluster.errors import StepError
from devcluster.kubectl import Kubectl
from devcluster.workloads import Workload

POLL_SECONDS = 0.5
REPEAT_SECONDS = 15.0
"""How often a log without a terminal is told that nothing has changed."""

PLURAL = "inferencedeployments.stowage.dev"


def read_workloads(kubectl: Kubectl, names: Sequence[str] | None = None) -> list[Workload]:
    """Return the InferenceDeployments of the cluster, or those of them with these names."""
    items = kubectl.json("get", PLURAL, "--all-namespaces")["items"]
    workloads = [Workload(each) for each in items]
    return [each for each in workloads if names is None or each.name in names]


def wait_until_settled(
    kubectl: Kubectl, names: Sequence[str], timeout: float, check_alive: Callable[[], None]
) -> list[Workload]:
    """Wait for all of `names` and return them. `check_alive` raises when waiting has no use.

    Raises StepError with what was still waited for after `timeout` seconds.
    """
    deadline = time.monotonic() + timeout
    with _Line() as line:
        while True:
            workloads = read_workloads(kubectl, names)
            pending = [each.waiting_for for each in workloads if not each.settled]
            if not pending and len(workloads) == len(names):
                return workloads
            left = deadline - time.monotonic()
            text = f"{len(names) - len(pending)} of {len(names)} settled; waiting for {', '.join(pending)}"
            if left < 0:
                raise StepError(f"not settled after {timeout:.0f} s: {', '.join(pending)}")
            line.show(text, f"{left:.0f} s left")
            check_alive()
            time.sleep(POLL_SECONDS)


class _Line:
    """A line that is replaced on a terminal, and repeated sparingly elsewhere."""

    def __init__(self) -> None:
        console = Console()
        self._status = Status("", console=console) if console.is_terminal else None
        self._shown = ""
        self._shown_at = 0.0

    def __enter__(self) -> _Line:
        if self._status:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status:
            self._status.stop()

    def show(self, text: str, suffix: str) -> None:
        """Show the text; the suffix alone is no reason to print it again."""
        if self._status:
            self._status.update(f"{text} ({suffix})".replace("[", r"\["))
        elif text != self._shown or time.monotonic() - self._shown_at > REPEAT_SECONDS:
            print(f"    {text} ({suffix})", flush=True)
            self._shown, self._shown_at = text, time.monotonic()

"""The errors of this package.

DevclusterError
├── ToolError           a program is not installed, or too old; the message says what to install
├── BuildError          ``go build`` failed; carries the end of its output
├── ComponentError      a process ended or did not get ready; carries the end of its log
├── KubectlError        kubectl ended non-zero; carries its stderr
├── ForeignStateError   the state folder holds files that are not ours
├── FleetError          the fleet's data is not what the loader reads
└── StepError           a step of the demo could not be done
"""

from __future__ import annotations

LOG_LINES_SHOWN = 20
"""How many log lines an error carries: enough to see the cause, few enough to read."""


class DevclusterError(Exception):
    """The base of all errors that a command prints without a traceback."""


class ToolError(DevclusterError):
    """A program is not installed or too old."""


class BuildError(DevclusterError):
    """A binary could not be built."""

    def __init__(self, name: str, output: list[str]) -> None:
        self.name = name
        self.output = output
        super().__init__("\n".join([f"building {name} failed", *output]))


class ComponentError(DevclusterError):
    """A process of the cluster ended, or did not get ready in time."""

    def __init__(self, component: str, problem: str, log_lines: list[str]) -> None:
        self.component = component
        self.log_lines = log_lines
        shown = [f"  {line}" for line in log_lines] or ["  (its log is empty)"]
        super().__init__("\n".join([f"{component}: {problem}; the end of its log:", *shown]))


class KubectlError(DevclusterError):
    """kubectl ended with a status other than zero."""

    def __init__(self, arguments: tuple[str, ...], returncode: int, stderr: str) -> None:
        self.arguments = arguments
        self.returncode = returncode
        self.stderr = stderr
        super().__init__(f"kubectl {' '.join(arguments)} ended with {returncode}: {stderr.strip()}")


class ForeignStateError(DevclusterError):
    """The state folder was not made by this package, so it is neither used nor removed."""


class FleetError(DevclusterError):
    """The data of the simulated fleet is wrong."""


class StepError(DevclusterError):
    """A step of the demo could not be done."""

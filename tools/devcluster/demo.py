"""The demo: a cluster, the operator of this tree, a simulated fleet, the samples, and a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.binaries import ensure_binaries
from devcluster.components import KWOK, kwok_arguments
from devcluster.errors import LOG_LINES_SHOWN, ComponentError, StepError
from devcluster.fleet import apply_fleet, load_fleet, nodes_of, wait_for_nodes
from devcluster.interrupts import shielded
from devcluster.kubectl import Kubectl
from devcluster.operatorprocess import OperatorProcess
from devcluster.processes import Command, Lifetime, start_process
from devcluster.report import placements_table, report_console
from devcluster.settle import wait_until_settled
from devcluster.state import StateFolder
from devcluster.steps import step
from devcluster.targets import LocalTarget, Target, TargetKind, make_target
from devcluster.workloads import Workload

KIND = "InferenceDeployment"
ESTABLISHED_TIMEOUT = "30s"


@dataclass(frozen=True)
class Options:
    """What the user asked for."""

    root: Path
    """The tree that holds operator/, crds/ and manifests/samples/."""
    state: Path
    cluster: TargetKind = TargetKind.LOCAL
    simulate: bool | None = None
    """None: where the cluster is ours, but not in the user's own."""
    deadline: float = 180.0
    """Seconds until all samples must be settled."""


def run_demo(options: Options) -> None:
    """Run the demo; the cluster and the operator stay, see ``end_demo``.

    When any step fails, or on an interruption, nothing stays running; the logs stay.
    """
    state = StateFolder(options.state)
    with state.locked():
        target = _target(options.cluster, state)
        try:
            workloads = _run_steps(options, state, target)
        except BaseException:
            _clean_up(state, target)
            raise
    report_console().print(placements_table(workloads))
    _print_usage(state)


def boot_only(path: Path) -> None:
    """Boot the local cluster and leave it running."""
    state = StateFolder(path)
    with state.locked():
        target = _target(TargetKind.LOCAL, state)
        try:
            with step("binaries"):
                ensure_binaries()
            with step(target.title):
                target.bring_up()
        except BaseException:
            _clean_up(state, target)
            raise
    _print_usage(state)


def end_demo(path: Path) -> bool:
    """End what the demo started and remove its state folder; False when there was none."""
    state = StateFolder(path)
    with state.locked():
        if not state.exists():
            return False
        target = make_target(TargetKind(state.cluster), state)
        state.stop_processes()
        target.dispose()
        state.remove()
    return True


def _target(kind: TargetKind, state: StateFolder) -> Target:
    """Return the target. Raises StepError when an earlier demo uses another kind of cluster."""
    other = state.exists() and state.cluster != kind
    if other and (state.processes.alive() or state.cluster == TargetKind.KIND):
        raise StepError(f"a demo on --cluster {state.cluster} is there; end it with `make down` first")
    return make_target(kind, state)


def _clean_up(state: StateFolder, target: Target) -> None:
    with shielded():
        state.stop_processes()
        target.after_failure()


def _run_steps(options: Options, state: StateFolder, target: Target) -> list[Workload]:
    """Do all steps, and return the samples as they ended."""
    with step("binaries"):
        ensure_binaries()
    with step(target.title):
        target.bring_up()
    kubectl = Kubectl(state.kubeconfig)
    with step("apply crds/ and wait until they are established"):
        _apply_crds(kubectl, options.root / "crds")
    operator = OperatorProcess(options.root, state.path, state.kubeconfig, state.processes)
    with step("start the operator"):
        operator.restart()
    simulate = target.simulated_by_default if options.simulate is None else options.simulate
    if simulate:
        with step("add the simulated fleet"):
            _simulate(kubectl, state, target)
    with step("apply manifests/samples/"):
        names = _apply_samples(kubectl, options.root / "manifests" / "samples")
    with step(f"wait until all {len(names)} samples are settled"):
        return _settle(kubectl, names, options.deadline, operator, state)


def _apply_crds(kubectl: Kubectl, folder: Path) -> None:
    kubectl("apply", "--server-side", "-f", str(folder))
    wait = ("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_TIMEOUT}")
    kubectl(*wait, "-f", str(folder))


def _simulate(kubectl: Kubectl, state: StateFolder, target: Target) -> None:
    """Add the fleet. A cluster that is not ours has no kwok, so ours runs beside it."""
    if not isinstance(target, LocalTarget):
        print("    the nodes are simulated: kwok runs on this machine, and plays their kubelets", flush=True)
        state.processes.stop([KWOK])
        program = str(ensure_binaries() / KWOK)
        command = [program, *kwok_arguments(state.kubeconfig)]
        log = state.logs / f"{KWOK}.log"
        start_process(Command(KWOK, command, log, state.path), state.processes, Lifetime.DETACHED)
    nodes = nodes_of(load_fleet())
    apply_fleet(kubectl, nodes)
    wait_for_nodes(kubectl, nodes)
    print(f"    {len(nodes)} nodes are ready", flush=True)


def _apply_samples(kubectl: Kubectl, folder: Path) -> list[str]:
    """Apply the samples and return the names of those that are to be placed."""
    source = ("-k",) if (folder / "kustomization.yaml").exists() else ("--recursive", "-f")
    applied = kubectl.json("apply", *source, str(folder))
    items = applied["items"] if applied["kind"] == "List" else [applied]
    names = [Workload(each).name for each in items if each["kind"] == KIND]
    if not names:
        raise StepError(f"{folder} holds no {KIND}")
    return names


def _settle(
    kubectl: Kubectl, names: Sequence[str], timeout: float, operator: OperatorProcess, state: StateFolder
) -> list[Workload]:
    def check_alive() -> None:
        operator.check_alive()
        for record in state.processes.records():
            if not record.is_alive():
                raise ComponentError(record.name, "ended", _log_tail(state, record.name))

    try:
        return wait_until_settled(kubectl, names, timeout, check_alive)
    except StepError as error:
        raise ComponentError("operator", str(error), operator.log_tail()) from error


def _log_tail(state: StateFolder, component: str) -> list[str]:
    log = state.logs / f"{component}.log"
    return log.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:] if log.exists() else []


def _print_usage(state: StateFolder) -> None:
    """Say how to look around and how to end it."""
    lines = [
        f"export PATH={ensure_binaries()}:$PATH    # the kubectl of this Kubernetes version",
        f"export KUBECONFIG={state.kubeconfig}",
        "kubectl get infd -A",
        "make down    # ends everything that was started here",
    ]
    print("\n".join(["", *lines]), flush=True)

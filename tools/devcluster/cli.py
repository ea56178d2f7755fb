"""The commands of ``python -m devcluster``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from devcluster import demo as demos
from devcluster.binaries import MODULE, ensure_binaries
from devcluster.errors import DevclusterError
from devcluster.kubectl import Kubectl
from devcluster.report import placements_table, report_console
from devcluster.settle import read_workloads
from devcluster.state import StateFolder
from devcluster.targets import TargetKind

REPOSITORY = MODULE.parent
DEFAULT_STATE = REPOSITORY / ".cluster" / "demo"

app = typer.Typer(
    help="A real Kubernetes control plane on this machine, with simulated accelerators.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

State = Annotated[Path, typer.Option(help="The state folder of the demo.")]
Root = Annotated[Path, typer.Option(help="The tree with operator/, crds/ and manifests/samples/.")]
Cluster = Annotated[
    TargetKind,
    typer.Option(help="local: our own control plane; current: your kube context; kind: in Docker."),
]
Simulate = Annotated[
    bool | None,
    typer.Option(help="Add simulated nodes. Default: yes, but not in your own cluster."),
]
Deadline = Annotated[float, typer.Option(help="Seconds until all samples must be settled.", min=1)]


@app.command()
def demo(
    cluster: Cluster = TargetKind.LOCAL,
    simulate: Simulate = None,
    deadline: Deadline = 180.0,
    state: State = DEFAULT_STATE,
    root: Root = REPOSITORY,
) -> None:
    """Run the operator of this tree on a fleet of simulated accelerators, and show what it decides."""
    demos.run_demo(demos.Options(root.absolute(), state, cluster, simulate, deadline))


@app.command()
def up(state: State = DEFAULT_STATE) -> None:
    """Boot the local cluster only, and leave it running."""
    demos.boot_only(state)


@app.command()
def down(state: State = DEFAULT_STATE) -> None:
    """End exactly what was started here, and remove its state folder."""
    print("everything was ended" if demos.end_demo(state) else "nothing is there to end")


@app.command()
def status(state: State = DEFAULT_STATE) -> None:
    """Show the processes, and where the samples are."""
    folder = StateFolder(state)
    if not folder.exists():
        print("no cluster was started here")
        return
    for record in folder.processes.records():
        print(f"{record.name:26}{record.pid:8}  {'alive' if record.is_alive() else 'ended'}")
    print(f"export KUBECONFIG={folder.kubeconfig}")
    try:
        workloads = read_workloads(Kubectl(folder.kubeconfig))
    except DevclusterError as error:
        print(f"placements can't be read: {error}")
        return
    report_console().print(placements_table(workloads))


@app.command()
def binaries() -> None:
    """Build the pinned programs where needed, and print the folder that they are in."""
    print(ensure_binaries())

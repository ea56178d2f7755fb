"""The demo from outside: its table, its failures by name, and that it leaves no process behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from devcluster.binaries import MODULE
from devcluster.processes import ProcessTable, wait_until_gone

pytestmark = pytest.mark.cluster

STANDIN = Path(__file__).with_name("standin_operator.py")
TIMEOUT = 120.0

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: inferencedeployments.stowage.dev}
spec:
  group: stowage.dev
  scope: Namespaced
  names: {plural: inferencedeployments, singular: inferencedeployment, kind: InferenceDeployment}
  versions:
  - name: v1alpha1
    served: true
    storage: true
    subresources: {status: {}}
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"""
SAMPLES = """
apiVersion: stowage.dev/v1alpha1
kind: InferenceDeployment
metadata: {name: chat, namespace: default}
---
apiVersion: stowage.dev/v1alpha1
kind: InferenceDeployment
metadata: {name: huge, namespace: default, annotations: {stowage.dev/demo-expect: Unplaced}}
"""


@dataclass(frozen=True)
class Demo:
    """A tree with a stand-in operator, and the commands run on it."""

    root: Path
    state: Path
    mark: str
    """In the environment of everything that is started, so that leftovers can be found."""

    def start(self, *arguments: str, standin: str = "ok") -> subprocess.Popen[str]:
        tree = ["--root", str(self.root)] if arguments[0] == "demo" else []
        return subprocess.Popen(
            [sys.executable, "-m", "devcluster", *arguments, "--state", str(self.state), *tree],
            env={**os.environ, "PYTHONPATH": str(MODULE), "STANDIN": standin, "DEMO_MARK": self.mark},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *arguments: str, standin: str = "ok") -> tuple[int, str]:
        with self.start(*arguments, standin=standin) as process:
            output, _ = process.communicate(timeout=TIMEOUT)
        return process.returncode, output

    def leftovers(self) -> list[str]:
        """Return the command lines of processes that carry our mark."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"DEMO_MARK={self.mark}".encode() in (folder / "environ").read_bytes():
                    found.append((folder / "cmdline").read_text().replace("\0", " "))
            except OSError:
                continue
        return found

    def pids(self) -> dict[str, int]:
        table = ProcessTable(self.state / "processes.json")
        return {each.name: each.pid for each in table.records()}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    root = tmp_path / "tree"
    for folder in ("crds", "manifests/samples/nested", "operator/stowage"):
        (root / folder).mkdir(parents=True)
    (root / "crds" / "crd.yaml").write_text(CRD)
    (root / "manifests" / "samples" / "nested" / "samples.yaml").write_text(SAMPLES)
    (root / "operator" / "stowage" / "__init__.py").touch()
    shutil.copy(STANDIN, root / "operator" / "stowage" / "__main__.py")
    demo = Demo(root, tmp_path / "state", uuid.uuid4().hex)
    yield demo
    demo.run("down")


def test_a_demo_is_shown_reused_and_ended(demo: Demo) -> None:
    code, output = demo.run("demo")
    assert code == 0, output
    assert "nvidia-l4 (GPU)" in output
    assert "NoFit: needs 900 GiB" in output
    first = demo.pids()

    code, output = demo.run("demo")
    assert (code, "it runs already" in output) == (0, True), output
    second = demo.pids()
    assert {name for name in first if first[name] != second[name]} == {"operator"}

    assert "alive" in demo.run("status")[1]
    assert demo.run("down") == (0, "everything was ended\n")
    assert demo.leftovers() == []
    assert not demo.state.exists()
    assert demo.run("down") == (0, "nothing is there to end\n")


@pytest.mark.parametrize(
    ("standin", "step", "line"),
    [
        ("crash", "start the operator", "no such accelerator catalog"),
        ("die", "wait until all 2 samples are settled", "lost my mind"),
        ("idle", "wait until all 2 samples are settled", "default/chat (Ready=Unknown"),
    ],
)
def test_a_failure_names_the_step_and_leaves_nothing(demo: Demo, standin: str, step: str, line: str) -> None:
    code, output = demo.run("demo", "--deadline", "5", standin=standin)
    assert code == 1
    assert f"step failed: {step}" in output
    assert line in output
    assert demo.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", ["boot the control plane", "start the operator", "wait until"])
def test_an_interruption_leaves_nothing(demo: Demo, step: str, number: signal.Signals) -> None:
    with demo.start("demo", standin="idle") as process:
        assert process.stdout is not None
        while step not in (line := process.stdout.readline()):
            assert line, "ended before the step"
        process.send_signal(number)
        output, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 130, output
    assert demo.leftovers() == []


def test_what_a_killed_demo_left_is_replaced(demo: Demo) -> None:
    with demo.start("demo", standin="idle") as process:
        assert process.stdout is not None
        while "start the operator" not in process.stdout.readline():
            pass
        process.kill()
    left_over = ProcessTable(demo.state / "processes.json").alive()
    assert left_over
    os.kill(left_over[0].pid, signal.SIGKILL)
    assert wait_until_gone(left_over[0], 10)

    code, output = demo.run("demo")
    assert code == 0, output
    assert not any(each.is_alive() for each in left_over)


def test_kind_says_what_is_missing(demo: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for tool in ("go", "git"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, output = demo.run("demo", "--cluster", "kind")
    assert code == 1
    assert "kind is not on PATH; install it from https://kind.sigs.k8s.io/" in output

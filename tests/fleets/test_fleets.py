"""Node lists of fleets as they exist, and what Stowage makes of them, held line by line.

Each folder has the nodes as ``kubectl get nodes -o yaml`` writes them, workloads, what ``stowage plan -o
markdown`` and ``stowage pools -o json`` say, and in SOURCE.md where all that comes from and why the
decisions are right. ``UPDATE_GOLDEN=1 pytest tests/fleets`` rewrites what is expected; review it then.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from stowage.cli.main import app

HERE = Path(__file__).parent
FLEETS = sorted(folder.name for folder in HERE.iterdir() if (folder / "nodes.yaml").exists())
FILES = {"nodes.yaml", "workloads.yaml", "expected.md", "pools.json", "SOURCE.md"}

MULTI_HOST = ("v5e-2x4-multihost", "v6e-16", "v5p-8")
REASONS = {
    ("gke-tpu", deployment, pool): ("google-tpu", "bf16", "MultiHostTopology")
    for deployment in ("assistant", "giant", "summaries")
    for pool in MULTI_HOST
} | {
    ("gke-l4-a100", "chat", "nap-g2-standard-8-gpu1-1kx0"): ("nvidia-l4", "fp8", "NoUsableNode"),
    ("gke-l4-a100", "chat-70b", "a100-80"): ("nvidia-a100-80gb", "fp8", "PrecisionNotNative"),
    ("aks-a100-t4-spot", "chat", "t4"): ("nvidia-t4", "bf16", "PrecisionNotNative"),
    ("eks-karpenter", "chat", "gpu.g5.xlarge.spot"): ("nvidia-a10g", "fp8", "PrecisionNotNative"),
    ("eks-inferentia-graviton", "assistant", "inf1-legacy.inf1.xlarge"): (
        "aws-inferentia1",
        "bf16",
        "AcceleratorNotSupported",
    ),
    ("onprem-mig-mixed", "chat", "nvidia-h100-80gb-mig-1g.10gb-8x"): (
        "nvidia-h100-80gb-mig-1g.10gb",
        "awq",
        "InsufficientMemory",
    ),
    ("onprem-mi300x", "chat", "amd-mi210-4x"): ("amd-mi210", "fp8", "PrecisionNotNative"),
    ("onprem-gpu-operator", "chat", "cpu-x86-amx-int8-128x"): ("cpu-x86", "bf16", "CPUNotAllowed"),
}
"""Reasons that the markdown, which shows the nearest candidates only, leaves out: by fleet, deployment and
pool, the start of the class's name, the variant, and a code that the verdict on one runtime has. All are
rejected."""


def run(*arguments: str | Path) -> str:
    """What ``stowage`` prints, where it neither fails nor complains."""
    ended = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert ended.exit_code in (0, 2), ended.output
    assert ended.stderr == ""
    return ended.stdout


def stowage(command: str, fleet: str, form: str, nodes: Path | None = None) -> str:
    folder = HERE / fleet
    return run(
        command, "-f", folder / "workloads.yaml", "--fleet", nodes or folder / "nodes.yaml", "-o", form
    )


def expect(file: Path, found: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), f"{file} differs; UPDATE_GOLDEN=1 rewrites it"


@pytest.mark.parametrize("fleet", FLEETS)
def test_the_plan(fleet: str) -> None:
    expect(HERE / fleet / "expected.md", stowage("plan", fleet, "markdown"))


@pytest.mark.parametrize("fleet", FLEETS)
def test_the_pools(fleet: str) -> None:
    expect(HERE / fleet / "pools.json", stowage("pools", fleet, "json"))


@pytest.mark.parametrize("fleet", FLEETS)
def test_the_order_of_nodes_changes_nothing(fleet: str, tmp_path: Path) -> None:
    content = yaml.safe_load((HERE / fleet / "nodes.yaml").read_text(encoding="utf-8"))
    content["items"].reverse()
    reversed_nodes = tmp_path / "nodes.yaml"
    reversed_nodes.write_text(yaml.safe_dump(content), encoding="utf-8")
    found = stowage("plan", fleet, "markdown", reversed_nodes)
    assert found == (HERE / fleet / "expected.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("fleet", FLEETS)
def test_it_says_where_it_comes_from(fleet: str) -> None:
    assert {file.name for file in (HERE / fleet).iterdir()} == FILES
    text = (HERE / fleet / "SOURCE.md").read_text(encoding="utf-8")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## Where it comes from", "## Filled in", "## What is remarkable"]


@pytest.mark.parametrize(("fleet", "deployment", "pool"), REASONS)
def test_a_candidate_is_refused_for_what_its_hardware_is(fleet: str, deployment: str, pool: str) -> None:
    accelerator, variant, code = REASONS[fleet, deployment, pool]
    decisions: list[dict[str, Any]] = json.loads(stowage("plan", fleet, "json"))["decisions"]
    (decision,) = (d for d in decisions if d["name"] == deployment)
    verdicts = [c for c in decision["candidates"] if (c["pool"], c["variant"]) == (pool, variant)]
    assert verdicts
    for verdict in verdicts:
        assert verdict["acceleratorClass"].startswith(accelerator)
        assert verdict["verdict"] == "Rejected"
    assert any(code in {r["code"] for r in v["reasons"]} for v in verdicts)


def test_every_device_is_in_a_pool_or_reported() -> None:
    """No node is lost in silence."""
    for fleet in FLEETS:
        nodes = yaml.safe_load((HERE / fleet / "nodes.yaml").read_text(encoding="utf-8"))["items"]
        found = json.loads((HERE / fleet / "pools.json").read_text(encoding="utf-8"))
        resources = {p["resourceName"] for p in found["pools"]}
        for node in nodes:
            published = {r for r, n in node.get("status", {}).get("capacity", {}).items() if is_device(r, n)}
            reported = any(f"Node {node['metadata']['name']}:" in p for p in found["problems"])
            assert published & resources or reported or not published, node["metadata"]["name"]


def is_device(resource: str, count: str) -> bool:
    return "/" in resource and count != "0"

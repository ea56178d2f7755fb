"""The table, and when a sample counts as settled."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from devcluster.report import placements_table
from devcluster.workloads import Workload

PLACED: dict[str, Any] = {
    "metadata": {"namespace": "shop", "name": "chat", "generation": 2},
    "status": {
        "observedGeneration": 2,
        "conditions": [{"type": "Ready", "status": "True", "reason": "Serving"}],
        "placements": [
            {
                "pool": "l4-spot",
                "acceleratorClass": "nvidia-l4",
                "acceleratorType": "GPU",
                "variant": "fp8",
                "runtime": "vllm",
                "replicas": 2,
                "readyReplicas": 1,
                "costPerHour": "2.02",
            },
            {
                "pool": "t4",
                "acceleratorClass": "nvidia-t4",
                "acceleratorType": "GPU",
                "variant": "awq",
                "runtime": "vllm",
                "replicas": 1,
                "readyReplicas": 1,
            },
        ],
        "candidates": [
            {"pool": "l4-spot", "variant": "fp8", "verdict": "Chosen"},
            {
                "pool": "a100-80",
                "variant": "fp8",
                "verdict": "Rejected",
                "reasons": [{"code": "NotNative", "message": "fp8 is not native [see there]"}],
            },
            {"pool": "t4", "variant": "bf16", "verdict": "Rejected"},
        ],
    },
}
UNPLACED: dict[str, Any] = {
    "metadata": {
        "namespace": "lab",
        "name": "huge",
        "annotations": {"stowage.dev/demo-expect": "Unplaced"},
    },
    "status": {
        "conditions": [{"type": "Placed", "status": "False", "reason": "NoFit", "message": "needs 900 GiB"}]
    },
}


def cells(*manifests: dict[str, Any]) -> list[list[str]]:
    """Return the table's rows as text."""
    output = io.StringIO()
    console = Console(file=output, width=200)
    console.print(placements_table([Workload(each) for each in manifests]))
    rows = [line for line in output.getvalue().splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in row.strip("│").split("│")] for row in rows]


def test_one_row_per_placement_and_the_reason_beside_the_first() -> None:
    assert cells(PLACED, UNPLACED) == [
        ["lab/huge", "-", "-", "-", "-", "-", "-", "NoFit: needs 900 GiB"],
        [
            "shop/chat",
            "nvidia-l4 (GPU)",
            "fp8",
            "l4-spot",
            "vllm",
            "1/2",
            "2.02",
            "fp8 on a100-80: fp8 is not native [see there]",
        ],
        ["", "nvidia-t4 (GPU)", "awq", "t4", "vllm", "1/1", "-", ""],
    ]


def test_an_object_without_status_has_a_row() -> None:
    assert cells({"metadata": {"name": "new"}}) == [["default/new", *["-"] * 6, "not placed yet"]]


def with_status(manifest: dict[str, Any], **status: object) -> Workload:
    return Workload({**manifest, "status": {**manifest["status"], **status}})


@pytest.mark.parametrize(
    ("workload", "settled"),
    [
        pytest.param(Workload(PLACED), True, id="ready"),
        pytest.param(with_status(PLACED, observedGeneration=1), False, id="an older generation"),
        pytest.param(with_status(PLACED, conditions=[]), False, id="no condition yet"),
        pytest.param(Workload({"metadata": {"name": "new"}}), False, id="no status yet"),
        pytest.param(Workload(UNPLACED), True, id="unplaced as expected"),
        pytest.param(
            with_status(UNPLACED, conditions=[{"type": "Placed", "status": "False", "reason": "Unknown"}]),
            False,
            id="unplaced for no reason",
        ),
        pytest.param(
            with_status(UNPLACED, conditions=[{"type": "Placed", "status": "True", "reason": "Placed"}]),
            False,
            id="placed against expectation",
        ),
    ],
)
def test_when_a_sample_is_settled(workload: Workload, settled: bool) -> None:
    assert workload.settled is settled

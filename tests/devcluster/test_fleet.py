"""The fleet's data: what the product must recognise is there, as clouds and plugins write it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from devcluster.errors import FleetError
from devcluster.fleet import load_fleet, nodes_of

GROUP = """
- name: {name}
  count: {count}
  cordoned: {cordoned}
  zones: [a, b]
  labels: {{}}
  capacity: {{cpu: "8"}}
  allocatable: {{{allocatable}: "7"}}
"""
VALID = {"name": "x", "count": "2", "cordoned": "0", "allocatable": "cpu"}


def write(folder: Path, *changes: dict[str, str]) -> Path:
    path = folder / "fleet.yaml"
    path.write_text("groups:" + "".join(GROUP.format(**{**VALID, **change}) for change in changes))
    return path


def test_the_devices_of_the_fleet() -> None:
    devices: Counter[str] = Counter()
    for node in nodes_of(load_fleet()):
        for resource, amount in node["status"]["allocatable"].items():
            if "/" in resource:
                devices[resource] += int(amount)
    assert devices == {
        "nvidia.com/gpu": 4 * 2 + 2 * 4 + 2 * 1,
        "google.com/tpu": 2 * 4,
        "aws.amazon.com/neuron": 2,
        "aws.amazon.com/neuroncore": 4,
        "amd.com/xilinx_u250_gen3x16_base_4-0": 2,
    }


def test_nodes_are_spread_over_zones_and_the_last_is_cordoned(tmp_path: Path) -> None:
    (group,) = load_fleet(write(tmp_path, {"count": "3", "cordoned": "1"}))
    seen = [
        (
            node["metadata"]["name"],
            node["metadata"]["labels"]["topology.kubernetes.io/zone"],
            node["spec"]["unschedulable"],
        )
        for node in group.nodes()
    ]
    assert seen == [("x-1", "a", False), ("x-2", "b", False), ("x-3", "a", True)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([{"count": "0"}], "greater than or equal to 1"),
        ([{"cordoned": "3"}], "cordoned is 3, of 2 nodes"),
        ([{"allocatable": "memory"}], "must name the same resources"),
        ([{"name": "Not_a_name"}], "String should match pattern"),
        ([{}, {}], "two groups have the same name"),
    ],
)
def test_wrong_data_is_refused(tmp_path: Path, changes: list[dict[str, str]], message: str) -> None:
    with pytest.raises(FleetError, match=message):
        load_fleet(write(tmp_path, *changes))


def test_a_file_that_is_no_fleet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fleet.yaml").write_text("- nothing")
    with pytest.raises(FleetError):
        load_fleet(tmp_path / "fleet.yaml")

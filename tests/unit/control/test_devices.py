"""What is kept of ResourceSlices and DeviceClasses, and how their watch begins."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from stowage.catalog import load_catalog
from stowage.cluster.errors import ClusterError, Forbidden, Gone, Retry
from stowage.control.device_watch import DeviceWatch
from stowage.control.devices import project_device_class, project_slice
from stowage.control.world import World
from stowage.placement.dynamic import DeviceClass, DeviceCount, DeviceSlice

DRIVER = "gpu.nvidia.com"


def device(name: str, kind: str = "gpu", **more: Any) -> dict[str, Any]:
    attributes = {"type": {"string": kind}, "uuid": {"string": f"GPU-{name}"}, "index": {"int": 0}}
    return {"name": name, "attributes": attributes, **more}


def test_like_devices_are_counted_together() -> None:
    taint = {"key": "unhealthy", "effect": "NoSchedule"}
    hint = {"key": "old", "effect": "None"}
    body = {
        "metadata": {"name": "n1-gpu"},
        "spec": {
            "driver": DRIVER,
            "nodeName": "n1",
            "pool": {"name": "n1", "generation": 3, "resourceSliceCount": 1},
            "devices": [
                device("a"),
                device("b", taints=[hint]),
                device("c", taints=[taint]),
                device("d", kind="mig"),
            ],
        },
    }
    gpu, mig = ((f"{DRIVER}/type", "gpu"),), ((f"{DRIVER}/type", "mig"),)
    expected = (DeviceCount(2, gpu), DeviceCount(1, gpu, tainted=True), DeviceCount(1, mig))
    assert project_slice(body) == DeviceSlice("n1", DRIVER, "n1", 3, expected)


def draws(gpu: int, memory: str, multiprocessors: str) -> dict[str, Any]:
    counters = {"memory": {"value": memory}, "multiprocessors": {"value": multiprocessors}}
    return {"consumesCounters": [{"counterSet": f"gpu-{gpu}", "counters": counters}]}


def test_a_device_and_its_partitions_are_counted_once() -> None:
    """Both are published, and whoever takes one can't have the others."""
    devices = [device("alone")]
    for gpu in range(2):
        devices.append(device(f"gpu-{gpu}", **draws(gpu, "80Gi", "132")))
        devices += [device(f"mig-{gpu}-{i}", kind="mig", **draws(gpu, "9984Mi", "16")) for i in range(7)]
    # A card that is divided for good has partitions alone: of these, the largest.
    devices += [device(f"mig-2-{i}", kind="mig", **draws(2, "40Gi", "60")) for i in range(2)]
    devices += [device(f"small-2-{i}", kind="small", **draws(2, "9984Mi", "16")) for i in range(7)]
    spec = {"driver": DRIVER, "nodeName": "n1", "pool": {"name": "n1"}, "devices": devices}
    assert project_slice({"spec": spec}).devices == (
        DeviceCount(3, ((f"{DRIVER}/type", "gpu"),)),
        DeviceCount(2, ((f"{DRIVER}/type", "mig"),)),
    )


def test_a_slice_of_no_single_node_and_without_devices() -> None:
    spec = {"driver": "net.example.com", "allNodes": True, "pool": {"name": "p"}}
    assert project_slice({"spec": spec}) == DeviceSlice("", "net.example.com", "p", 0, ())


@pytest.mark.parametrize(
    ("expressions", "expected"),
    [
        pytest.param([f"device.driver == '{DRIVER}'"], (DRIVER, (), True), id="driver"),
        pytest.param(
            [f'device.driver == "{DRIVER}" && device.attributes["{DRIVER}"].type == "gpu"'],
            (DRIVER, ((f"{DRIVER}/type", "gpu"),), True),
            id="driver and type in one",
        ),
        pytest.param(
            [f"device.driver == '{DRIVER}'", f"device.attributes['{DRIVER}'].type == 'mig'"],
            (DRIVER, ((f"{DRIVER}/type", "mig"),), True),
            id="driver and type in two",
        ),
        pytest.param(
            [f"device.driver == '{DRIVER}' || device.driver == 'a.b'"], ("", (), False), id="either"
        ),
        pytest.param(
            [f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].index == 0"],
            (DRIVER, (), False),
            id="an attribute that isn't kept",
        ),
        pytest.param(
            ["device.driver == 'a.b' && device.driver == 'c.d'"], ("c.d", (), False), id="two drivers"
        ),
        pytest.param([], ("", (), True), id="everything"),
    ],
)
def test_selectors_are_read_as_far_as_they_are_comparisons(
    expressions: list[str], expected: tuple[str, tuple[tuple[str, str], ...], bool]
) -> None:
    spec = {
        "extendedResourceName": "example.com/gpu",
        "selectors": [{"cel": {"expression": e}} for e in expressions],
    }
    found = project_device_class({"metadata": {"name": "gpus"}, "spec": spec})
    driver, attributes, readable = expected
    assert found == DeviceClass("gpus", "example.com/gpu", driver, attributes, readable)


class Refusing:
    """A cluster that refuses every list in the same way."""

    def __init__(self, error: ClusterError) -> None:
        self.error = error

    async def list(self, *_: Any, **__: Any) -> None:
        raise self.error


@pytest.mark.parametrize(
    ("error", "goes_on", "said"),
    [
        pytest.param(Gone("404"), True, "", id="no DRA"),
        pytest.param(Forbidden("403"), True, "devices that only DRA publishes are not seen", id="no right"),
        pytest.param(Retry("503"), False, "503", id="no answer"),
    ],
)
def test_a_cluster_without_dra_keeps_nobody_waiting(
    error: ClusterError, goes_on: bool, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    cluster: Any = Refusing(error)

    async def begin() -> bool:
        watch = DeviceWatch(cluster, World(load_catalog(), lambda *_: None))
        running = asyncio.create_task(watch.run())
        try:
            await asyncio.wait_for(watch.answered(), 0.3)
        except TimeoutError:
            return False
        finally:
            running.cancel()
        return True

    assert asyncio.run(begin()) is goes_on
    assert said in caplog.text if said else not caplog.text

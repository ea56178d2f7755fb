"""What DRA publishes, as it is kept: counts of like devices instead of every device."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from sys import intern
from typing import Any

from stowage.api.quantity import parse_bytes
from stowage.cluster.ports import Body
from stowage.placement.dynamic import Attributes, DeviceClass, DeviceCount, DeviceSlice

TELLING = frozenset({"type", "productName"})
"""Attributes by which DeviceClasses part the devices of one driver, such as GPUs and their partitions. All
others would make each device one of its kind."""

_DRIVER = re.compile(r"""device\.driver\s*==\s*["']([^"']+)["']""")
_ATTRIBUTE = re.compile(r"""device\.attributes\[["']([^"']+)["']\]\.(\w+)\s*==\s*["']([^"']*)["']""")


def project_slice(body: Body) -> DeviceSlice:
    """A ResourceSlice as counts."""
    spec = body["spec"]
    driver, pool = intern(spec["driver"]), spec.get("pool") or {}
    kinds = Counter(
        (_attributes(driver, device.get("attributes") or {}), _tainted(device))
        for device in _undivided(spec.get("devices") or ())
    )
    return DeviceSlice(
        node=intern(spec.get("nodeName") or ""),
        driver=driver,
        pool=pool.get("name", ""),
        generation=pool.get("generation", 0),
        devices=tuple(
            DeviceCount(count, attributes, tainted) for (attributes, tainted), count in sorted(kinds.items())
        ),
    )


def _undivided(devices: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Devices, each piece of hardware once: a partitionable device and its partitions are published side by
    side and draw on the same counters, so only one or the others can be had. Those that draw most count.

    Source: KEP-4815, partitionable devices (``consumesCounters``).
    """
    most: dict[str, int] = {}
    for device in devices:
        for name, amount in _draws(device).items():
            most[name] = max(amount, most.get(name, 0))
    for device in devices:
        if all(amount == most[name] for name, amount in _draws(device).items()):
            yield device


def _draws(device: Mapping[str, Any]) -> dict[str, int]:
    """How much the device takes of each set of counters: a sum over counters, good for comparing alone."""
    return {
        each["counterSet"]: sum(parse_bytes(c["value"]) for c in (each.get("counters") or {}).values())
        for each in device.get("consumesCounters") or ()
    }


def _attributes(driver: str, attributes: Mapping[str, Any]) -> Attributes:
    """The telling ones. A name without a domain is the driver's."""
    return tuple(
        sorted(
            (intern(name if "/" in name else f"{driver}/{name}"), intern(value["string"]))
            for name, value in attributes.items()
            if name.rpartition("/")[2] in TELLING and "string" in value
        )
    )


def _tainted(device: Mapping[str, Any]) -> bool:
    return any(t.get("effect") in ("NoSchedule", "NoExecute") for t in device.get("taints") or ())


def project_device_class(body: Body) -> DeviceClass:
    """A DeviceClass, as far as its selectors are comparisons of the driver and of telling attributes."""
    spec = body.get("spec") or {}
    driver, attributes, readable = "", [], True
    for term in _terms(spec):
        if found := _DRIVER.fullmatch(term):
            readable = readable and driver in ("", found[1])
            driver = found[1]
        elif (found := _ATTRIBUTE.fullmatch(term)) and found[2] in TELLING:
            attributes.append((f"{found[1]}/{found[2]}", found[3]))
        else:
            readable = False
    return DeviceClass(
        name=body["metadata"]["name"],
        resource=spec.get("extendedResourceName") or "",
        driver=driver,
        attributes=tuple(sorted(attributes)),
        readable=readable,
    )


def _terms(spec: Mapping[str, Any]) -> Iterator[str]:
    """What the selectors ask for; all of it must hold."""
    for selector in spec.get("selectors") or ():
        expression = (selector.get("cel") or {}).get("expression", "")
        yield from (term.strip() for term in expression.split("&&"))

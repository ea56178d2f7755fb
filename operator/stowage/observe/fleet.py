"""Gauges of the fleet and of what is placed: one picture, exchanged as a whole and read by scrapes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from stowage.observe.metrics import REGISTRY

Values = Mapping[tuple[str, ...], float]
"""A value for each combination of labels."""


@dataclass(frozen=True, slots=True)
class FleetPicture:
    """All values at one moment."""

    devices: Values = field(default_factory=dict)
    """By accelerator class and state: free, used, reserved or unavailable. Cores for a CPU."""
    cost_per_hour: Values = field(default_factory=dict)
    """By accelerator class and capacity type."""
    deployments: Values = field(default_factory=dict)
    """By status and reason of the Ready condition."""
    replicas: Values = field(default_factory=dict)
    """By accelerator class, precision and state: wanted or ready."""


class FleetMetrics(Collector):
    """Exposes the last picture. A leader and a standby both do: they see the same cluster."""

    def __init__(self) -> None:
        self.picture = FleetPicture()

    def collect(self) -> Iterator[Metric]:
        """The families, empty ones too."""
        picture = self.picture
        yield _family(
            "stowage_devices",
            "Devices by accelerator class and state (free, used, reserved, unavailable); cores for a CPU.",
            ("accelerator_class", "state"),
            picture.devices,
        )
        yield _family(
            "stowage_cost_per_hour",
            "What placed replicas cost per hour, where prices are known.",
            ("accelerator_class", "capacity_type"),
            picture.cost_per_hour,
        )
        yield _family(
            "stowage_inference_deployments",
            "InferenceDeployments by status and reason of their Ready condition.",
            ("ready", "reason"),
            picture.deployments,
        )
        yield _family(
            "stowage_replicas",
            "Replicas of placements by accelerator class, precision and state (wanted, ready).",
            ("accelerator_class", "precision", "state"),
            picture.replicas,
        )


def _family(name: str, text: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = GaugeMetricFamily(name, text, labels=labels)
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


FLEET = FleetMetrics()
REGISTRY.register(FLEET)

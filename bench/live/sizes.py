"""How large the scenarios on a real API server are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """All that can be set."""

    single: int = 100
    bursts: tuple[int, ...] = (300, 1000, 2000)
    yardstick: int = 1000
    nodes: int = 5000
    pools: int = 100
    deployments: int = 2000
    foreign_pods: int = 100_000
    fill_seconds: float = 300.0
    """For creating the foreign pods: then it goes on with those that there are."""
    churn: float = 10.0
    """Foreign pods that are replaced a second."""
    seconds: float = 600.0
    """Of the steady state."""
    lease_seconds: float = 10.0
    status_seconds: float = 300.0
    """How often a kubelet renews its Lease, and how often it sends its node's status."""
    ready_seconds: float = 1.0
    """From a pod's start until it serves."""
    gc_seconds: float = 40.0
    """From a node's end until its pods are deleted: as the pod garbage collector's quarantine."""
    curve: tuple[int, ...] = (250, 500, 1000, 2000, 4000)
    quiet_seconds: float = 5.0
    """Without work, until the operator counts as done."""
    lease_duration: float = 15.0
    """Of the Lease that replicas elect their leader with."""


SMALL = Size(
    single=3,
    bursts=(10,),
    yardstick=10,
    nodes=156,
    pools=26,
    deployments=16,
    foreign_pods=60,
    churn=2,
    seconds=3,
    curve=(4,),
    gc_seconds=5,
    quiet_seconds=3,
)
"""Quick enough for a test."""

"""From the stores to the picture that metrics show of the fleet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from stowage.control.world import World
from stowage.observe.fleet import FleetPicture
from stowage.placement.snapshot import NONE, Holding, Pool, Snapshot

_Sums = defaultdict[tuple[str, ...], float]


def picture(world: World) -> FleetPicture:
    """Everything at this moment. Costs a pass over nodes, pods' sums and deployments."""
    snapshot = world.snapshot()
    devices: _Sums = defaultdict(float)
    holdings: dict[tuple[str, str], list[Holding]] = defaultdict(list)
    for holding in snapshot.holdings:
        holdings[holding.pool].append(holding)
    for pool in snapshot.pools:
        for state, count in _devices(snapshot, pool, holdings[pool.key]).items():
            devices[pool.accelerator_class.name, state] += count / (1000 if pool.is_cpu else 1)
    cost: _Sums = defaultdict(float)
    deployments: _Sums = defaultdict(float)
    replicas: _Sums = defaultdict(float)
    for parsed in world.workloads.items.values():
        status = parsed.value.status if parsed.value is not None else None
        ready = next((c for c in status.conditions if c.type == "Ready"), None) if status else None
        deployments[(ready.status, ready.reason) if ready else ("Unknown", "NotPlaced")] += 1
        for placement in status.placements if status else ():
            kind = placement.accelerator_class
            cost[kind, placement.capacity_type] += _number(placement.cost_per_hour)
            replicas[kind, placement.precision, "wanted"] += placement.replicas
            replicas[kind, placement.precision, "ready"] += placement.ready_replicas
    return FleetPicture(devices, cost, deployments, replicas)


def _devices(snapshot: Snapshot, pool: Pool, holdings: Iterable[Holding]) -> dict[str, int]:
    """Base units of the pool's device by state; the four together are all that its nodes have."""
    reserved = sum(h.reserved * h.requests.get(pool.resource, 0) for h in holdings)
    total = used = away = 0
    for node in pool.nodes:
        has = node.allocatable.get(pool.resource, 0)
        taken = min(has, snapshot.used.get(node.name, NONE).get(pool.resource, 0))
        total, used = total + has, used + taken
        if not node.ready or node.cordoned:  # taints are a policy's business
            away += has - taken
    reserved = min(reserved, total - used - away)
    return {
        "used": used,
        "unavailable": away,
        "reserved": reserved,
        "free": total - used - away - reserved,
    }


def _number(text: str | None) -> float:
    try:
        return float(Decimal(text or "0"))
    except InvalidOperation:
        return 0.0

"""Free room by pool, computed once for a snapshot and handed on to the next at the cost of what changed."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import attrgetter

from stowage.placement.capacity import Capacity, Free, available, slots
from stowage.placement.snapshot import NONE, Amounts, Holding, HoldingKey, Node, Pool
from stowage.placement.terrain import PoolKey, Region, Terrain

Owner = tuple[str, str]
_KEY = attrgetter("key")


class RegionRoom:
    """What is free in one region after the reservations of our Deployments. Immutable once made."""

    def __init__(self, region: Region, base: Mapping[str, Free], held: list[Holding]) -> None:
        """``base`` is what nodes offer less what bound pods use; ``held`` what is reserved: each takes
        room in turn, in the order of owner and Deployment."""
        self._region = region
        self._base = base
        self._held = held
        self._free = dict(base)
        self._promised: dict[PoolKey, int] = {}
        self._forget()
        for one in held:
            self._reserve(region.pools[one.pool], one.requests, one.reserved, elsewhere=True)

    @property
    def pools(self) -> Collection[Pool]:
        """The region's pools."""
        return self._region.pools.values()

    def _forget(self) -> None:
        self._with_devices: dict[PoolKey, tuple[list[Free], int]] = {}
        self._known: dict[tuple[object, ...], Capacity] = {}

    def capacity(
        self, pool: Pool, requests: Amounts, allowed: Collection[str], enough: int | None = None
    ) -> Capacity:
        """The pool's slots for replicas of these requests.

        Args:
            allowed: keys of taints that the policy tolerates.
            enough: free slots need not be counted beyond.
        """
        key = pool.key, tuple(requests.items()), tuple(allowed)
        known = self._known.get(key)
        if known is not None:
            return known
        landing = self._region.landings[pool.key]
        tainted = landing.usable(pool, allowed)
        free = self._count(pool, landing.open, tainted, requests, enough)
        provisionable, unlimited = 0, False
        if pool.provision is not None:
            each = slots(pool.provision.shape, requests)
            if pool.provision.nodes is None:
                unlimited = each > 0
            else:
                provisionable = max(0, pool.provision.nodes - self._promised.get(pool.key, 0)) * each
        found = Capacity(free, provisionable, len(landing.open) + len(tainted), unlimited)
        if enough is None or free < enough:
            self._known[key] = found
        return found

    def short(self, pool: Pool, requests: Amounts, allowed: Collection[str]) -> tuple[str, ...]:
        """What is missing for one replica: devices, where no usable node has as many; else the fewest other
        things that one with the devices lacks. Not more, so that the text changes seldom."""
        landing = self._region.landings[pool.key]
        wanted, device = {**requests, "pods": 1}, pool.resource
        lacking = [
            tuple(r for r, n in wanted.items() if self._free[node.name].get(r, 0) < n)
            for node in (*landing.open, *landing.usable(pool, allowed))
        ]
        with_devices = [missing for missing in lacking if device not in missing]
        return min(with_devices, key=len) if with_devices else (device,) if lacking else ()

    def _count(
        self,
        pool: Pool,
        clean: tuple[Node, ...],
        tainted: tuple[Node, ...],
        requests: Amounts,
        enough: int | None,
    ) -> int:
        wanted = requests.get(pool.resource, 0)
        if wanted > 0:
            nodes, most = self._nodes_with_devices(pool, clean)
            nodes = nodes if most >= wanted else []
        else:
            nodes = [self._free[n.name] for n in clean]
        total = 0
        for free in nodes:
            total += slots(free, requests)
            if enough is not None and total >= enough:
                return total
        return total + sum(slots(self._free[n.name], requests) for n in tainted)

    def _nodes_with_devices(self, pool: Pool, clean: tuple[Node, ...]) -> tuple[list[Free], int]:
        """What is free on the nodes that have a device left, and the most devices that one has."""
        known = self._with_devices.get(pool.key)
        if known is None:
            resource = pool.resource
            nodes = [f for f in (self._free[n.name] for n in clean) if f.get(resource, 0) > 0]
            most = max((f[resource] for f in nodes), default=0)
            known = self._with_devices[pool.key] = nodes, most
        return known

    def taking(self, pool: Pool, requests: Amounts, count: int) -> RegionRoom:
        """What is left after these replicas have taken room on the pool's own nodes."""
        after = self._copy()
        after._reserve(pool, requests, count, elsewhere=False)
        return after

    def evolve(
        self, base: Mapping[str, Free], gone: Collection[HoldingKey], come: Iterable[Holding]
    ) -> RegionRoom:
        """What is free after nodes' own room and reservations changed."""
        held = [h for h in self._held if h.key not in gone] if gone else list(self._held)
        new = sorted(come, key=_KEY)
        if not base and len(held) == len(self._held) and (not held or not new or held[-1].key < new[0].key):
            after = self._copy()
            after._held = held + new
            for one in new:
                after._reserve(self._region.pools[one.pool], one.requests, one.reserved, elsewhere=True)
            return after
        for one in new:
            insort(held, one, key=_KEY)
        return RegionRoom(self._region, {**self._base, **base} if base else self._base, held)

    def freeing(self, freed: Mapping[str, Amounts], without: Collection[HoldingKey]) -> RegionRoom:
        """What would be free without these reservations and with more room on these nodes."""
        base = {
            name: {r: n + freed[name].get(r, 0) for r, n in self._base[name].items()}
            for name in freed
            if name in self._base
        }
        return self.evolve(base, without, ())

    def _copy(self) -> RegionRoom:
        copy = RegionRoom.__new__(RegionRoom)
        copy._region, copy._base, copy._held = self._region, self._base, self._held
        copy._free, copy._promised = dict(self._free), dict(self._promised)
        copy._forget()
        return copy

    def _reserve(self, pool: Pool, requests: Amounts, count: int, *, elsewhere: bool) -> None:
        """Takes room for replicas that have no pod yet.

        Nodes that take no new pods hold no reservation. Whether those with other taints do depends on
        a policy that isn't known here; they come last, but before nodes of other pools, where the
        decision didn't put them. What no node has room for waits for nodes to come.
        """
        landing = self._region.landings[pool.key]
        left = self._fill(landing.open, requests, count)
        per_node = slots(pool.provision.shape, requests) if left and pool.provision else 0
        if per_node:
            self._promised[pool.key] = self._promised.get(pool.key, 0) + -(-left // per_node)
        left = self._fill(landing.tainted, requests, left)
        if elsewhere:
            self._fill(landing.elsewhere, requests, left)

    def _fill(self, nodes: Iterable[Node], requests: Amounts, count: int) -> int:
        """Puts replicas on nodes one after another; returns how many are left."""
        for node in nodes:
            if count < 1:
                break
            free = self._free[node.name]
            taken = min(count, slots(free, requests))
            if taken:
                after = dict(free)
                for resource, amount in requests.items():
                    after[resource] = after.get(resource, 0) - amount * taken
                after["pods"] -= taken
                self._free[node.name] = after
                count -= taken
        return count


class RoomIndex:
    """What is free in all pools, less bound pods and all reservations. Immutable."""

    def __init__(
        self, terrain: Terrain, regions: list[RegionRoom], owners: Mapping[Owner, Mapping[str, Holding]]
    ) -> None:
        self._terrain = terrain
        self._regions = regions
        self._owners = owners

    @classmethod
    def build(
        cls, pools: tuple[Pool, ...], used: Mapping[str, Amounts], holdings: Iterable[Holding]
    ) -> RoomIndex:
        """The index from nothing."""
        terrain = Terrain(pools)
        owners: dict[Owner, dict[str, Holding]] = {}
        held: list[list[Holding]] = [[] for _ in terrain.regions]
        for one in sorted(holdings, key=_KEY):
            owners.setdefault(one.owner, {})[one.deployment] = one
            if one.reserved and one.pool in terrain.of_pool:
                held[terrain.of_pool[one.pool]].append(one)
        regions = [
            RegionRoom(
                region, {name: available(n, used.get(name, NONE)) for name, n in region.nodes.items()}, mine
            )
            for region, mine in zip(terrain.regions, held, strict=True)
        ]
        return cls(terrain, regions, owners)

    @property
    def regions(self) -> Sequence[RegionRoom]:
        """The room by region. What is free in one is the same as long as it is the very same object."""
        return self._regions

    def held_by(self, owner: Owner) -> tuple[Holding, ...]:
        """The owner's holdings, by Deployment."""
        return tuple(self._owners.get(owner, {}).values())

    def region_of(self, pool: Pool) -> int:
        """The number of the pool's region."""
        return self._terrain.of_pool[pool.key]

    def regions_for(self, owner: Owner, released: Collection[str]) -> list[RegionRoom]:
        """What is free for an owner, against whom its own reservations don't count.

        Args:
            released: the owner's Deployments whose pods give way.
        """
        without: dict[int, set[HoldingKey]] = {}
        freed: dict[int, dict[str, dict[str, int]]] = {}
        of_pool, of_node = self._terrain.of_pool, self._terrain.of_node
        for one in self.held_by(owner):
            if one.reserved and one.pool in of_pool:
                without.setdefault(of_pool[one.pool], set()).add(one.key)
            for name in one.bound if one.deployment in released else ():
                if name in of_node:
                    amounts = freed.setdefault(of_node[name], {}).setdefault(name, {})
                    for resource, amount in {**one.requests, "pods": 1}.items():
                        amounts[resource] = amounts.get(resource, 0) + amount
        regions = list(self._regions)
        for number in without.keys() | freed.keys():
            regions[number] = regions[number].freeing(freed.get(number, {}), without.get(number, ()))
        return regions

    def evolve(self, used: Mapping[str, Amounts], holdings: Mapping[HoldingKey, Holding | None]) -> RoomIndex:
        """The index after a change; see ``Snapshot.evolve``."""
        base: dict[int, dict[str, Free]] = {}
        gone: dict[int, set[HoldingKey]] = {}
        come: dict[int, list[Holding]] = {}
        of_pool, of_node = self._terrain.of_pool, self._terrain.of_node
        for name, amounts in used.items():
            if name in of_node:
                number = of_node[name]
                base.setdefault(number, {})[name] = available(
                    self._terrain.regions[number].nodes[name], amounts
                )
        owners = dict(self._owners) if holdings else self._owners
        for (owner, deployment), new in holdings.items():
            mine = dict(owners.get(owner, {}))
            old = mine.pop(deployment, None)
            if old is not None and old.reserved and old.pool in of_pool:
                gone.setdefault(of_pool[old.pool], set()).add(old.key)
            if new is not None:
                mine[deployment] = new
                if new.reserved and new.pool in of_pool:
                    come.setdefault(of_pool[new.pool], []).append(new)
            owners[owner] = dict(sorted(mine.items()))  # type: ignore[index]
        regions = list(self._regions)
        for number in base.keys() | gone.keys() | come.keys():
            regions[number] = regions[number].evolve(
                base.get(number, {}), gone.get(number, ()), come.get(number, ())
            )
        return RoomIndex(self._terrain, regions, owners)

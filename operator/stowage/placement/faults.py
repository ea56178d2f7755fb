"""Which candidates can run at all, found by asking each check once for what its answer depends on."""

from __future__ import annotations

from stowage.api.inference_runtime import InferenceRuntime, Support
from stowage.placement import checks
from stowage.placement.candidates import Candidate, supports_for
from stowage.placement.checks import Check
from stowage.placement.groups import PoolGroup, Shape
from stowage.placement.snapshot import Demand, Snapshot

OF_RUNTIME: tuple[Check, ...] = (checks.protocol,)
OF_ARTEFACT: tuple[Check, ...] = (checks.artefact_format, checks.uri_scheme)
OF_SUPPORT: tuple[Check, ...] = (checks.accelerator, checks.architecture)
OF_HARDWARE: tuple[Check, ...] = (checks.hardware_binding, checks.native_precision)
OF_POOL: tuple[Check, ...] = (checks.topology, checks.requestable, checks.known_memory)
OF_ALL: tuple[Check, ...] = (checks.runtime_precision, checks.dialect)
"""``RUNS`` by what the answer depends on beside the demand, so that each is asked once for each of: the
runtime; variant and runtime; runtime and pool (no demand); variant and pool; pool (no demand); all three."""


class Faults:
    """How many checks of ``RUNS`` fail, by group of pools, runtime and variant.

    The sum over the parts of ``RUNS``, of which most are asked of few things: what a
    runtime loads doesn't depend on the pool, and what a runtime supports on a pool on no demand.
    """

    def __init__(self, snapshot: Snapshot, demand: Demand, groups: tuple[PoolGroup, ...]) -> None:
        self._demand = demand
        self._runtimes = snapshot.runtimes
        self._variants = demand.workload.spec.variants
        self._artefacts = [self._of_artefacts(groups[0], r) for r in self._runtimes] if groups else []
        self._hardware: dict[int, list[int]] = {}

    def probe(self, group: PoolGroup, runtime: int, variant: int) -> Candidate:
        """The unmeasured candidate on the group's sample."""
        one = self._runtimes[runtime]
        support = self._supports(group.shape, one)[0]
        return Candidate(self._demand, self._variants[variant], one, support, group.sample, group.tier, 0)

    def running(self, group: PoolGroup) -> list[Candidate]:
        """The candidates that can run on the group, unmeasured, by runtime and variant."""
        if self._of_pool(group.shape):
            return []
        hardware = self._of_hardware(group)
        found = []
        for runtime, artefacts in enumerate(self._artefacts):
            if self._supports(group.shape, self._runtimes[runtime])[1]:
                continue
            for variant, faults in enumerate(artefacts):
                if not (faults or hardware[variant]):
                    one = self.probe(group, runtime, variant)
                    if not _count(one, OF_ALL):
                        found.append(one)
        return found

    def failing(self, group: PoolGroup) -> list[tuple[int, Candidate]]:
        """Those that can't, each with the number of checks that fail."""
        pool, hardware = self._of_pool(group.shape), self._of_hardware(group)
        found = []
        for runtime, artefacts in enumerate(self._artefacts):
            both = pool + self._supports(group.shape, self._runtimes[runtime])[1]
            for variant, faults in enumerate(artefacts):
                one = self.probe(group, runtime, variant)
                count = both + faults + hardware[variant] + _count(one, OF_ALL)
                if count:
                    found.append((count, one))
        return found

    def _of_artefacts(self, group: PoolGroup, runtime: InferenceRuntime) -> list[int]:
        """By variant: faults of the runtime alone and with the variant."""
        probes = [
            Candidate(self._demand, v, runtime, None, group.sample, group.tier, 0) for v in self._variants
        ]
        spoken = _count(probes[0], OF_RUNTIME)
        return [spoken + _count(p, OF_ARTEFACT) for p in probes]

    def _of_hardware(self, group: PoolGroup) -> list[int]:
        """By variant: faults of the variant on the pool's hardware, whatever the runtime."""
        known = self._hardware.get(id(group))
        if known is None:
            server = self._runtimes[0]
            probes = (
                Candidate(self._demand, v, server, None, group.sample, group.tier, 0) for v in self._variants
            )
            known = self._hardware[id(group)] = [_count(p, OF_HARDWARE) for p in probes]
        return known

    def _supports(self, shape: Shape, runtime: InferenceRuntime) -> tuple[Support | None, int]:
        """How the runtime runs on the shape, and their faults: kept with the shape, as no demand matters."""
        known = shape.supports.get(runtime.name)
        if known is None:
            support = supports_for(runtime, shape.sample)
            one = Candidate(self._demand, self._variants[0], runtime, support, shape.sample, None, 0)
            known = shape.supports[runtime.name] = support, _count(one, OF_SUPPORT)
        return known

    def _of_pool(self, shape: Shape) -> int:
        """Faults of the pool itself: kept with the shape."""
        if shape.faults is None:
            one = Candidate(self._demand, self._variants[0], self._runtimes[0], None, shape.sample, None, 0)
            shape.faults = _count(one, OF_POOL)
        return shape.faults


def _count(candidate: Candidate, chain: tuple[Check, ...]) -> int:
    """How many checks of the chain fail."""
    return sum(1 for check in chain if check(candidate) is not None)

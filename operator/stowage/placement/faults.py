"""Which candidates can run at all, found by asking each check once for what its answer depends on."""

from __future__ import annotations

from functools import cached_property

from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.variant import Variant
from stowage.placement import checks
from stowage.placement.candidates import Candidate, supports_for
from stowage.placement.checks import Check
from stowage.placement.groups import Arithmetic, PoolGroup, Shape
from stowage.placement.snapshot import Demand, Snapshot

OF_RUNTIME: tuple[Check, ...] = (checks.protocol, checks.artefact_format, checks.uri_scheme)
"""Of ``RUNS`` those whose answer depends on the demand and the runtime, whatever the pool."""
OF_BINDING: tuple[Check, ...] = (checks.hardware_binding,)
"""On the variant and the pool, whatever the runtime."""
OF_ARITHMETIC: tuple[Check, ...] = (
    checks.accelerator,
    checks.architecture,
    checks.native_precision,
    checks.runtime_precision,
    checks.dialect,
    checks.topology,
    checks.requestable,
    checks.known_memory,
)
"""On the pool, the runtime and the variant's arithmetic: the same for every demand."""


class Faults:
    """How many checks of ``RUNS`` fail, by group of pools, runtime and variant: the sum over its parts."""

    def __init__(self, snapshot: Snapshot, demand: Demand, groups: tuple[PoolGroup, ...]) -> None:
        self._demand = demand
        self._runtimes = snapshot.runtimes
        self._variants = demand.variants
        self._groups = groups
        self._arithmetics = [arithmetic(v) for v in self._variants]

    # Computed at the first look: whoever only stays where it is needs none of it.
    @cached_property
    def _of_runtime(self) -> list[list[int]]:
        return [self._of_variant(self._groups[0], v) for v in self._variants] if self._groups else []

    @cached_property
    def _loading(self) -> list[list[int]]:
        return [[r for r, n in enumerate(faults) if not n] for faults in self._of_runtime]

    def running(self, group: PoolGroup, variant: int) -> list[Candidate]:
        """The candidates of a variant that can run on the group, unmeasured."""
        if not self._loading[variant]:
            return []
        faults = self._of_arithmetic(group.shape, variant)
        found = [r for r in self._loading[variant] if not faults[r]]
        if not found or self._of_binding(group, variant):
            return []
        return [self._candidate(group, r, variant) for r in found]

    def failing(self, group: PoolGroup) -> list[tuple[int, Candidate]]:
        """Those of all variants that can't, each with the number of checks that fail."""
        found = []
        for variant, of_runtime in enumerate(self._of_runtime):
            faults, binding = self._of_arithmetic(group.shape, variant), self._of_binding(group, variant)
            for runtime, count in enumerate(of_runtime):
                total = count + faults[runtime] + binding
                if total:
                    found.append((total, self._candidate(group, runtime, variant)))
        return found

    def plain(self, group: PoolGroup, variant: int) -> Candidate:
        """A candidate of the variant for questions in which the runtime has no part."""
        return self._candidate(group, 0, variant)

    def _candidate(self, group: PoolGroup, runtime: int, variant: int) -> Candidate:
        one = self._runtimes[runtime]
        support = group.shape.supports.get(one.name)
        return Candidate(self._demand, self._variants[variant], one, support, group.sample, group.tier, 0)

    def _of_variant(self, group: PoolGroup, variant: Variant) -> list[int]:
        """By runtime: faults of the runtime with the demand's variant."""
        return [
            _count(Candidate(self._demand, variant, r, None, group.sample, group.tier, 0), OF_RUNTIME)
            for r in self._runtimes
        ]

    def _of_binding(self, group: PoolGroup, variant: int) -> int:
        if self._variants[variant].accelerators is None:
            return 0
        return _count(self._candidate(group, 0, variant), OF_BINDING)

    def _of_arithmetic(self, shape: Shape, variant: int) -> list[int]:
        """By runtime: faults of the pool, the runtime there, and the arithmetic. Kept with the shape."""
        key = self._arithmetics[variant]
        known = shape.faults.get(key)
        if known is None:
            known = shape.faults[key] = [self._ask(shape, r, self._variants[variant]) for r in self._runtimes]
        return known

    def _ask(self, shape: Shape, runtime: InferenceRuntime, variant: Variant) -> int:
        if runtime.name not in shape.supports:
            shape.supports[runtime.name] = supports_for(runtime, shape.sample)
        support = shape.supports[runtime.name]
        return _count(
            Candidate(self._demand, variant, runtime, support, shape.sample, None, 0), OF_ARITHMETIC
        )


def arithmetic(variant: Variant) -> Arithmetic:
    """All of a variant that its arithmetic is judged by."""
    dialect = variant.quantization.dialect if variant.quantization else None
    return variant.precision, variant.weights, variant.activations, variant.scheme, dialect


def _count(candidate: Candidate, chain: tuple[Check, ...]) -> int:
    """How many checks of the chain fail."""
    return len([check for check in chain if check(candidate) is not None])

"""What is asked of a variant on each pool anew, with what is the same on every pool computed once."""

from __future__ import annotations

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.variant import Variant
from stowage.placement.estimate import Estimate, Estimator
from stowage.placement.fit import Fit, Footprint
from stowage.placement.snapshot import Pool


class Sizing:
    """Memory and speed of one variant of a deployment. A survey keeps one for each variant."""

    __slots__ = ("_estimator", "_footprint")

    def __init__(self, workload: InferenceDeployment, variant: Variant) -> None:
        self._footprint = Footprint(workload.spec.model, variant)
        self._estimator = Estimator(workload, variant, self._footprint)

    def fit(self, pool: Pool, devices: int) -> Fit:
        """The fit over so many of the pool's devices, in their own memory or in the node's."""
        if pool.is_cpu or pool.device_memory is None:
            return self._footprint.on_host(devices, pool.node_memory)
        return self._footprint.over(devices, pool.device_memory)

    def estimate(self, pool: Pool, devices: int) -> Estimate:
        """What a replica of so many of the pool's devices does."""
        return self._estimator.on(pool.accelerator_class, devices, pool.device_memory)

    def ceiling(self, pool: Pool, devices: int) -> Estimate | None:
        """What no replica of so many of the pool's devices or fewer surpasses, where that is known."""
        return self._estimator.ceiling(pool.accelerator_class, devices)

    def excess(self, one: Estimate) -> float:
        """How many times over its bound the worst latency is; see ``Estimator``."""
        return self._estimator.excess(one)

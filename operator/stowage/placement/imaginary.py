"""Pools of nodes that nobody has: what a class of accelerator could be bought as."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

from stowage.api.accelerator_class import AcceleratorClass, NodeMatch
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.quantity import parse_bytes
from stowage.placement.candidates import supports_for
from stowage.placement.pool_labels import ARCHITECTURE
from stowage.placement.selectors import requirement_holds
from stowage.placement.snapshot import Pool

ARCHITECTURES = ("amd64", "arm64")
NODE_MEMORY = 2**60
"""Memory of an imaginary node: enough for every model."""


def imaginary_pools(
    accelerator: AcceleratorClass, runtimes: tuple[InferenceRuntime, ...], price: Decimal | None
) -> Iterator[Pool]:
    """Pools of nodes that have as many devices as any runtime can use together, one pool for each CPU
    architecture that the class is found on. Where a pod must take the whole node, one for each number.

    Args:
        price: of one device per hour.
    """
    memory = accelerator.spec.memory
    plain = Pool(
        name=accelerator.name,
        accelerator_class=accelerator,
        nodes=(),
        keys=(),
        identified_by_keys=False,
        capacity_type="on-demand",
        architecture=ARCHITECTURES[0],
        devices_per_node=1,
        device_memory=parse_bytes(memory) if memory else None,
        node_memory=NODE_MEMORY,
    )
    supports = [s for s in (supports_for(r, plain) for r in runtimes) if s is not None]
    counts = sorted({n for s in supports for n in s.device_counts}) or [1]
    for count in counts if accelerator.spec.whole_node else counts[-1:]:
        for architecture in ARCHITECTURES:
            if _found_on(accelerator, architecture):
                yield replace(
                    plain,
                    architecture=architecture,
                    devices_per_node=count,
                    cost_per_hour=None if price is None else price * count,
                )


def _found_on(accelerator: AcceleratorClass, architecture: str) -> bool:
    """Whether nodes of this architecture may have the device, as its labels say."""

    def allows(match: NodeMatch) -> bool:
        asked = [r for r in match.match_expressions if r.key == ARCHITECTURE]
        same = match.match_labels.get(ARCHITECTURE, architecture) == architecture
        return same and all(requirement_holds(r, {ARCHITECTURE: architecture}) for r in asked)

    return not accelerator.spec.match or any(allows(m) for m in accelerator.spec.match)

"""The outcome of a decision in one code and one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from stowage.api.quantity import gib
from stowage.api.reasons import Code
from stowage.placement.backoffs import VARIANT_WIDE, Backoffs
from stowage.placement.candidates import Candidate
from stowage.placement.decision import Verdict
from stowage.placement.reasons import Reason
from stowage.placement.requirements import budget_text
from stowage.placement.snapshot import Demand, Placement, Snapshot

COMING = (Code.VARIANT_NOT_BUILT, Code.VARIANT_BUILDING)
"""What a candidate waits for that comes by itself."""
WAITS_FOR_ROOM = (Code.NO_CAPACITY, Code.NO_USABLE_NODE, Code.IN_BACKOFF)


def room_text(candidate: Candidate) -> str:
    """What one replica needs of its node, in words."""
    requests = candidate.requests
    cpu, memory = requests["cpu"] / 1000, gib(requests["memory"])
    devices = "" if candidate.pool.is_cpu else f"{candidate.devices} {candidate.pool.resource}, "
    return f"{devices}{cpu:g} CPU cores, {memory} of memory"


def devices_text(candidate: Candidate) -> str:
    """One replica's devices in words: ``2 x nvidia-l4``, ``4 cores of cpu-generic``."""
    name, count = candidate.pool.accelerator_class.name, candidate.devices
    if not candidate.pool.is_cpu:
        return f"{count} x {name}"
    return f"{count} core of {name}" if count == 1 else f"{count} cores of {name}"


def outcome(
    wanted: int, placed: int, best: Candidate, affordable: int | None = None, *, tried: bool = False
) -> Reason:
    """The outcome where something was chosen.

    Args:
        affordable: replicas that the budget allows; None where no budget is set.
        tried: whether nodes must come of which nobody knows whether they can.
    """
    if wanted == 0:
        return Reason(Code.SCALED_TO_ZERO, "no replicas are wanted")
    if placed >= wanted:
        many = f"{wanted} replicas on {devices_text(best)} each"
        text = many if wanted > 1 else f"1 replica on {devices_text(best)}"
        unknown = "; nodes must be provisioned, and whether they can be is unknown" if tried else ""
        return Reason(Code.PLACED, f"{text}, pool {best.pool.name}{unknown}")
    cost = best.cost_of(wanted)
    if affordable is not None and affordable <= placed and cost is not None:
        most = best.demand.workload.spec.requirements.max_cost_per_hour
        limit = f"{budget_text(wanted, cost)}, at most {most} is allowed"
        return Reason(Code.PARTIALLY_PLACED, f"{placed} of {wanted} replicas are placed: {limit}")
    return Reason(
        Code.PARTIALLY_PLACED, f"{placed} of {wanted} replicas have room; each needs {room_text(best)}"
    )


def what_failed(placement: Placement, backoffs: Backoffs) -> Reason:
    """The outcome where something failed, and is kept since nothing else can serve."""
    why = backoffs[placement.id]
    wide = why.code in VARIANT_WIDE
    what = placement.variant if wide else f"{placement.variant} on {placement.pool}"
    return Reason(why.code, f"{what} failed, and nothing else can serve: {why.message}")


def nowhere(snapshot: Snapshot, demand: Demand, rejected: Sequence[Verdict], *, serving: bool) -> Reason:
    """The outcome where nothing could be chosen: what is missing, by the nearest candidate."""
    if not snapshot.pools:
        return Reason(Code.NO_POOL, "no node has an accelerator that an AcceleratorClass recognises")
    formats = {f for runtime in snapshot.runtimes for f in runtime.spec.formats}
    wanted = sorted({v.format for v in demand.workload.spec.variants})
    if not formats & set(wanted):
        known = ", ".join(sorted(formats)) or "none"
        return Reason(
            Code.NO_RUNTIME,
            f"no runtime loads {', '.join(wanted)}; known formats are {known}. "
            "Add a variant in one of them, or an InferenceRuntime",
        )
    nearest = rejected[0]
    if nearest.reasons[0].code not in WAITS_FOR_ROOM:
        coming = next((v for v in rejected if v.reasons[0].code in COMING and len(v.reasons) == 1), None)
        if coming is not None:
            return coming.reasons[0]
    message = nearest.reasons[0].message
    where = f"nearest is {nearest.candidate.variant.name} on {nearest.candidate.pool.name}: {message}"
    if nearest.reasons[0].code not in WAITS_FOR_ROOM:
        return Reason(Code.NO_CANDIDATE, where)
    if serving:
        return Reason(Code.NO_SPARE_DEVICE, f"what serves stays and a move waits for a spare device; {where}")
    return Reason(Code.NO_CAPACITY, where)

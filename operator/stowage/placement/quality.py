"""Whether a variant is there and good enough: two of the checks of ``checks``."""

from __future__ import annotations

from decimal import Decimal

from stowage.api.placement_policy import PlacementPolicy
from stowage.api.reasons import Code
from stowage.api.variant import Variant
from stowage.placement.builds import BuildState
from stowage.placement.candidates import Candidate
from stowage.placement.reasons import Reason


def built(c: Candidate) -> Reason | None:
    """Whether a variant that is to be built is there."""
    state = c.demand.builds.get(c.variant.name)
    if state is None or state.built:
        return None
    if state.found is not None and state.found.state == "Building":
        return Reason(Code.VARIANT_BUILDING, f"variant {c.variant.name} is being built")
    if state.found is not None and state.found.state == "Failed":
        why = state.found.message
        return Reason(Code.BUILD_FAILED, f"variant {c.variant.name} could not be built: {why}")
    if (refusal := not_allowed(c.variant, c.demand.policy)) is not None:
        return Reason(Code.BUILD_NOT_ALLOWED, refusal)
    return Reason(Code.VARIANT_NOT_BUILT, f"variant {c.variant.name} isn't built yet")


def not_allowed(variant: Variant, policy: PlacementPolicy) -> str | None:
    """Why the policy doesn't let the variant be built; None where it does."""
    builds = policy.spec.builds
    if builds is None:
        return f"policy {policy.name} doesn't set builds"
    if variant.build is not None and variant.build.script is not None and builds.scripts == "Never":
        return f"variant {variant.name} has a script, and builds.scripts of policy {policy.name} is Never"
    return None


def quality(c: Candidate) -> Reason | None:
    state = c.demand.builds.get(c.variant.name)
    if state is not None:
        return _measured_quality(c, state)
    least = c.demand.workload.spec.requirements.min_quality
    if least is None or Decimal(c.variant.quality) >= Decimal(least):
        return None
    return Reason(
        Code.QUALITY_TOO_LOW, f"quality of {c.variant.name} is {c.variant.quality}, at least {least} is asked"
    )


def _measured_quality(c: Candidate, state: BuildState) -> Reason | None:
    """Of a variant that is built: what nobody measured is not taken for good."""
    found, least = state.found, c.demand.workload.spec.requirements.min_quality
    if found is None or not state.built:
        return None
    if not found.quality:
        builds = c.demand.policy.spec.builds
        if builds is not None and builds.unknown_quality == "Serve":
            return None
        return Reason(
            Code.QUALITY_UNKNOWN,
            f"quality of {c.variant.name} wasn't measured for want of data, "
            f"and policy {c.demand.policy.name} refuses what is unknown",
        )
    if least is None or Decimal(found.quality) >= Decimal(least):
        return None
    examples = f", {found.examples} examples" if found.examples else ""
    return Reason(
        Code.QUALITY_TOO_LOW,
        f"quality of {c.variant.name} is {found.quality} ({found.metric}{examples}), "
        f"at least {least} is asked",
    )

"""Which policy governs an InferenceDeployment."""

from __future__ import annotations

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.meta import ObjectMeta
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.reasons import Code
from stowage.control.world import World
from stowage.placement.reasons import Reason
from stowage.placement.selectors import selects_labels

EMBEDDED = PlacementPolicy(metadata=ObjectMeta(name="embedded-default"))
"""For clusters without any policy: accelerators only, CPU off, BestFit."""


def defaults(world: World) -> list[PlacementPolicy]:
    """Policies that say they are the default, the oldest first."""
    found = [p.value for p in world.policies.items.values() if p.value is not None and p.value.spec.default]
    return sorted(found, key=lambda p: (p.metadata.creation_timestamp, p.name))


def policy_for(world: World, workload: InferenceDeployment) -> PlacementPolicy | Reason:
    """The policy of a deployment, or why it can have none."""
    name = workload.spec.policy
    if name is None:
        by_default = defaults(world)
        if not by_default and world.policies.items:
            return _no_default(world)
        policy = by_default[0] if by_default else EMBEDDED
    else:
        parsed = world.policies.items.get(("", name))
        if parsed is None or parsed.value is None:
            return Reason(
                Code.UNKNOWN_POLICY,
                f"spec.policy: PlacementPolicy {name!r} doesn't exist; policies are {_known(world)}",
            )
        policy = parsed.value
    return admission(world, workload, policy) or policy


def _known(world: World) -> str:
    return ", ".join(sorted(key[1] for key in world.policies.items)) or "none"


def _no_default(world: World) -> Reason:
    """Where the platform team wrote policies, the embedded one would be a way round them."""
    return Reason(
        Code.UNKNOWN_POLICY, f"no PlacementPolicy is the default; name one in spec.policy: {_known(world)}"
    )


def admission(world: World, workload: InferenceDeployment, policy: PlacementPolicy) -> Reason | None:
    """Why the policy doesn't admit the deployment, if so."""
    namespace = workload.metadata.namespace
    if not selects_labels(policy.spec.namespaces, world.namespaces.get(namespace, {})):
        return Reason(
            Code.POLICY_NOT_ADMITTED,
            f"policy {policy.name} doesn't admit namespace {namespace}: its labels don't match "
            "spec.namespaces of the policy",
        )
    wanted = workload.spec.priority_class_name
    if wanted is not None and wanted not in policy.spec.priority_classes:
        listed = ", ".join(policy.spec.priority_classes) or "none"
        return Reason(
            Code.PRIORITY_NOT_ALLOWED,
            f"spec.priorityClassName: policy {policy.name} doesn't list {wanted!r}; it lists {listed}",
        )
    account = workload.spec.template.service_account_name
    if account is not None and account not in policy.spec.service_accounts:
        listed = ", ".join(policy.spec.service_accounts) or "none"
        return Reason(
            Code.SERVICE_ACCOUNT_NOT_ALLOWED,
            f"spec.template.serviceAccountName: policy {policy.name} doesn't list {account!r}; "
            f"it lists {listed}",
        )
    return None

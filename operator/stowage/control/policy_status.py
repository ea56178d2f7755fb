"""The status of PlacementPolicies: whether two of them are the default."""

from __future__ import annotations

from stowage.api.meta import API_VERSION, Condition
from stowage.api.placement_policy import PlacementPolicy, PlacementPolicyStatus
from stowage.api.reasons import Code
from stowage.cluster.ports import PLACEMENT_POLICIES, Cluster
from stowage.control.policies import defaults
from stowage.control.world import World
from stowage.placement.reasons import Reason


async def report_policies(cluster: Cluster, world: World, now: str) -> None:
    """Writes the status of every policy where it differs."""
    names = [p.name for p in defaults(world)]
    for parsed in list(world.policies.items.values()):
        policy = parsed.value
        if policy is None or parsed.deleting:
            continue
        after = policy_status(policy, names, now)
        if policy.status is not None and policy.status.to_wire() == after.to_wire():
            continue
        body = {
            "apiVersion": API_VERSION,
            "kind": policy.kind,
            "metadata": {"name": policy.name, "resourceVersion": policy.metadata.resource_version},
            "status": after.to_wire(),
        }
        with world.own_writes.write(world.policies, ("", policy.name)) as stored:
            stored(await cluster.apply(PLACEMENT_POLICIES, body, subresource="status"))


def policy_status(policy: PlacementPolicy, default_names: list[str], now: str) -> PlacementPolicyStatus:
    """Ready, or DefaultConflict where several policies are the default; the oldest wins."""
    conflict = policy.name in default_names and len(default_names) > 1
    if conflict:
        others = ", ".join(n for n in default_names if n != policy.name)
        used = default_names[0]
        why = Reason(
            Code.DEFAULT_CONFLICT,
            f"{others} is the default too; {used} is the oldest and is used. Unset default in all but one",
        )
    else:
        why = Reason(Code.SETTLED, "in use")
    truth = "False" if conflict else "True"
    before = next((c for c in policy.status.conditions if c.type == "Ready"), None) if policy.status else None
    time = before.last_transition_time if before is not None and before.status == truth else now
    ready = Condition(
        type="Ready",
        status=truth,
        reason=why.code.value,
        message=why.message,
        last_transition_time=time,
        observed_generation=policy.metadata.generation,
    )
    return PlacementPolicyStatus(conditions=[ready], observed_generation=policy.metadata.generation)

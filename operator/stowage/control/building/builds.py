"""What is built for one InferenceDeployment: looked at before each decision, ordered after it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_deployment_status import InferenceDeploymentStatus, VariantStatus
from stowage.api.placement_policy import PlacementPolicy
from stowage.api.reasons import Code
from stowage.api.variant import Variant
from stowage.cluster import ports
from stowage.cluster.errors import Conflict, Terminal
from stowage.cluster.ports import Cluster
from stowage.control.apply import delete
from stowage.control.building.jobs import JOB_NAME, BuildJob, project_ended, telling
from stowage.control.world import World
from stowage.placement.build_nodes import building_pools
from stowage.placement.builds import build_states
from stowage.placement.decision import Decision
from stowage.placement.quality import not_allowed
from stowage.placement.snapshot import Demand, Pool
from stowage.render.build_job import build_job
from stowage.render.build_report import Ended, failed, plain, result
from stowage.render.names import build_name

JOB_SECONDS = 30.0
"""After how long a Job that could not be made is tried again: no watch tells that it could be."""
_log = logging.getLogger(__name__)


@dataclass
class Builds:
    """Follows and orders Jobs."""

    cluster: Cluster
    world: World
    image: str
    """The builder's, where the policy names none."""

    async def review(self, workload: InferenceDeployment) -> tuple[VariantStatus, ...]:
        """How far each variant is that is built, and what was measured of references.

        Reads the pods of a Job once, when it has ended; what was read is kept in status. Ends what nobody
        needs any more.
        """
        await self._cancel(workload)
        found: dict[str, VariantStatus] = {}
        states = build_states(workload)
        for variant in workload.spec.variants:
            if variant.name in states:
                for one in await self._look(workload, variant, states[variant.name].found):
                    found[one.name] = one
        current = {v.inputs for v in found.values() if v.state == "Built"}
        for one in workload.status.variants if workload.status else ():
            if one.state == "Measured" and one.inputs in current:
                found.setdefault(one.name, one)
        order = {v.name: index for index, v in enumerate(workload.spec.variants)}
        return tuple(sorted(found.values(), key=lambda v: order.get(v.name, len(order))))

    async def _look(
        self, workload: InferenceDeployment, variant: Variant, before: VariantStatus | None
    ) -> tuple[VariantStatus, ...]:
        """Args:
        before: what status says of a build of the same inputs.
        """
        if before is not None and before.state == "Built":
            return (before,)
        job = self._job(workload, variant)
        if job is None:
            return (
                plain(workload, variant, Code.VARIANT_NOT_BUILT, "no candidate that could serve needs it"),
            )
        if job.state == "Running":
            name = build_name(workload, variant)
            return (plain(workload, variant, None, f"Job {name} builds it"),)
        if before is not None and before.state == "Failed" and before.provenance is not None:
            return (before,)
        return await self._read(workload, variant, job)

    async def _cancel(self, workload: InferenceDeployment) -> None:
        """Deletes Jobs that are still building what the spec doesn't say any more."""
        namespace, uid = workload.metadata.namespace, workload.metadata.uid
        running = {
            name
            for (where, name), job in self.world.jobs.items.items()
            if job.owner_uid == uid and where == namespace and job.state == "Running"
        }
        wanted = {build_name(workload, v) for v in workload.spec.variants if v.build is not None}
        for name in running - wanted:
            await delete(self.cluster, self.world.jobs, (namespace, name))
            _log.info("%s/%s: Job %s ended: its variant was edited", *workload.key, name)

    def _job(self, workload: InferenceDeployment, variant: Variant) -> BuildJob | None:
        job = self.world.jobs.items.get((workload.metadata.namespace, build_name(workload, variant)))
        return job if job is not None and job.owner_uid == workload.metadata.uid else None

    async def _read(
        self, workload: InferenceDeployment, variant: Variant, job: BuildJob
    ) -> tuple[VariantStatus, ...]:
        """The status after a Job that has ended."""
        succeeded = job.state == "Complete"
        pods = await self.cluster.list(
            ports.PODS,
            decode=project_ended,
            namespace=workload.metadata.namespace,
            label_selector=f"{JOB_NAME}={build_name(workload, variant)}",
        )
        pod = telling(pods.items, succeeded=succeeded)
        if pod is None:
            message = job.message or f"the pods of Job {build_name(workload, variant)} are gone"
            found: tuple[VariantStatus, ...] = (failed(workload, variant, message, job.finished),)
        else:
            ended = Ended(
                pod.message, succeeded, pod.node, self._class_of(pod.node), pod.finished or job.finished
            )
            found = result(workload, variant, job.store, ended)
        told = found[0]
        _log.info("%s/%s: build of %s: %s %s", *workload.key, told.name, told.state, told.message)
        return found

    def _class_of(self, node: str) -> str:
        """The class of the node's CPU; empty where there isn't exactly one."""
        pools = self.world.discovery.pools
        names = {p.accelerator_class.name for p in pools if p.is_cpu and any(n.name == node for n in p.nodes)}
        return names.pop() if len(names) == 1 else ""

    def _nodes(self, policy: PlacementPolicy) -> tuple[tuple[Pool, ...], str]:
        """The pools that may build, where the policy says so by a class; and why none can, or nothing."""
        builds = policy.spec.builds
        if builds is None or builds.accelerator_class is None:
            return (), ""
        name = builds.accelerator_class
        pools = building_pools(builds, self.world.discovery.pools)
        if pools:
            return pools, ""
        if name not in self.world.catalog.classes and ("", name) not in self.world.classes.items:
            wrong = f"{name} is no AcceleratorClass; write one that stowage catalog lists"
        else:
            also = " with the labels of builds.nodeSelector" if builds.node_selector else ""
            wrong = f"there is no node of {name}{also}; add one, or name another class"
        return (), f"policy {policy.name}, builds.acceleratorClass: {wrong}"

    async def order(
        self, demand: Demand, decision: Decision, reviewed: Sequence[VariantStatus]
    ) -> tuple[VariantStatus, ...]:
        """Starts what the decision needs. Returns what was reviewed with what became of it."""
        unbuilt = {v.name for v in reviewed if v.state == "NotBuilt"}
        if not unbuilt or demand.workload.spec.paused:
            return tuple(reviewed)
        reviewed = [_allowed(demand, v) for v in reviewed]
        ordered = {}
        for name in decision.needs():
            variant = next(v for v in demand.workload.spec.variants if v.name == name)
            ordered[name] = await self._start(demand, variant)
        return tuple(ordered.get(v.name, v) for v in reviewed)

    async def _start(self, demand: Demand, variant: Variant) -> VariantStatus:
        workload, name = demand.workload, build_name(demand.workload, variant)
        pools, why = self._nodes(demand.policy)
        if why:
            return plain(workload, variant, Code.BUILD_FAILED, why)
        job = build_job(workload, variant, demand.policy, self.image, pools)
        try:
            stored = await self.cluster.create(ports.JOBS, job)
        except Conflict:
            message = f"Job {name} exists and isn't this deployment's, or is going; delete it"
            return plain(workload, variant, Code.BUILD_FAILED, message)
        except Terminal as error:
            return plain(workload, variant, Code.BUILD_FAILED, str(error))
        self.world.jobs.observe("ADDED", stored)
        return plain(workload, variant, None, f"Job {name} builds it")


def with_variants(workload: InferenceDeployment, variants: tuple[VariantStatus, ...]) -> InferenceDeployment:
    """The workload as if its status said so already."""
    before = workload.status.variants if workload.status else []
    if list(variants) == before:
        return workload
    status = workload.status or InferenceDeploymentStatus()
    return workload.model_copy(update={"status": status.model_copy(update={"variants": list(variants)})})


def _allowed(demand: Demand, one: VariantStatus) -> VariantStatus:
    """The same, unless the policy doesn't let it be built: then that is why it isn't there."""
    if one.state != "NotBuilt":
        return one
    variant = next(v for v in demand.workload.spec.variants if v.name == one.name)
    why = not_allowed(variant, demand.policy)
    return one if why is None else plain(demand.workload, variant, Code.BUILD_NOT_ALLOWED, why)

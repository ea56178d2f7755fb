"""The operator as a process: what runs beside what, and in which order it starts."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypeVar

from stowage.catalog import load_catalog
from stowage.cluster import ports
from stowage.cluster.circuit import Circuit
from stowage.cluster.client import KubernetesCluster
from stowage.cluster.ports import Body, Cluster
from stowage.cluster.reflector import Reflector, object_key
from stowage.control import resync
from stowage.control.device_watch import DeviceWatch
from stowage.control.election import Elector, LostLeaseError
from stowage.control.ending import take_signals
from stowage.control.failing.nodes import Nodes
from stowage.control.failing.pods import OwnPod, OwnPods, project_own_pod
from stowage.control.failing.review import Failures
from stowage.control.leading import Leading
from stowage.control.lease import Timing
from stowage.control.line import ROOM, Line, WorkKey
from stowage.control.namespaces import Namespaces
from stowage.control.outage import sit_out
from stowage.control.own_images import OwnImages
from stowage.control.policies import defaults
from stowage.control.policy_status import report_policies
from stowage.control.projections import BOUND_PODS, project_node, project_pod
from stowage.control.queue import WorkQueue
from stowage.control.reconcile import SECONDS, Reconciler, utc_now
from stowage.control.scope import Scope
from stowage.control.store import OnChange
from stowage.control.triggers import Triggers, hit
from stowage.control.watchdog import Watchdog
from stowage.control.world import World
from stowage.observe import metrics
from stowage.observe.health import Health
from stowage.observe.workqueue import WorkQueueMetrics
from stowage.render.names import SELECTOR

T = TypeVar("T")

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """How the operator runs."""

    context: str | None = None
    workers: int = 16
    resync_seconds: float = resync.PERIOD_SECONDS
    election: Election | None = None
    """None: this process is the only one, and decides at once."""
    namespaces: tuple[str, ...] = ()
    """Which are served; none named: all."""
    images: OwnImages = field(default_factory=OwnImages)


@dataclass(frozen=True, slots=True)
class Election:
    """Which Lease decides who decides."""

    namespace: str
    name: str
    identity: str
    timing: Timing


class Operator:
    """Wires caches, queue and workers together."""

    def __init__(
        self, cluster: Cluster, circuit: Circuit, options: Options, elector: Elector | None = None
    ) -> None:
        self.leading = Leading(elector)
        self.queue: WorkQueue[WorkKey] = WorkQueue(metrics=WorkQueueMetrics())
        self._elector = elector
        self._cluster = cluster
        self._circuit = circuit
        self._options = options
        self._triggers = Triggers(self.queue.add_after)
        self._known_problems: tuple[str, ...] = ()
        metrics.serves(options.namespaces)
        self.world = World(load_catalog(), self._triggers.changed, Scope.of(options.namespaces))
        own_pods = OwnPods(Nodes(self.world.nodes).alive, time.time)
        failures = Failures(cluster, self.world, own_pods)
        self._reconciler = Reconciler(cluster, self.world, self._look_again, failures, images=options.images)
        self._line = Line(self.world, self.queue, self._reconciler.reconcile)
        self._namespaces = Namespaces(cluster, self.world, self._watch_broke, circuit, options.context)
        own_pods_changed = self._triggers.own_pod(own_pods.change)
        self._reflectors: dict[str, Reflector[Any]] = {
            "nodes": self._reflector(ports.NODES, project_node, self.world.node_changed),
            "pods": self._reflector(ports.PODS, project_pod, self.world.pod_changed, fields=BOUND_PODS),
            "own-pods": self._reflector(ports.PODS, self._own_pod, own_pods_changed, labels=SELECTOR),
            "namespaces": self._namespaces.reflector,
        }
        self._devices = DeviceWatch(cluster, self.world, circuit.pause)
        self._resync = resync.Resync(cluster, self.world, options.resync_seconds, circuit.pause)

    def _reflector(
        self,
        resource: ports.ResourceType,
        project: Callable[[Body], T | None],
        on_change: OnChange[T],
        labels: str = "",
        fields: str = "",
    ) -> Reflector[T]:
        return Reflector(
            self._cluster,
            resource,
            project=project,
            on_change=on_change,
            on_error=self._watch_broke(resource),
            label_selector=labels,
            field_selector=fields,
            pause=self._circuit.pause,
        )

    def _own_pod(self, body: Body) -> OwnPod | None:
        return project_own_pod(body) if self.world.scope.includes(object_key(body)[0]) else None

    def _look_again(self, key: tuple[str, str], seconds: float) -> None:
        self.queue.add_after((ports.INFERENCE_DEPLOYMENTS.plural, *key), seconds)

    async def run(self, health: Health) -> None:
        """Runs until cancelled. Nothing is decided before everything has been listed once, so that no
        device is given away that is taken."""
        period = self._options.resync_seconds
        watchdog = Watchdog(health, self.world, self.queue, period)
        for name, reflector in self._reflectors.items():
            watchdog.watch(name, reflector)
        if self._elector is not None:
            watchdog.elect(self._elector)
        async with asyncio.TaskGroup() as group:
            group.create_task(watchdog.run(), name="watchdog")
            group.create_task(self._circuit.run(), name="circuit")
            group.create_task(self._reconciler.events.run(), name="events")
            for name, reflector in self._reflectors.items():
                group.create_task(reflector.run(), name=name)
            group.create_task(self._devices.run(), name="devices")
            await self._namespaces.reflector.synced.wait()
            await resync.fill(self._cluster, self.world)
            await asyncio.gather(*(each.synced.wait() for each in self._reflectors.values()))
            await self._devices.answered()
            group.create_task(self._resync.run(watchdog.resynced), name="resync")
            outages = sit_out(self._circuit, self.queue, self._look_afresh, self._begin_again)
            group.create_task(outages, name="outages")
            self.leading.start(
                group,
                self.queue,
                self._handle,
                self._options.workers,
                prepare=self._prepare,
                finish=self._reconciler.events.drain,
            )
            health.ready = True
            take_signals(self.leading.stop)
            await self._namespaces.watch(self._resync.doubt)

    async def _prepare(self) -> None:
        """Before the first decision of a leader: a standby's watches may have been cut without a word, and
        what the leader before it did last must count. What changes from here on is queued; a standby queues
        nothing, since ``_begin`` looks at everything."""
        self._triggers.world = self.world
        if self._options.election is not None:
            await self._look_afresh()
        self._begin()

    async def _look_afresh(self) -> None:
        await resync.whole(self._cluster, self.world)
        for reflector in self._reflectors.values():
            await reflector.refresh()
        await self._devices.refresh()

    def _begin_again(self) -> None:
        """After an outage. A standby begins when it is elected."""
        if self.leading.begun:
            self._begin()

    def _watch_broke(self, resource: ports.ResourceType) -> Callable[[Exception], None]:
        """Logs and counts what a watch failed of. It is seldom alone, and kopf doesn't tell of those that it
        mends."""

        def broke(error: Exception) -> None:
            metrics.watch_restarted(resource.qualified)
            _log.warning("watch: %s", error)
            self._resync.doubt()

        return broke

    def _begin(self) -> None:
        self.world.discover()
        pools = self.world.discovery.pools
        _log.info(
            "watching %d nodes in %d pools and %d InferenceDeployments",
            len(self.world.nodes),
            len(pools),
            len(self.world.workloads.items),
        )
        if missing := self.world.scope.only - self.world.scope.there.keys():
            _log.info("waiting for namespaces that aren't there yet: %s", ", ".join(sorted(missing)))
        self.queue.add(("fleet", "", ""))
        self.queue.add((ports.PLACEMENT_POLICIES.plural, "", ""))

    async def _handle(self, key: WorkKey) -> None:
        plural, namespace, name = key
        if plural == "fleet":
            self.world.discover()
            self._report_problems()
            self._look_at_all()
        elif key == ROOM:
            await self._line.offer()
        elif plural == ports.PLACEMENT_POLICIES.plural:
            await self._report_policies()
        else:
            await self._line.look((namespace, name))

    def _look_at_all(self) -> None:
        """Those first that have lost a node, then those in line for room; the others can wait."""
        in_line, lost = self._line.order(), hit(self.world)
        self._line.ask(in_line)
        behind = set(in_line)
        for key in sorted(self.world.workloads.items):
            if key not in behind:
                work = (ports.INFERENCE_DEPLOYMENTS.plural, *key)
                self.queue.add(work, can_wait=key not in lost)

    async def _report_policies(self) -> None:
        """A policy is the whole cluster's: operators that serve some namespaces only write nothing to it."""
        if not self.world.scope.only:
            await report_policies(self._cluster, self.world, utc_now().strftime(SECONDS))
        elif len(names := [p.name for p in defaults(self.world)]) > 1:
            _log.warning("%s are default policies; the oldest, %s, is used", ", ".join(names), names[0])

    def _report_problems(self) -> None:
        problems = self.world.discovery.problems
        for problem in problems:
            if problem not in self._known_problems:
                _log.warning("%s", problem)
        self._known_problems = problems


async def serve(options: Options, health: Health) -> None:
    """Connects and runs until SIGTERM or SIGINT.

    Raises:
        LostLeaseError: another process may be the leader now.
    """
    main = asyncio.current_task()
    assert main is not None
    take_signals(main.cancel)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(health)
        cluster = await stack.enter_async_context(
            KubernetesCluster.connect(options.context, after_write=metrics.wrote)
        )
        elector = await _elector(stack, options)
        if elector is not None:
            cluster.before_write = elector.check
        operator = Operator(cluster, cluster.circuit, options, elector)
        try:
            await operator.run(health)
        except BaseExceptionGroup as group:
            lost = group.subgroup(LostLeaseError)
            if lost is None:
                raise
            raise lost.exceptions[0] from None


async def _elector(stack: AsyncExitStack, options: Options) -> Elector | None:
    """The elector has connections of its own: a renewal must not wait behind anything."""
    election = options.election
    if election is None:
        return None
    cluster = await stack.enter_async_context(
        KubernetesCluster.connect(
            options.context,
            after_write=metrics.wrote,
            request_timeout=election.timing.renew_deadline / 2,
            read_delays=(),
        )
    )
    return Elector(cluster, election.namespace, election.name, election.identity, election.timing)

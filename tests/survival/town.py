"""A namespace full of models that stand or change while things break, and what must hold afterwards."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.cluster.harness import BF16, FP8, USER, Object, Stage, condition, eventually

from devcluster.audit import AuditLog
from devcluster.errors import KubectlError
from devcluster.faultproxy import FaultProxy

SOAK = os.environ.get("STOWAGE_SOAK") == "1"
"""The long versions of the tests, and many tries instead of few."""
SEED = int(os.environ.get("STOWAGE_SEED") or random.SystemRandom().randrange(1_000_000))


def number_of(variable: str, otherwise: int) -> int:
    """A number from the environment."""
    return int(os.environ.get(variable) or otherwise)


STEADY = ("steady-0", "steady-1", "steady-2")
"""Never edited: their pods must be the same ones after every fault."""
BUSY = ("busy-0", "busy-1", "busy-2")
"""Edited during faults: they must end as their last edit says."""
CONVERGE_SECONDS = 120.0
"""How long is waited at most after a fault. Backoffs of failed requests end far earlier."""
SETTLED_SECONDS = 2.0
"""For how long nothing may be written once everything is as it should be."""


@dataclass
class Measure:
    """What one try of one fault showed."""

    fault: str
    own: float
    """Seconds from the end of the fault until the operator had carried out what was edited meanwhile."""
    seconds: float
    """From the end of the fault until everything was as it should be: all pods run and serve, too."""
    writes: int
    requests: int
    edits: int


RESULTS: list[Measure] = []
"""Of this process, for the table at the end of the run."""


@dataclass
class Town:
    """The namespace. What others write there is written past the proxy."""

    stage: Stage
    proxy: FaultProxy
    audit: AuditLog
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    edits: int = 0

    def build(self) -> None:
        """Nodes, a policy, and all models, placed."""
        self.stage.pool("l4-spot", 10)
        self.stage.apply(self.stage.policy(), *(self.model(name) for name in (*STEADY, *BUSY)))
        self.converged()

    def model(self, name: str, **spec: Any) -> Object:
        """One device a replica."""
        return self.stage.workload(name, **spec)

    def edit(self, name: str = "") -> None:
        """Changes one of the busy ones as a user may: its replicas, its arguments, or its variant."""
        name = name or self.chance.choice(BUSY)
        for number in range(10):  # until it is a change, and the API server took it
            change: Object = self.chance.choice(
                (
                    {"replicas": self.chance.randint(1, 3)},
                    {"template": {"annotations": {"example.com/edit": f"{self.edits}-{number}"}}},
                    {"variants": [self.chance.choice((FP8, BF16))]},
                )
            )
            patch = json.dumps({"spec": change})
            said = self.stage.kubectl("patch", "infd", name, "--type=merge", "-p", patch, check=False)
            if said.rstrip().endswith("patched"):
                self.edits += 1
                return

    def keep_editing(self, seconds: float) -> None:
        """Edits about three times a second."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.edit()
            time.sleep(0.2)

    def converged(self, seconds: float = CONVERGE_SECONDS) -> None:
        """Waits until every model serves as its present generation says, with nothing left over."""
        try:
            eventually(self.unsettled, lambda found: not found, seconds)
        except AssertionError as error:
            error.add_note(self.stage.kubectl("get", "infd,deployments,replicasets,pods", "-o", "wide"))
            error.add_note(f"all components run: {self.stage.cluster.running()}")
            raise

    def unsettled(self) -> list[str]:
        """What isn't as it should be."""
        try:
            items = self.stage.items("infd,deployments,replicasets,pods")
        except KubectlError as error:
            return [str(error)]
        kinds: dict[str, list[Object]] = {
            "InferenceDeployment": [],
            "Deployment": [],
            "ReplicaSet": [],
            "Pod": [],
        }
        for item in items:
            kinds[item["kind"]].append(item)
        # A pod whose ReplicaSet is gone is the garbage collector's, which may have missed that: see
        # docs/survival.md, Limits.
        sets = kinds.pop("ReplicaSet")
        kinds["Pod"] = [pod for pod in kinds["Pod"] if any(_owned(pod, each) for each in sets)]
        return list(_unsettled(**{kind.lower() + "s": found for kind, found in kinds.items()}))

    def behind(self) -> list[str]:
        """Models of which the operator hasn't carried out the present generation."""
        try:
            items = self.stage.items("infd")
        except KubectlError as error:
            return [str(error)]
        return [each["metadata"]["name"] for each in items if not condition(each, "Ready")]

    def steady_pods(self) -> dict[str, str]:
        """Names and uids of the pods of those that nobody edits."""
        return {
            pod["metadata"]["name"]: pod["metadata"]["uid"]
            for name in STEADY
            for pod in self.stage.pods(name)
        }

    @contextmanager
    def survives(self, fault: str, *, writes: int = 200, seconds: float = CONVERGE_SECONDS) -> Iterator[None]:
        """The block is the fault. Afterwards everything converges, nothing that served is lost, and neither
        meanwhile nor afterwards is more written than that many times."""
        before, edits = self.steady_pods(), self.edits
        self.audit.mark()
        self.proxy.requests = 0
        yield
        self.proxy.clear()
        ended = time.monotonic()
        eventually(self.behind, lambda found: not found, seconds)
        own = time.monotonic() - ended
        self.converged(seconds)
        took = time.monotonic() - ended
        done = len(self.audit.writes(user=USER))
        RESULTS.append(Measure(fault, own, took, done, self.proxy.requests, self.edits - edits))
        assert self.steady_pods() == before, "a pod that served and that nothing concerned is gone"
        assert done <= writes, f"{done} writes"
        self.silent()

    def silent(self) -> None:
        """Nothing is written any more. What was still on its way when everything was settled, such as the
        events, may come first."""

        def writes() -> list[str]:
            self.audit.mark()
            time.sleep(SETTLED_SECONDS)
            return [str(each) for each in self.audit.writes(user=USER)]

        eventually(writes, lambda found: not found)


def _unsettled(
    inferencedeployments: list[Object], deployments: list[Object], pods: list[Object]
) -> Iterator[str]:
    """What isn't as it should be, as sentences."""
    owners = {each["metadata"]["uid"] for each in inferencedeployments}
    for child in deployments:
        references = child["metadata"].get("ownerReferences", ())
        if not any(each["uid"] in owners for each in references):
            yield f"Deployment {child['metadata']['name']} has no owner"
    for each in inferencedeployments:
        name = each["metadata"]["name"]
        ready = condition(each, "Ready")
        if (ready.get("status"), ready.get("reason")) != ("True", "Serving"):
            yield f"{name} is {ready}"
            continue
        placed = {p["deployment"]: p for p in each["status"]["placements"]}
        made = {d["metadata"]["name"]: d for d in deployments if _owned(d, each)}
        if placed.keys() != made.keys():
            yield f"{name}: status says {sorted(placed)}, there are {sorted(made)}"
        wanted = each["spec"].get("replicas", 1)
        if sum(d["spec"]["replicas"] for d in made.values()) != wanted:
            yield f"{name}: {wanted} replicas are wanted, {made} are there"
        own = [p for p in pods if p["metadata"]["labels"].get("stowage.dev/inference-deployment") == name]
        running = [p for p in own if p["status"]["phase"] == "Running"]
        if not len(own) == len(running) == wanted:
            yield f"{name}: {wanted} replicas are wanted, {len(running)} of {len(own)} pods run"


def _owned(child: Object, owner: Object) -> bool:
    references = child["metadata"].get("ownerReferences", ())
    return any(each["uid"] == owner["metadata"]["uid"] for each in references)

"""A tenant: somebody who may write InferenceDeployments in one namespace, and no more."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.cluster.harness import Object, Stage, eventually

from devcluster.cluster import LocalCluster
from stowage.cli.permissions import rules
from stowage.cluster.people import PEOPLE

ADMISSION = Path(__file__).parents[3] / "manifests/admission"
AGGREGATES = {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}
READY = "tests-admission-ready"


def give_roles(cluster: LocalCluster) -> None:
    """The roles that installations offer to people: what may be written alone, and joined to ``edit``."""
    rows = yaml.safe_load(rules((*PEOPLE["view"], *PEOPLE["edit"])))
    for name, labels in ("tests-tenant", {}), ("tests-tenant-edit", AGGREGATES):
        role = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": name, "labels": labels},
            "rules": rows,
        }
        cluster.kubectl("apply", "-f", "-", input=json.dumps(role))


class Tenant:
    """Acts as a user of its own by impersonation: RBAC and admission see that user."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.stage = stage
        self.user = f"{name}-{stage.namespace}"

    def may(self, role: str) -> Tenant:
        """Binds a ClusterRole in the tenant's namespace."""
        binding = f"{self.user}-{role}"
        self.stage.kubectl("create", "rolebinding", binding, f"--clusterrole={role}", f"--user={self.user}")
        return self

    def kubectl(self, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
        return self.stage.cluster.kubectl(
            "-n", self.stage.namespace, f"--as={self.user}", *arguments, input=input or None, check=False
        )

    def apply(self, manifest: Object, *options: str) -> subprocess.CompletedProcess[str]:
        return self.kubectl("apply", "-f", "-", *options, input=json.dumps(manifest))

    def writes(self, *options: str, **spec: object) -> subprocess.CompletedProcess[str]:
        """Applies the test's model with these parts of its spec."""
        return self.apply(self.stage.workload(**spec), *options)

    def can(self, *question: str) -> bool:
        return self.kubectl("auth", "can-i", *question).stdout.strip() == "yes"


@pytest.fixture
def tenant(stage: Stage) -> Tenant:
    give_roles(stage.cluster)
    made = Tenant(stage, "tenant").may("tests-tenant")
    eventually(lambda: made.can("create", "inferencedeployments.stowage.dev"))
    return made


@pytest.fixture(scope="module")
def admission(cluster: LocalCluster) -> Iterator[None]:
    """The ValidatingAdmissionPolicy, from when the API server asks it."""
    for name in ("policy.yaml", "binding.yaml"):
        cluster.kubectl("apply", "-f", str(ADMISSION / name))
    give_roles(cluster)
    cluster.kubectl("create", "clusterrolebinding", READY, "--clusterrole=tests-tenant", f"--user={READY}")
    probe = {
        "apiVersion": "stowage.dev/v1alpha1",
        "kind": "InferenceDeployment",
        "metadata": {"name": "probe", "namespace": "default"},
        "spec": {
            "model": {"name": "a", "task": "chat"},
            "variants": [
                {"name": "a", "precision": "bf16", "format": "safetensors", "uri": "hf://a/b", "size": "1Gi"}
            ],
            "template": {"env": [{"name": "A", "secret": {"name": "a", "key": "b"}}]},
        },
    }

    def refused() -> bool:
        answer = cluster.kubectl(
            f"--as={READY}", "create", "--dry-run=server", "-f", "-", input=json.dumps(probe), check=False
        )
        return "you may not get Secret" in answer.stderr

    eventually(refused)
    yield
    cluster.kubectl("delete", "-f", str(ADMISSION / "binding.yaml"), "-f", str(ADMISSION / "policy.yaml"))
    cluster.kubectl("delete", "clusterrolebinding", READY)

"""What the platform's and the application's teams bring: runtimes, policies, objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from devcluster.binaries import MODULE
from devcluster.fleet import FLEET_LABEL, apply_fleet, load_fleet, nodes_of, wait_for_nodes
from devcluster.kubectl import Kubectl
from devcluster.workloads import Workload
from e2e.images import MLSERVER, reference
from e2e.waiting import eventually

DATA = Path(__file__).with_name("data")
CATALOG = MODULE.parent / "operator" / "stowage" / "catalog" / "runtimes"
NAMESPACE = "e2e"
VANISHING = DATA / "vanishing.yaml"
BUILD_SECONDS = 600
PLURAL = "inferencedeployments.stowage.dev"


def mlserver_override() -> dict[str, Any]:
    """The catalog's own entry with the suite's image: what a team does whose registry is another."""
    entry: dict[str, Any] = yaml.safe_load((CATALOG / "mlserver.yaml").read_text())
    for support in entry["spec"]["supports"]:
        support["image"] = reference(MLSERVER)
    return entry


def add_nodes(kubectl: Kubectl, file: Path) -> None:
    """Add the simulated nodes of a file, and wait until they are ready."""
    nodes = nodes_of(load_fleet(file))
    apply_fleet(kubectl, nodes)
    wait_for_nodes(kubectl, nodes)


def remove_nodes(kubectl: Kubectl, group: str) -> None:
    """Take away the simulated nodes of a group, as a cloud does."""
    kubectl("delete", "nodes", f"--selector={FLEET_LABEL}={group}", "--wait=false")


def workload(kubectl: Kubectl, name: str, namespace: str = NAMESPACE) -> Workload:
    """An InferenceDeployment as the API server has it."""
    return Workload(kubectl.json("-n", namespace, "get", PLURAL, name))


def ready_on(kubectl: Kubectl, name: str, kind: str) -> Workload:
    """Wait until an object is Ready, and on accelerators of no other type than `kind`. Returns it."""

    def there(found: Workload) -> bool:
        return found.settled and {each["acceleratorType"] for each in found.placements} == {kind}

    return eventually(lambda: workload(kubectl, name), there, f"{name} is ready on {kind}")


def deployments(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """The Deployments of an InferenceDeployment."""
    selector = f"stowage.dev/inference-deployment={name}"
    items: list[dict[str, Any]] = kubectl.json("-n", NAMESPACE, "get", "deployments", "--selector", selector)[
        "items"
    ]
    return items


def pods(kubectl: Kubectl, name: str) -> list[dict[str, Any]]:
    """The pods that serve an InferenceDeployment."""
    selector = f"stowage.dev/inference-deployment={name}"
    items: list[dict[str, Any]] = kubectl.json("-n", NAMESPACE, "get", "pods", "--selector", selector)[
        "items"
    ]
    return items


def variant_of(found: Workload, name: str) -> dict[str, Any]:
    """What the status says of a variant; empty before it does."""
    variants = (found.manifest.get("status") or {}).get("variants") or ()
    return next((each for each in variants if each["name"] == name), {})


def built(kubectl: Kubectl, name: str, variant: str) -> dict[str, Any]:
    """Wait until a variant of an InferenceDeployment is built, and return what the status says of it."""
    seen = eventually(
        lambda: variant_of(workload(kubectl, name), variant),
        lambda now: now.get("state") in ("Built", "Failed"),
        f"variant {variant} is built",
        BUILD_SECONDS,
    )
    assert seen["state"] == "Built", seen
    return seen


def address(kubectl: Kubectl, name: str) -> str:
    """HOST:PORT of the Service of an InferenceDeployment."""
    spec = kubectl.json("-n", NAMESPACE, "get", "service", name)["spec"]
    return f"{spec['clusterIP']}:{spec['ports'][0]['port']}"


__all__ = [
    "DATA",
    "NAMESPACE",
    "VANISHING",
    "add_nodes",
    "address",
    "built",
    "deployments",
    "mlserver_override",
    "pods",
    "ready_on",
    "remove_nodes",
    "variant_of",
    "workload",
]

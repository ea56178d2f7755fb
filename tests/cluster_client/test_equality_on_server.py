"""``stowage.render.equality`` on what a real API server makes of what we apply."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from devcluster.cluster import LocalCluster
from stowage.api.meta import FIELD_MANAGER
from stowage.cluster.ports import (
    DEPLOYMENTS,
    POD_DISRUPTION_BUDGETS,
    SERVICES,
    Body,
    Cluster,
    ResourceType,
)
from stowage.render.equality import difference

pytestmark = pytest.mark.cluster

SERVER = "spec.template.spec.containers[name=server]"
LABELS = {"app.kubernetes.io/name": "chat", "stowage.dev/placement": "", "env": "prod"}


def deployment(namespace: str) -> Body:
    """Every field that a placement may have, written as people write them, not as the server stores them."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "chat",
            "namespace": namespace,
            "labels": LABELS,
            "annotations": {},
            "ownerReferences": [
                {
                    "apiVersion": "stowage.dev/v1alpha1",
                    "kind": "InferenceDeployment",
                    "name": "chat",
                    "uid": "0b5a5ab0-0000-4000-8000-000000000000",
                    "controller": True,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": {
            "minReadySeconds": 0,
            "progressDeadlineSeconds": 1800,
            "paused": False,
            "selector": {"matchLabels": {"app.kubernetes.io/name": "chat"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": LABELS}, "spec": pod()},
        },
    }


def pod() -> Body:
    """The pod of the deployment."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "hostNetwork": False,
        "nodeSelector": {"cloud.google.com/gke-nodepool": "l4", "empty": ""},
        "imagePullSecrets": [{"name": "registry"}],
        "securityContext": {},
        "terminationGracePeriodSeconds": 0,
        "tolerations": [
            {"key": "nvidia.com/gpu", "operator": "Exists", "value": ""},
            {"key": "spot", "value": "x"},
        ],
        "affinity": affinity(),
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "topology.kubernetes.io/zone",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {"app": "chat"}},
            }
        ],
        "initContainers": [
            {"name": "one", "image": "fetch:1", "volumeMounts": [{"name": "models", "mountPath": "/models"}]},
            {"name": "two", "image": "fetch:1", "args": []},
        ],
        "containers": [server()],
        "volumes": [
            {"name": "models", "emptyDir": {"sizeLimit": "10240Mi"}},
            {"name": "scratch", "emptyDir": {}},
            {"name": "weights", "persistentVolumeClaim": {"claimName": "weights", "readOnly": False}},
            {"name": "secret", "secret": {"secretName": "s", "items": [{"key": "a", "path": "b"}]}},
            {
                "name": "token",
                "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": ""}}]},
            },
            {"name": "image", "image": {"reference": "registry/model:1"}},
        ],
    }


def affinity() -> Body:
    """Rules with atomic lists in atomic lists."""
    expression = {"key": "gpu", "operator": "In", "values": ["a", "b"]}
    term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "chat"}}}
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [expression]}]
            }
        },
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": term}]
        },
    }


def server() -> Body:
    """The model server's container."""
    return {
        "name": "server",
        "image": "vllm:1",
        "command": ["vllm"],
        "args": ["serve", "--port=8000"],
        "env": [
            {"name": "FIRST", "value": "1"},
            {"name": "EMPTY", "value": ""},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {
                "name": "CPU",
                "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1000m"}},
            },
            {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": False}}},
        ],
        "ports": [
            {"name": "http", "containerPort": 8000},
            {"name": "grpc", "containerPort": 9000, "protocol": "TCP"},
        ],
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}, "initialDelaySeconds": 0},
        "startupProbe": {"tcpSocket": {"port": 8000}, "failureThreshold": 180, "periodSeconds": 10},
        "resources": {
            "requests": {"cpu": "0.5", "memory": "1024Mi", "ephemeral-storage": "1.5Gi"},
            "limits": {"cpu": 4, "memory": "16e9", "nvidia.com/gpu": 1},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": False,
            "capabilities": {"drop": ["ALL"], "add": []},
        },
        "stdin": False,
        "volumeMounts": [
            {"name": "models", "mountPath": "/models", "readOnly": False, "subPath": ""},
            {"name": "image", "mountPath": "/models/bf16", "readOnly": True},
        ],
    }


def service(namespace: str) -> Body:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "chat", "namespace": namespace, "labels": LABELS},
        "spec": {
            "selector": {"stowage.dev/name": "chat"},
            "ports": [
                {"name": "http", "port": 80, "targetPort": "http"},
                {"name": "grpc", "port": 9000, "targetPort": 9000, "appProtocol": "kubernetes.io/h2c"},
            ],
            "publishNotReadyAddresses": False,
        },
    }


def budget(namespace: str) -> Body:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "chat", "namespace": namespace},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"stowage.dev/name": "chat"}}},
    }


async def now(cluster: Cluster, resource: ResourceType, rendered: Body) -> str | None:
    """The difference to what the server has now."""
    metadata = rendered["metadata"]
    live = await cluster.get(resource, metadata["name"], metadata["namespace"])
    assert live is not None
    return difference(rendered, live, FIELD_MANAGER)


@pytest.mark.parametrize(
    ("resource", "render"),
    [(DEPLOYMENTS, deployment), (SERVICES, service), (POD_DISRUPTION_BUDGETS, budget)],
    ids=["deployment", "service", "budget"],
)
def test_what_we_applied_is_equal(
    run: Any, namespace: str, resource: ResourceType, render: Callable[[str], Body]
) -> None:
    async def scenario(cluster: Cluster) -> None:
        rendered = render(namespace)
        first = await cluster.apply(resource, rendered)
        assert difference(rendered, first, FIELD_MANAGER) is None
        assert await now(cluster, resource, rendered) is None
        # Not equal where only the version of the object in hand is named: that is for the server.
        versioned = copy.deepcopy(rendered)
        versioned["metadata"]["resourceVersion"] = "1"
        assert await now(cluster, resource, versioned) is None

    run(scenario)


def patch_container(**fields: Any) -> Body:
    return {"spec": {"template": {"spec": {"containers": [{"name": "server", **fields}]}}}}


SIDECAR = {"spec": {"template": {"spec": {"containers": [{"name": "proxy", "image": "envoy:1"}]}}}}

PATCHES: dict[str, tuple[Body, str | None]] = {
    "an autoscaler's replicas": ({"spec": {"replicas": 5}}, None),
    "a sidecar": (SIDECAR, None),
    "an annotation": ({"metadata": {"annotations": {"team": "shop"}}}, None),
    "a restart": (
        {"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}}}}},
        None,
    ),
    "env of another": (patch_container(env=[{"name": "INJECTED", "value": "x"}]), None),
    "a default made explicit": (patch_container(imagePullPolicy="Always"), None),
    "image": (patch_container(image="vllm:2"), f"{SERVER}.image"),
    "cpu": (patch_container(resources={"limits": {"cpu": "5"}}), f"{SERVER}.resources.limits.cpu"),
    "cpu written otherwise": (patch_container(resources={"limits": {"cpu": "4000m"}}), None),
    "devices": (
        patch_container(resources={"limits": {"nvidia.com/gpu": "2"}}),
        f"{SERVER}.resources.limits[nvidia.com/gpu]",
    ),
    "an argument": (patch_container(args=["serve", "--port=1"]), f"{SERVER}.args[1]"),
    "one argument more": (patch_container(args=["serve", "--port=8000", "-v"]), f"{SERVER}.args"),
    "env removed": (
        patch_container(env=[{"name": "FIRST", "$patch": "delete"}]),
        f"{SERVER}.env[name=FIRST]",
    ),
    "env changed": (
        patch_container(env=[{"name": "EMPTY", "value": "x"}]),
        f"{SERVER}.env[name=EMPTY].value",
    ),
    "a label removed": (
        {"metadata": {"labels": {"stowage.dev/placement": None}}},
        "metadata.labels[stowage.dev/placement]",
    ),
    "a toleration for everything": (
        {"spec": {"template": {"spec": {"tolerations": [{"operator": "Exists"}]}}}},
        "spec.template.spec.tolerations",
    ),
    "a node selector more": (
        {"spec": {"template": {"spec": {"nodeSelector": {"zone": "a"}}}}},
        "spec.template.spec.nodeSelector.zone",
    ),
    "a guard removed": (
        patch_container(securityContext={"allowPrivilegeEscalation": None}),
        f"{SERVER}.securityContext.allowPrivilegeEscalation",
    ),
    "a token mounted": (
        {"spec": {"template": {"spec": {"automountServiceAccountToken": None}}}},
        "spec.template.spec.automountServiceAccountToken",
    ),
    "an owner lost": ({"metadata": {"ownerReferences": None}}, "metadata.ownerReferences"),
}


@pytest.mark.parametrize(("patch", "path"), PATCHES.values(), ids=PATCHES)
def test_edits_by_others(
    run: Any, local_cluster: LocalCluster, namespace: str, patch: Body, path: str | None
) -> None:
    """Told or not as they should be, and what is told is gone once we have applied again."""

    async def scenario(cluster: Cluster) -> None:
        rendered = deployment(namespace)
        await cluster.apply(DEPLOYMENTS, rendered)
        local_cluster.kubectl("-n", namespace, "patch", "deployment", "chat", "-p", json.dumps(patch))
        assert await now(cluster, DEPLOYMENTS, rendered) == path
        await cluster.apply(DEPLOYMENTS, rendered)
        assert await now(cluster, DEPLOYMENTS, rendered) is None

    run(scenario)


def replace_server(namespace: str, change: Callable[[Body], None]) -> Body:
    """The deployment with a changed container."""
    rendered = deployment(namespace)
    change(rendered["spec"]["template"]["spec"]["containers"][0])
    return rendered


DROPPED: dict[str, tuple[Callable[[Body], Any], str]] = {
    "an argument list": (lambda server: server.pop("args"), f"{SERVER}.args"),
    "an empty env": (lambda server: server["env"].pop(1), f"{SERVER}.env[name=EMPTY]"),
    "a port": (lambda server: server["ports"].pop(), f"{SERVER}.ports[containerPort=9000,protocol=TCP]"),
    "a limit": (lambda server: server["resources"]["limits"].pop("cpu"), f"{SERVER}.resources.limits.cpu"),
    "a probe's field": (
        lambda server: server["startupProbe"].pop("failureThreshold"),
        f"{SERVER}.startupProbe.failureThreshold",
    ),
    "a mount": (
        lambda server: server["volumeMounts"].pop(),
        f"{SERVER}.volumeMounts[mountPath=/models/bf16]",
    ),
    "the order of env": (lambda server: server["env"].reverse(), f"{SERVER}.env"),
}


@pytest.mark.parametrize(("change", "path"), DROPPED.values(), ids=DROPPED)
def test_what_we_render_no_more_or_in_another_order(run: Any, namespace: str, change: Any, path: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        await cluster.apply(DEPLOYMENTS, deployment(namespace))
        rendered = replace_server(namespace, change)
        assert await now(cluster, DEPLOYMENTS, rendered) == path
        await cluster.apply(DEPLOYMENTS, rendered)
        assert await now(cluster, DEPLOYMENTS, rendered) is None

    run(scenario)


def test_a_service_that_selects_something_else(run: Any, local_cluster: LocalCluster, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        rendered = service(namespace)
        await cluster.apply(SERVICES, rendered)
        patch = json.dumps({"spec": {"selector": {"more": "x"}}})
        local_cluster.kubectl("-n", namespace, "patch", "service", "chat", "-p", patch)
        assert await now(cluster, SERVICES, rendered) == "spec.selector.more"
        await cluster.apply(SERVICES, rendered)
        assert await now(cluster, SERVICES, rendered) is None

    run(scenario)


def test_duplicates_that_another_client_made(run: Any, local_cluster: LocalCluster, namespace: str) -> None:
    async def scenario(cluster: Cluster) -> None:
        rendered = deployment(namespace)
        await cluster.apply(DEPLOYMENTS, rendered)
        operation = {
            "op": "add",
            "path": "/spec/template/spec/containers/0/env/-",
            "value": {"name": "FIRST", "value": "2"},
        }
        arguments = ("patch", "deployment", "chat", "--type=json", "-p", json.dumps([operation]))
        local_cluster.kubectl("-n", namespace, *arguments)
        assert await now(cluster, DEPLOYMENTS, rendered) == f"{SERVER}.env[name=FIRST]"
        await cluster.apply(DEPLOYMENTS, rendered)
        assert await now(cluster, DEPLOYMENTS, rendered) is None

    run(scenario)

"""The yardstick: what a writer reaches that decides nothing and looks at nothing.

A kopf event handler makes three server-side applies for an object it sees for the first time: a Deployment, a
Service and the status. Run as ``python -m bench.live.bare_writer``; ends on SIGTERM.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import kopf

from stowage.cluster.client import KubernetesCluster
from stowage.cluster.errors import Retry
from stowage.cluster.ports import DEPLOYMENTS, INFERENCE_DEPLOYMENTS, SERVICES, Body, ResourceType

READY = "ready"
SEEN: set[str] = set()
AGAIN_SECONDS = 0.2


def children(owner: Body) -> tuple[Body, Body]:
    """A Deployment and a Service about as large as the operator's."""
    name, namespace = owner["metadata"]["name"], owner["metadata"]["namespace"]
    labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "bare-writer"}
    reference = {
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": name,
        "uid": owner["metadata"]["uid"], "controller": True, "blockOwnerDeletion": True,
    }  # fmt: skip
    metadata = {"namespace": namespace, "labels": labels, "ownerReferences": [reference]}
    resources = {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}
    container = {
        "name": "server",
        "image": "vllm/vllm-openai:v0.25.1",
        "args": ["serve", "/models/fp8", "--port=8000", f"--served-model-name={name}"],
        "ports": [{"name": "http", "containerPort": 8000}],
        "resources": {"requests": resources, "limits": resources},
        "readinessProbe": {"httpGet": {"path": "/health", "port": "http"}},
    }
    pod = {"containers": [container], "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}]}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": f"{name}-0123456789", **metadata},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }
    ports = [{"name": "http", "port": 80, "targetPort": "http"}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, **metadata},
        "spec": {"selector": labels, "ports": ports},
    }
    return deployment, service


def login_with_kubeconfig(**arguments: Any) -> kopf.ConnectionInfo | None:
    """Of the variable KUBECONFIG."""
    return kopf.login_with_kubeconfig(**arguments)


async def main() -> None:
    """Runs until it is ended."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(login_with_kubeconfig)
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    async with KubernetesCluster.connect(None) as cluster:

        async def surely(kind: ResourceType, body: Body, subresource: str = "") -> None:
            """Until it is written: Services are made one after another, so the last of many time out."""
            while True:
                try:
                    await cluster.apply(kind, body, subresource=subresource)
                except Retry:
                    await asyncio.sleep(AGAIN_SECONDS)
                else:
                    return

        async def seen(body: kopf.Body, **_: Any) -> None:
            owner: Body = dict(body)
            if owner["metadata"]["uid"] in SEEN:
                return
            SEEN.add(owner["metadata"]["uid"])
            deployment, service = children(owner)
            await asyncio.gather(surely(DEPLOYMENTS, deployment), surely(SERVICES, service))
            status = {"observedGeneration": owner["metadata"]["generation"], "replicas": 0}
            identity = {"name": owner["metadata"]["name"], "namespace": owner["metadata"]["namespace"]}
            head = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "metadata": identity}
            await surely(INFERENCE_DEPLOYMENTS, {**head, "status": status}, subresource="status")

        kopf.on.event("stowage.dev", "v1alpha1", "inferencedeployments", registry=registry)(seen)
        sys.stdout.write(READY + "\n")
        sys.stdout.flush()
        await kopf.operator(
            registry=registry, settings=settings, clusterwide=True, standalone=True, indexers=None
        )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))

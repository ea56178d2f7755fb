"""A small real model, trained in the cluster onto a volume, as a team's pipeline does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from devcluster.errors import StepError
from e2e.clusters import REAL_LABEL, Cluster
from e2e.waiting import eventually

DATA = Path(__file__).with_name("data")
CLAIM = "models"
SIZE = "1Gi"
POD = "trainer"
HOST_PATH = "/run/stowage-e2e-models"
"""On the real node: in the sandbox, or in kind's container."""


def train(
    cluster: Cluster, namespace: str, image: str, script: str = "train.py", beside: str = ""
) -> dict[str, Any]:
    """Let a script of data/ put models on a volume that is claimed as `CLAIM` in a namespace.

    It has the file `beside` of data/ beside it. Returns what it printed: pictures, and what they show.
    """
    kubectl = cluster.kubectl
    items = [*_volume(namespace), _script(namespace, script, beside), _trainer(namespace, image)]
    kubectl("apply", "-f", "-", input=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    get = ("-n", namespace, "get", "pod", POD, "-o", "jsonpath={.status.phase}")
    ended = ("Succeeded", "Failed")
    phase = eventually(lambda: kubectl(*get).stdout, lambda seen: seen in ended, "the trainer has ended")
    if phase == "Failed":
        raise StepError(f"the trainer failed: {kubectl('-n', namespace, 'logs', POD).stdout}")
    output = kubectl("-n", namespace, "logs", POD).stdout
    samples: dict[str, Any] = json.loads(output.splitlines()[-1])
    kubectl("-n", namespace, "delete", "pod", POD)
    return samples


def _volume(namespace: str) -> list[dict[str, Any]]:
    """A volume that is a folder of the real node, and the claim on it.

    Nothing ties it to that node: pods on simulated ones claim it too.
    """
    name = f"{namespace}-{CLAIM}"
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "capacity": {"storage": SIZE},
            "accessModes": ["ReadWriteMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "storageClassName": "",
            "claimRef": {"namespace": namespace, "name": CLAIM},
            "hostPath": {"path": f"{HOST_PATH}/{namespace}", "type": "DirectoryOrCreate"},
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": CLAIM, "namespace": namespace},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "",
            "volumeName": name,
            "resources": {"requests": {"storage": SIZE}},
        },
    }
    return [volume, claim]


def _script(namespace: str, script: str, beside: str) -> dict[str, Any]:
    content = {"train.py": (DATA / script).read_text()}
    if beside:
        content[beside] = (DATA / beside).read_text()
    metadata = {"name": POD, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content}


def _trainer(namespace: str, image: str) -> dict[str, Any]:
    container = {
        "name": "trainer",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/script/train.py", "/volume"],
        "volumeMounts": [
            {"name": "script", "mountPath": "/script"},
            {"name": "volume", "mountPath": "/volume"},
        ],
        "securityContext": {"runAsUser": 0},  # the folder is the node's root's
    }
    spec = {
        "restartPolicy": "Never",
        "nodeSelector": {REAL_LABEL: "true"},
        "containers": [container],
        "volumes": [
            {"name": "script", "configMap": {"name": POD}},
            {"name": "volume", "persistentVolumeClaim": {"claimName": CLAIM}},
        ],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": POD, "namespace": namespace},
        "spec": spec,
    }

"""A registry of images in the cluster: with a user, and an authority that the node is told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from devcluster.archive import write_archive
from devcluster.binaries import TOOLS, Pins, ensure_binaries, find_go
from devcluster.certificates import CertificateAuthority
from devcluster.registry import HTPASSWD, PROGRAM, docker_config, registry_config
from e2e.clusters import REAL_LABEL, Cluster
from e2e.platform import NAMESPACE

NAME = "registry"
IMAGE = "stowage/registry:e2e"
PORT = 5000
AUTHORITIES = "registry-authorities"
PUSH, PULL = "registry-push", "registry-pull"
USER = 65532
READY_TIMEOUT = "120s"


class Registry:
    """The registry, once it answers."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._folder = folder
        self.host = ""
        """Its address, with the port."""

    def start(self) -> None:
        """On the node's own address, which its certificate is for: containerd gets there without a route to
        Services, and so do pods."""
        archive = self._folder / "registry.tar"
        module = TOOLS / PROGRAM
        architecture = find_go(Pins.read(module).go, module).architecture
        write_archive(archive, IMAGE, ensure_binaries(PROGRAM) / PROGRAM, f"{USER}:{USER}", architecture)
        self._cluster.load(archive)
        kubectl = self._cluster.kubectl
        (node,) = kubectl.json("get", "nodes", f"--selector={REAL_LABEL}=true")["items"]
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        self.host = f"{address}:{PORT}"
        authority = CertificateAuthority(self._folder)
        pair = authority.serving(NAME, [address])
        certificate = authority.pair.certificate.read_text()
        self._cluster.trust(self.host, certificate)
        config = registry_config(
            self.host, "/images", "/config/tls.crt", "/config/tls.key", "/config/htpasswd"
        )
        files = {
            "config.json": config,
            "htpasswd": HTPASSWD,
            "tls.crt": pair.certificate.read_text(),
            "tls.key": pair.key.read_text(),
        }
        credentials = {".dockerconfigjson": docker_config(self.host)}
        docker = "kubernetes.io/dockerconfigjson"
        self._apply(
            _plain("Secret", f"{NAME}-files", stringData=files),
            _plain("Secret", PUSH, type=docker, stringData=credentials),
            _plain("Secret", PULL, type=docker, stringData=credentials),
            _plain("ConfigMap", AUTHORITIES, data={"ca.crt": certificate}),
            _pod(),
        )
        wait = ("wait", "--for=condition=Ready", f"pod/{NAME}", f"--timeout={READY_TIMEOUT}")
        kubectl("-n", NAMESPACE, *wait)

    def log(self) -> str:
        """What it was asked for, and by whom."""
        return self._cluster.kubectl("-n", NAMESPACE, "logs", NAME).stdout

    def stop(self) -> None:
        """Takes it away."""
        kinds = "pods,secrets,configmaps"
        self._cluster.kubectl("-n", NAMESPACE, "delete", kinds, f"--selector=app={NAME}", "--grace-period=1")

    def _apply(self, *items: dict[str, Any]) -> None:
        manifests = {"apiVersion": "v1", "kind": "List", "items": list(items)}
        self._cluster.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifests))


def _plain(kind: str, name: str, **content: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"app": NAME}}
    return {"apiVersion": "v1", "kind": kind, "metadata": metadata, **content}


def _pod() -> dict[str, Any]:
    container = {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["serve", "/config/config.json"],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "config", "mountPath": "/config", "readOnly": True},
            {"name": "images", "mountPath": "/images"},
        ],
    }
    spec = {
        "nodeSelector": {REAL_LABEL: "true"},
        "hostNetwork": True,
        "securityContext": {"fsGroup": USER},
        "containers": [container],
        "volumes": [
            {"name": "config", "secret": {"secretName": f"{NAME}-files"}},
            {"name": "images", "emptyDir": {}},
        ],
    }
    return _plain("Pod", NAME, spec=spec)

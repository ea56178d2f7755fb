"""A store of models in the cluster: a pod that gives the volume's files by https, with a certificate of an
authority that nobody else knows, to whoever has its token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from devcluster.certificates import CertificateAuthority
from devcluster.kubectl import Kubectl
from e2e.clusters import REAL_LABEL
from e2e.images import ONNX_SERVER, reference
from e2e.models import CLAIM
from e2e.platform import DATA, NAMESPACE

NAME = "store"
TRUST = "authorities"
"""The ConfigMap with the authority."""
TOKEN = "store-token"
"""The Secret with the token."""
PORT = 8443
READY_TIMEOUT = "120s"


class Store:
    """The store, once it answers."""

    def __init__(self, kubectl: Kubectl, folder: Path) -> None:
        self._kubectl = kubectl
        self._folder = folder
        self.uri = ""
        """What the uris of its files begin with."""

    def start(self) -> None:
        """Its address first, since its certificate is for that: there is no DNS in the cluster."""
        self._apply(_service())
        address = self._kubectl.json("-n", NAMESPACE, "get", "service", NAME)["spec"]["clusterIP"]
        authority = CertificateAuthority(self._folder)
        pair = authority.serving(NAME, [address])
        files = {"tls.crt": pair.certificate.read_text(), "tls.key": pair.key.read_text()}
        self._apply(
            _plain("Secret", f"{NAME}-tls", stringData=files),
            _plain("Secret", TOKEN, stringData={"token": "only for the fetcher's eyes".replace(" ", "-")}),
            _plain("ConfigMap", TRUST, data={"ca.crt": authority.pair.certificate.read_text()}),
            _plain("ConfigMap", f"{NAME}-script", data={"store.py": (DATA / "store.py").read_text()}),
            _pod(),
        )
        wait = ("wait", "--for=condition=Ready", f"pod/{NAME}", f"--timeout={READY_TIMEOUT}")
        self._kubectl("-n", NAMESPACE, *wait)
        self.uri = f"https://{address}/"

    def digest(self, file: str) -> str:
        """Of a file, as the store itself computed it."""
        lines = self._kubectl("-n", NAMESPACE, "logs", NAME).stdout.splitlines()
        return f"sha256:{json.loads(lines[0])[file]}"

    def stop(self) -> None:
        """Takes it away."""
        self._kubectl("-n", NAMESPACE, "delete", f"pod/{NAME}", f"service/{NAME}", "--grace-period=1")

    def _apply(self, *items: dict[str, Any]) -> None:
        manifests = {"apiVersion": "v1", "kind": "List", "items": list(items)}
        self._kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifests))


def _plain(kind: str, name: str, **content: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": NAME}},
        **content,
    }


def _service() -> dict[str, Any]:
    ports = [{"port": 443, "targetPort": PORT, "protocol": "TCP"}]
    return _plain("Service", NAME, spec={"selector": {"app": NAME}, "ports": ports})


def _pod() -> dict[str, Any]:
    reference_to = {"secretKeyRef": {"name": TOKEN, "key": "token"}}
    files = ("/volume", "/tls/tls.crt", "/tls/tls.key", str(PORT))
    container = {
        "name": NAME,
        "image": reference(ONNX_SERVER),
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-u", "/script/store.py", *files],
        "env": [{"name": "TOKEN", "valueFrom": reference_to}],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": {"runAsUser": 0},  # the volume's folder is the node's root's
        "volumeMounts": [
            {"name": "script", "mountPath": "/script"},
            {"name": "tls", "mountPath": "/tls"},
            {"name": "volume", "mountPath": "/volume", "readOnly": True},
        ],
    }
    volumes = [
        {"name": "script", "configMap": {"name": f"{NAME}-script"}},
        {"name": "tls", "secret": {"secretName": f"{NAME}-tls"}},
        {"name": "volume", "persistentVolumeClaim": {"claimName": CLAIM}},
    ]
    spec = {"nodeSelector": {REAL_LABEL: "true"}, "containers": [container], "volumes": volumes}
    return _plain("Pod", NAME, spec=spec)

"""A real HorizontalPodAutoscaler that follows a metric: it writes ``/scale``, the operator follows, and
neither writes what the other one has written."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.harness import USER, Object, Stage, eventually

from devcluster.audit import AuditLog
from devcluster.certificates import CertificateAuthority
from devcluster.cluster import LocalCluster
from devcluster.ports import LOOPBACK

pytestmark = pytest.mark.cluster

GROUP_VERSION = "external.metrics.k8s.io/v1beta1"
METRIC = "waiting_requests"
AUTOSCALER = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
WAIT_SECONDS = 120.0
QUIET_SECONDS = 5.0
"""The autoscaler looks several times meanwhile."""


class Metrics:
    """An adapter as KEDA or Prometheus have one: it serves one external metric, whose value a test sets."""

    def __init__(self, folder: Path) -> None:
        self.value = 0
        self.asked = 0
        authority = CertificateAuthority(folder)
        self.authority = base64.b64encode(authority.pair.certificate.read_bytes()).decode()
        pair = authority.serving("metrics", ("metrics.kube-system.svc", LOOPBACK))
        self.server = ThreadingHTTPServer((LOOPBACK, 0), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.certificate, pair.key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, path: str) -> Object:
        """The group's resources, or the metric of a namespace."""
        if "/namespaces/" not in path:
            resource = {
                "name": METRIC,
                "namespaced": True,
                "kind": "ExternalMetricValueList",
                "verbs": ["get"],
            }
            kind = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": GROUP_VERSION}
            return {**kind, "resources": [resource]}
        self.asked += 1
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        item = {"metricName": METRIC, "metricLabels": {}, "timestamp": stamp, "value": str(self.value)}
        return {
            "kind": "ExternalMetricValueList",
            "apiVersion": GROUP_VERSION,
            "metadata": {},
            "items": [item],
        }

    def _handler(metrics) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - the handler's own self is another
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                content = json.dumps(metrics.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler


@pytest.fixture
def metrics(cluster: LocalCluster, tmp_path: Path) -> Iterator[Metrics]:
    """An aggregated API of the cluster."""
    served = Metrics(tmp_path / "metrics")
    port = served.server.server_address[1]
    service = {"name": "metrics", "namespace": "kube-system", "port": port}
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "metrics", "namespace": "kube-system"},
            "spec": {"type": "ExternalName", "externalName": "localhost", "ports": [{"port": port}]},
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": "v1beta1.external.metrics.k8s.io"},
            "spec": {
                "group": "external.metrics.k8s.io",
                "version": "v1beta1",
                "groupPriorityMinimum": 100,
                "versionPriority": 100,
                "service": service,
                "caBundle": served.authority,
            },
        },
    ]
    content = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    cluster.kubectl("apply", "-f", "-", input=content)
    name = "apiservice/v1beta1.external.metrics.k8s.io"
    try:
        cluster.kubectl("wait", "--for=condition=Available", name, f"--timeout={WAIT_SECONDS:.0f}s")
        yield served
    finally:
        cluster.kubectl("delete", name)
        cluster.kubectl("-n", "kube-system", "delete", "service", "metrics")
        served.close()


def autoscaler(stage: Stage) -> Object:
    """Ten waiting requests a replica; down again at once."""
    average = {"type": "AverageValue", "averageValue": "10"}
    metric = {"type": "External", "external": {"metric": {"name": METRIC}, "target": average}}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "chat", "namespace": stage.namespace},
        "spec": {
            "scaleTargetRef": {
                "apiVersion": "stowage.dev/v1alpha1",
                "kind": "InferenceDeployment",
                "name": "chat",
            },
            "minReplicas": 1,
            "maxReplicas": 4,
            "metrics": [metric],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}},
        },
    }


def test_the_operator_follows_an_autoscaler_and_never_fights_it(
    stage: Stage, audit: AuditLog, metrics: Metrics
) -> None:
    stage.pool("l4-spot", 4)
    stage.apply(stage.policy(), stage.workload())
    stage.wait_ready()
    metrics.value = 10
    stage.apply(autoscaler(stage))
    for value, replicas in ((30, 3), (10, 1), (200, 4)):
        metrics.value = value
        eventually(lambda: stage.infd()["spec"]["replicas"], lambda n, r=replicas: n == r, WAIT_SECONDS)
        stage.wait_ready(seconds=WAIT_SECONDS)
        eventually(lambda: len(stage.pods()), lambda n, r=replicas: n == r, WAIT_SECONDS)
        assert [d["spec"]["replicas"] for d in stage.deployments()] == [replicas]
    here = [each for each in audit.writes() if each.namespace == stage.namespace]
    ours = [each for each in here if each.user == USER and each.resource == "inferencedeployments"]
    assert {each.subresource for each in ours} == {"status"}
    scaled = [each for each in here if each.subresource == "scale"]
    assert [(each.user, each.resource) for each in scaled if each.code == 200] == [
        (AUTOSCALER, "inferencedeployments")
    ] * 3
    audit.mark()
    asked = metrics.asked
    time.sleep(QUIET_SECONDS)
    eventually(lambda: metrics.asked, lambda count: count > asked, WAIT_SECONDS)
    written = [each for each in audit.writes(user=USER) if each.namespace == stage.namespace]
    assert [str(each) for each in written if each.resource != "events"] == []
    assert stage.infd()["spec"]["replicas"] == 4

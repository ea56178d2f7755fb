"""Stands in for the operator in the demo's tests: writes a fixed status, or fails as it is told.

The environment variable STANDIN says how: ``ok``, ``crash`` at the start, ``die`` later, or
``idle``, which never writes a status.
"""

from __future__ import annotations

import http.server
import os
import sys
import threading
import time
from typing import Any

from kubernetes import client, config

MODE = os.environ["STANDIN"]


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers every GET with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()


def status_of(item: dict[str, Any]) -> dict[str, Any]:
    if item["metadata"]["name"] == "huge":
        placed = {"type": "Placed", "status": "False", "reason": "NoFit", "message": "needs 900 GiB"}
        return {"conditions": [placed]}
    placement = {"pool": "l4-spot", "acceleratorClass": "nvidia-l4", "acceleratorType": "GPU"}
    return {
        "conditions": [{"type": "Ready", "status": "True", "reason": "Serving", "message": ""}],
        "placements": [{**placement, "variant": "fp8", "runtime": "vllm", "replicas": 1}],
    }


def main() -> None:
    if MODE == "crash":
        sys.exit("no such accelerator catalog")
    port = int(sys.argv[sys.argv.index("--health-port") + 1])
    server = http.server.HTTPServer(("127.0.0.1", port), Healthy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config.load_kube_config()  # type: ignore[no-untyped-call]
    api: Any = client.CustomObjectsApi()
    kind = ("stowage.dev", "v1alpha1")
    while True:
        for item in api.list_cluster_custom_object(*kind, "inferencedeployments")["items"]:
            if MODE == "die":
                sys.exit("lost my mind")
            if MODE == "ok" and item.get("status") != status_of(item):
                item["status"] = status_of(item)
                where = (item["metadata"]["namespace"], "inferencedeployments", item["metadata"]["name"])
                api.replace_namespaced_custom_object_status(*kind, *where, item)
        time.sleep(0.2)


main()

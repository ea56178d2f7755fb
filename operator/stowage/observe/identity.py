"""Who this process is, for the Lease and for events."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def instance() -> str:
    """The pod's name, where POD_NAME says it, else the host's, which in a pod is the same."""
    return os.environ.get("POD_NAME") or socket.gethostname()


def identity() -> str:
    """The pod's name and something that no other process has, not even one in the same pod later."""
    return f"{instance()}_{uuid.uuid4()}"


def own_namespace(file: Path = NAMESPACE_FILE) -> str:
    """The pod's namespace: POD_NAMESPACE, else what is mounted, else ``default``."""
    named = os.environ.get("POD_NAMESPACE")
    if named:
        return named
    return file.read_text().strip() if file.is_file() else "default"

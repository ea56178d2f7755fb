"""A real registry of OCI images, CNCF's Distribution, as tests need it: over TLS, for one user."""

from __future__ import annotations

import base64
import json
from typing import Any

PROGRAM = "registry"
"""The program, and the Go tool that it is."""
USER, PASSWORD = "tester", "for-tests-only"
HTPASSWD = f"{USER}:$2b$04$WafGOS4qhfd9BcYI4RmdrOnjkZY/rT6tvT85dhDLTAECAwzs2Bol2\n"
"""That password by bcrypt, the one way in which the registry takes it."""


def registry_config(address: str, storage: str, certificate: str, key: str, htpasswd: str) -> str:
    """Return the registry's configuration.

    Args:
        address: host:port that it listens on.
        storage: the folder of its images.
        certificate: path of its certificate, and so on: each is a path that the registry sees.
    """
    content: dict[str, Any] = {
        "version": 0.1,
        "log": {"accesslog": {"disabled": False}, "level": "warn", "formatter": "text"},
        "storage": {"filesystem": {"rootdirectory": storage}, "delete": {"enabled": True}},
        "http": {"addr": address, "tls": {"certificate": certificate, "key": key}},
        "auth": {"htpasswd": {"realm": "tests", "path": htpasswd}},
    }
    return json.dumps(content, indent=1) + "\n"


def docker_config(host: str, user: str = USER, password: str = PASSWORD) -> str:
    """Return what a Secret of type kubernetes.io/dockerconfigjson holds for a registry."""
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
    return json.dumps({"auths": {host: {"auth": auth}}})

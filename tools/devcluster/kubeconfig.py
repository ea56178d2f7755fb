"""Kubeconfig files for one user each, with the credentials embedded, so that they can be moved."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import yaml

from devcluster.certificates import KeyPair

NAME = "stowage-local"


def write_kubeconfig(path: Path, *, server: str, authority: Path, user: str, pair: KeyPair) -> None:
    """Write a kubeconfig that only its owner can read."""
    cluster = {"server": server, "certificate-authority-data": _embedded(authority)}
    credentials = {
        "client-certificate-data": _embedded(pair.certificate),
        "client-key-data": _embedded(pair.key),
    }
    content: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": user, "user": credentials}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": user}}],
        "current-context": NAME,
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        yaml.safe_dump(content, file, sort_keys=False)


def _embedded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()

"""Asks an API server plain questions, without a client library's start-up time."""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import ssl
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import yaml

REQUEST_TIMEOUT_SECONDS = 5.0


class ApiProbe:
    """GET requests as the user of a kubeconfig that has its credentials embedded."""

    def __init__(self, kubeconfig: Path) -> None:
        content = yaml.safe_load(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        self._server: str = cluster["server"]
        handler = urllib.request.HTTPSHandler(context=_context(cluster, user))
        # No proxy: the server is on this machine.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)

    def succeeds(self, path: str) -> bool:
        """Whether a GET is answered with 200."""
        try:
            with self._opener.open(self._server + path, timeout=REQUEST_TIMEOUT_SECONDS) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False

    def ask(self, path: str, accept: str = "application/json") -> tuple[int, Any]:
        """GET the path: the status, and what was answered, parsed; 0 and nothing where nobody answers."""
        request = urllib.request.Request(self._server + path, headers={"Accept": accept})
        try:
            with self._opener.open(request, timeout=REQUEST_TIMEOUT_SECONDS) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code, _parsed(refusal.read())
        except (OSError, http.client.HTTPException, ValueError):
            return 0, {}


def _parsed(text: bytes) -> Any:
    """JSON; an error may be plain text."""
    try:
        return json.loads(text)
    except ValueError:
        return {}


def etcd_is_healthy(folder: Path, socket_name: str) -> bool:
    """Whether the etcd behind a unix socket in `folder` serves.

    The socket is there before etcd serves on it; a client that comes too early backs off a second.
    """
    descriptor = os.open(folder, os.O_DIRECTORY | os.O_PATH)
    connection = http.client.HTTPConnection("localhost", timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        connection.sock = socket.socket(socket.AF_UNIX)
        # Through the descriptor, since a socket's path may not be longer than 107 characters.
        connection.sock.connect(f"/proc/self/fd/{descriptor}/{socket_name}")
        connection.request("GET", "/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
        os.close(descriptor)


def _context(cluster: dict[str, Any], user: dict[str, Any]) -> ssl.SSLContext:
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    context = ssl.create_default_context(cadata=authority)
    # The standard library reads client certificates from files only.
    with tempfile.NamedTemporaryFile(suffix=".pem") as pair:
        pair.write(base64.b64decode(user["client-certificate-data"]))
        pair.write(base64.b64decode(user["client-key-data"]))
        pair.flush()
        context.load_cert_chain(pair.name)
    return context

"""Where the cluster is found, and that credentials are renewed while we run."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from kubernetes.aio.config import incluster_config

from devcluster.cluster import LocalCluster
from stowage.cluster import configuration as configuration_module
from stowage.cluster.client import KubernetesCluster
from stowage.cluster.configuration import load_configuration
from stowage.cluster.errors import Forbidden, NotConfigured, Retry, Unauthorized
from stowage.cluster.ports import NAMESPACES, NODES


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Make a machine that knows of no cluster."""
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)


def written(path: Path, host: str, context: str = "main") -> Path:
    """A kubeconfig with one context."""
    path.parent.mkdir(exist_ok=True)
    content = {
        "current-context": context,
        "contexts": [{"name": context, "context": {"cluster": context, "user": context}}],
        "clusters": [{"name": context, "cluster": {"server": f"https://{host}"}}],
        "users": [{"name": context, "user": {"token": "t"}}],
    }
    path.write_text(yaml.safe_dump(content))
    return path


def host(context: str | None = None, kubeconfig: Path | None = None) -> str:
    """The host that is found."""
    return str(asyncio.run(load_configuration(context, kubeconfig)).host).removeprefix("https://")


def test_the_order_in_which_kubeconfigs_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / ".kube/config", "home")
    assert host() == "home"
    both = (tmp_path / "missing", written(tmp_path / "a", "a"), written(tmp_path / "b", "b", "other"))
    monkeypatch.setenv("KUBECONFIG", ":".join(map(str, both)))
    assert host(context="main") == "a"
    assert host(context="other") == "b"
    assert host(kubeconfig=written(tmp_path / "c", "named")) == "named"


def test_no_cluster_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match="neither KUBECONFIG nor"):
        host()
    with pytest.raises(NotConfigured, match="object with name nope in"):
        host(context="nope", kubeconfig=written(tmp_path / "c", "named"))
    (tmp_path / "bad").write_text("[]")
    with pytest.raises(NotConfigured, match="can't use"):
        host(kubeconfig=tmp_path / "bad")
    (tmp_path / "worse").write_text("a: [")
    with pytest.raises(NotConfigured, match="can't use"):
        host(kubeconfig=tmp_path / "worse")


def test_a_named_context_never_means_the_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    with pytest.raises(NotConfigured, match="neither"):
        host(context="prod")


@pytest.mark.cluster
@pytest.mark.parametrize("plugin", [False, True], ids=["token file", "exec plugin"])
def test_what_a_kubeconfig_names_is_read_again(
    plugin: bool,
    kubeconfig_with: Callable[..., Path],
    service_account: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(configuration_module, "RENEWAL_SECONDS", 0.0)
    token = tmp_path / "token"
    token.write_text("expired")
    user = {"exec": exec_plugin(token)} if plugin else {"tokenFile": str(token)}

    async def scenario() -> None:
        kubeconfig = kubeconfig_with(user=user)
        async with KubernetesCluster.connect(kubeconfig=kubeconfig, read_delays=()) as cluster:
            with pytest.raises(Unauthorized, match=r"^list nodes: 401 Unauthorized"):
                await cluster.list(NODES, decode=str)
            token.write_text(service_account)
            with pytest.raises(Forbidden, match="powerless"):
                await cluster.list(NODES, decode=str)
            if not plugin:  # of a plugin that fails, the library logs the error and keeps the token
                token.unlink()
                with pytest.raises(Retry, match=f"No such file or directory: '{token}'"):
                    await cluster.list(NODES, decode=str)

    asyncio.run(scenario())


def exec_plugin(token: Path) -> dict[str, Any]:
    """A credential plugin, as cloud providers have, that prints what the file has."""
    api_version = "client.authentication.k8s.io/v1"
    document = json.dumps({"apiVersion": api_version, "kind": "ExecCredential", "status": {"token": "%s"}})
    script = f"printf '{document}' \"$(cat {token})\""
    return {"apiVersion": api_version, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}


@pytest.mark.cluster
def test_in_a_pod_the_service_account_is_used_and_its_token_read_again(
    local_cluster: LocalCluster, service_account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster_entry = yaml.safe_load(local_cluster.kubeconfig.read_text())["clusters"][0]["cluster"]
    address = urlsplit(cluster_entry["server"])
    token, authority = tmp_path / "token", tmp_path / "ca.crt"
    token.write_text("expired")
    if data := cluster_entry.get("certificate-authority-data"):
        authority.write_bytes(base64.b64decode(data))
    else:
        authority.write_bytes(Path(cluster_entry["certificate-authority"]).read_bytes())
    environment = {
        "KUBERNETES_SERVICE_HOST": str(address.hostname),
        "KUBERNETES_SERVICE_PORT": str(address.port),
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(authority))
    expire_tokens_at_once(monkeypatch)

    async def scenario() -> None:
        async with KubernetesCluster.connect() as cluster:
            with pytest.raises(Unauthorized):
                await cluster.get(NAMESPACES, "default")
            token.write_text(service_account)
            with pytest.raises(Forbidden, match="powerless"):
                await cluster.get(NAMESPACES, "default")

    asyncio.run(scenario())


def expire_tokens_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the library's one minute between two reads of the mounted token none."""
    real: Any = incluster_config.InClusterConfigLoader.__init__

    def init(self: Any, *arguments: Any, **named: Any) -> None:
        real(self, *arguments, **named)
        self._token_refresh_period = timedelta(0)

    monkeypatch.setattr(incluster_config.InClusterConfigLoader, "__init__", init)

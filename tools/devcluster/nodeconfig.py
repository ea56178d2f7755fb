"""What a real node's programs read: containerd's, the network plugins' and the kubelet's configuration.

The paths are the usual ones, which in a sandbox are its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from devcluster.archive import PAUSE_IMAGE
from devcluster.components import Credentials
from devcluster.packages import CNI_FOLDER

CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
POD_RANGE = "10.244.0.0/24"
MAX_PODS = 60


def containerd_config(shim: Path, runc: str, network: Path, registries: Path) -> str:
    """Return containerd's configuration; `network` is the folder of the network's, `registries` that of
    what it believes of registries (see `write_trust`)."""
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many containers, no process may be made
    # less likely to be killed than its parent; containers fail to start when it is tried.
    return f"""\
version = 3

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = 'docker.io/{PAUSE_IMAGE}'

[plugins.'io.containerd.cri.v1.images'.registry]
config_path = '{registries}'

[plugins.'io.containerd.cri.v1.runtime']
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['{CNI_FOLDER}']
conf_dir = '{network}'

[plugins.'io.containerd.cri.v1.runtime'.containerd]
default_runtime_name = 'runc'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'
runtime_path = '{shim}'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = '{runc}'
SystemdCgroup = false
"""


def write_trust(folder: Path, seen_as: Path | str, registry: str, certificate: str) -> None:
    """Write what containerd reads before it pulls from a registry, host:port: its authority's certificate.

    `seen_as` is where the folder is for containerd.
    """
    place = folder / registry
    place.mkdir(parents=True, exist_ok=True)
    (place / "ca.crt").write_text(certificate)
    (place / "hosts.toml").write_text(
        f'server = "https://{registry}"\n\n'
        f'[host."https://{registry}"]\n'
        f'capabilities = ["pull", "resolve"]\n'
        f'ca = "{seen_as}/{registry}/ca.crt"\n'
    )


def network_config() -> dict[str, Any]:
    """Return the pods' network: a cable from each pod to the node, which routes between them.

    Not a bridge: an answer from one pod to another would pass it by without a look at the node's packet
    filter, which must undo the translation of a Service's address.
    """
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    return {
        "cniVersion": "1.0.0",
        "name": "stowage",
        "plugins": [
            {"type": "ptp", "ipMasq": False, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet_config(credentials: Credentials, address: str, cgroup: str, state: Path) -> dict[str, Any]:
    """Return the kubelet's configuration; `cgroup` is the group that the pods' groups are made in."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": address,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(credentials.authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(credentials.kubelet.certificate),
        "tlsPrivateKeyFile": str(credentials.kubelet.key),
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "volumePluginDir": str(state / "volume-plugins"),
        "resolvConf": "",
        "maxPods": MAX_PODS,
        "failSwapOn": False,
        # For machines as they come: cgroups of version 1, no systemd, few rights beyond root's name.
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": cgroup,
        "enforceNodeAllocatable": [],
        "oomScoreAdj": 0,
        # A disk that is nearly full with other things must neither evict pods nor delete images.
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    }


def kube_proxy_config(kubeconfig: Path, node: str) -> dict[str, Any]:
    """Return kube-proxy's configuration. The machine's limits of connections stay as they are."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(kubeconfig)},
        "clusterCIDR": POD_RANGE,
        "hostnameOverride": node,
        "healthzBindAddress": "127.0.0.1:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        "oomScoreAdj": 0,
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
        "iptables": {"minSyncPeriod": "100ms"},
    }

"""The command line of each program of the cluster."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from devcluster.certificates import CertificateAuthority, KeyPair, service_account_keys
from devcluster.kubeconfig import write_kubeconfig
from devcluster.ports import LOOPBACK

DATA = Path(__file__).with_name("data")

SERVICE_RANGE = "10.96.0.0/16"
CLUSTER_DOMAIN_HOSTS = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
FIRST_SERVICE_ADDRESS = "10.96.0.1"

# Relative to the working folder, which is the state folder: the path of a unix socket has about
# 100 characters at most, and test folders are deep. No port means that no port can be taken.
# etcd insists on a port even here, and it becomes a part of the file's name.
ETCD_SOCKET_FILE = "etcd.sock:0"
ETCD_SOCKET = f"unix://{ETCD_SOCKET_FILE}"
PEER_SOCKET = "unix://peer.sock:0"

ETCD = "etcd"
API_SERVER = "kube-apiserver"
CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok"

BOOT_ORDER = (ETCD, API_SERVER, CONTROLLER_MANAGER, SCHEDULER, KWOK)

KUBELET = "kubelet"
KUBE_PROXY = "kube-proxy"
REAL_NODE = "worker"
"""The name of the node that runs pods for real, where a cluster has one."""

FAKE_NODE_ANNOTATION = "kwok.x-k8s.io/node"
"""What marks a simulated node, so that real ones can stand beside it."""


@dataclass(frozen=True)
class Credentials:
    """The files that the components identify themselves with."""

    authority: KeyPair
    serving: KeyPair
    service_accounts: KeyPair
    kubeconfigs: Path
    kubelet: KeyPair
    """What the real node's kubelet serves with."""
    kubelet_client: KeyPair
    """What the API server asks a kubelet with, for logs and commands in containers."""

    @classmethod
    def make(cls, state: Path, server: str, admin_kubeconfig: Path, address: str = LOOPBACK) -> Credentials:
        """Create all keys, certificates and kubeconfigs of a cluster under its state folder.

        `address` is where the API server listens, and the real node's kubelet.
        """
        folder = state / "pki"
        authority = CertificateAuthority(folder)
        kubeconfigs = state / "kubeconfigs"
        kubeconfigs.mkdir(exist_ok=True, mode=0o700)
        users: Sequence[tuple[Path, str, tuple[str, ...]]] = (
            (admin_kubeconfig, "admin", ("system:masters",)),
            (kubeconfigs / CONTROLLER_MANAGER, "system:kube-controller-manager", ()),
            (kubeconfigs / SCHEDULER, "system:kube-scheduler", ()),
            (kubeconfigs / KWOK, "kwok", ("system:masters",)),
            (kubeconfigs / KUBELET, f"system:node:{REAL_NODE}", ("system:nodes",)),
            (kubeconfigs / KUBE_PROXY, "system:kube-proxy", ()),
        )
        for path, user, groups in users:
            pair = authority.client(f"client-{path.name}", user, groups)
            write_kubeconfig(path, server=server, authority=authority.pair.certificate, user=user, pair=pair)
        hosts = (address, LOOPBACK, "localhost", FIRST_SERVICE_ADDRESS, *CLUSTER_DOMAIN_HOSTS)
        return cls(
            authority=authority.pair,
            serving=authority.serving(API_SERVER, hosts),
            service_accounts=service_account_keys(folder),
            kubeconfigs=kubeconfigs,
            kubelet=authority.serving(KUBELET, (REAL_NODE, address)),
            kubelet_client=authority.client("kubelet-client", "kube-apiserver", ("system:masters",)),
        )


def arguments(
    state: Path, port: int, credentials: Credentials, address: str = LOOPBACK, *, node_leases: bool = True
) -> dict[str, list[str]]:
    """Return the arguments of each component; the working folder must be `state`.

    `address` is where the API server listens: the loopback one, or one that pods can reach. `node_leases`:
    see ``kwok_arguments``.
    """
    return {
        ETCD: _etcd(),
        API_SERVER: _api_server(state, port, credentials, address),
        CONTROLLER_MANAGER: _controller_manager(credentials),
        SCHEDULER: _scheduler(credentials),
        KWOK: kwok_arguments(credentials.kubeconfigs / KWOK, node_leases=node_leases),
    }


def _etcd() -> list[str]:
    return [
        "--name=local",
        "--data-dir=etcd",
        f"--listen-client-urls={ETCD_SOCKET}",
        f"--advertise-client-urls={ETCD_SOCKET}",
        f"--listen-peer-urls={PEER_SOCKET}",
        f"--initial-advertise-peer-urls={PEER_SOCKET}",
        f"--initial-cluster=local={PEER_SOCKET}",
        "--unsafe-no-fsync",  # nobody needs this data after a power cut
        # The only member elects itself after this time, 1000 by default. Milliseconds.
        "--heartbeat-interval=20",
        "--election-timeout=100",
        "--log-level=warn",
    ]


def _api_server(state: Path, port: int, credentials: Credentials, address: str) -> list[str]:
    issuer = f"https://{CLUSTER_DOMAIN_HOSTS[-1]}"
    return [
        f"--etcd-servers={ETCD_SOCKET}",
        f"--bind-address={address}",
        f"--secure-port={port}",
        f"--advertise-address={address}",
        # The endpoints of the Service "kubernetes" must not be loopback: then there are none.
        f"--endpoint-reconciler-type={'none' if address == LOOPBACK else 'lease'}",
        f"--kubelet-certificate-authority={credentials.authority.certificate}",
        f"--kubelet-client-certificate={credentials.kubelet_client.certificate}",
        f"--kubelet-client-key={credentials.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--cert-dir={state / 'pki'}",
        f"--client-ca-file={credentials.authority.certificate}",
        f"--tls-cert-file={credentials.serving.certificate}",
        f"--tls-private-key-file={credentials.serving.key}",
        "--authorization-mode=Node,RBAC",
        # As OpenShift: children may block the deletion of an owner only by right.
        "--enable-admission-plugins=OwnerReferencesPermissionEnforcement",
        "--allow-privileged=true",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
        f"--service-account-issuer={issuer}",
        f"--service-account-jwks-uri={issuer}/openid/v1/jwks",
        f"--service-account-key-file={credentials.service_accounts.certificate}",
        f"--service-account-signing-key-file={credentials.service_accounts.key}",
        f"--audit-policy-file={DATA / 'audit-policy.yaml'}",
        f"--audit-log-path={state / 'audit.log'}",
        "--audit-log-maxsize=100000",  # megabytes: a log that is rotated can't be counted in
        "--profiling=false",
    ]


def _controller_manager(credentials: Credentials) -> list[str]:
    return [
        f"--kubeconfig={credentials.kubeconfigs / CONTROLLER_MANAGER}",
        f"--service-account-private-key-file={credentials.service_accounts.key}",
        f"--root-ca-file={credentials.authority.certificate}",
        f"--cluster-signing-cert-file={credentials.authority.certificate}",
        f"--cluster-signing-key-file={credentials.authority.key}",
        "--use-service-account-credentials=true",
        "--horizontal-pod-autoscaler-sync-period=3s",  # 15 by default
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def _scheduler(credentials: Credentials) -> list[str]:
    return [
        f"--kubeconfig={credentials.kubeconfigs / SCHEDULER}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
    ]


def kwok_arguments(kubeconfig: Path, *, node_leases: bool = True) -> list[str]:
    """Return kwok's arguments; it plays the kubelet of the nodes that carry our annotation.

    With Leases, thousands of nodes cost little. But whoever is started in place of a kwok that was killed
    has another identity: it does nothing for a node until the Lease of the dead one has run out, for up to
    40 s, and what happens to a pod at that very moment it misses for good.
    """
    heartbeat = "kwok-heartbeat-with-lease.yaml" if node_leases else "kwok-heartbeat.yaml"
    return [
        f"--kubeconfig={kubeconfig}",
        f"--config={DATA / 'kwok-stages.yaml'}",
        f"--config={DATA / heartbeat}",
        f"--manage-nodes-with-annotation-selector={FAKE_NODE_ANNOTATION}=fake",
        f"--node-ip={LOOPBACK}",
        f"--node-lease-duration-seconds={40 if node_leases else 0}",
    ]

"""What application teams may not put on pods, whatever the runtime: it would give more than was decided.

These are lists of what is known to do so. They can't be complete: docs/security.md says what else holds a
pod.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

DEVICE_VARIABLES = (
    "*_VISIBLE_DEVICES", "*_VISIBLE_CORES", "*_VISIBLE_CHIPS", "*_VISIBLE_MODULES",
    "NVIDIA_*", "CUDA_MPS_*", "HABANA_RUNTIME_*",
    "ASCEND_RUNTIME_*", "ASCEND_VNPU_SPECS", "ASCEND_ALLOW_LINK",
)  # fmt: skip
"""Container runtimes of vendors grant devices, drivers and host mounts by the environment, whatever the
pod's resources say: with NVIDIA_VISIBLE_DEVICES=all a pod that was given one GPU sees all of the node.

Sources: NVIDIA/nvidia-container-toolkit, ascend-docker-runtime, habana-container-runtime (environment).
"""
CODE_VARIABLES = (
    "LD_*", "GLIBC_TUNABLES", "GCONV_PATH", "BASH_ENV", "BASHOPTS", "ENV", "IFS", "PATH", "PS4", "SHELLOPTS",
    "PYTHONBREAKPOINT", "PYTHONEXECUTABLE", "PYTHONHOME", "PYTHONINSPECT", "PYTHONPATH", "PYTHONPLATLIBDIR",
    "PYTHONPYCACHEPREFIX", "PYTHONSTARTUP", "PYTHONUSERBASE", "PYTHONWARNINGS",
    "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS", "NODE_OPTIONS",
    "OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES",
    "*_INJECTION64_PATH", "HSA_TOOLS_LIB", "NCCL_*_PLUGIN", "OMP_TOOL_LIBRARIES",
)  # fmt: skip
"""They have the linker, the shell, the interpreter or a driver load code that isn't the image's.

Sources: ld.so(8), bash(1), docs.python.org/3/using/cmdline.html, docs.nvidia.com/cupti, NCCL's variables.
"""
VARIABLES = DEVICE_VARIABLES + CODE_VARIABLES

_DOMAINS = (
    "stowage.dev", "kubernetes.io", "k8s.io", "cncf.io",
    "crio.io", "cri-o.io", "nri.io", "nvidia.com", "openshift.io",
    "cilium.io", "multus-cni.io", "ovn.org", "projectcalico.org",
    "amazonaws.com", "azure.workload.identity", "gke.io", "spiffe.io",
    "dapr.io", "hashicorp.com", "istio.io", "linkerd.io", "opentelemetry.io",
)  # fmt: skip
"""Whose labels and annotations make nodes, container runtimes, networks, clouds and sidecar injectors give a
pod something: host devices (cdi.k8s.io), other networks (k8s.v1.cni.cncf.io), a cloud identity
(iam.amazonaws.com), host paths by a sidecar (sidecar.istio.io/userVolume), less confinement
(container.apparmor.security.beta.kubernetes.io)."""
ALLOWED_KEYS = (
    "app.kubernetes.io/name", "app.kubernetes.io/version",
    "app.kubernetes.io/component", "app.kubernetes.io/part-of",
    "cluster-autoscaler.kubernetes.io/safe-to-evict",
    "kubectl.kubernetes.io/default-container", "kubectl.kubernetes.io/restartedAt",
    "linkerd.io/inject", "sidecar.istio.io/inject",
)  # fmt: skip
"""Keys of those domains that only name a thing, or turn on or off what the namespace has anyway."""

_DOMAIN = "|".join(each.replace(".", "[.]") for each in _DOMAINS)
KEY_PATTERN = (
    rf"^(([^/]*[.])?({_DOMAIN})(/.*)?|(io|org|com|net|dev|run)[.][^/]+|aadpodidbinding|pod-template-hash)$"
)
"""Keys that are not for templates. Those without a slash that begin like a domain turned round
(io.kubernetes.cri-o.Devices, io.katacontainers.config) speak to container runtimes."""


def glob(patterns: Iterable[str]) -> str:
    """A regular expression for whole names, of patterns with ``*``, that RE2 and Python read alike."""
    return "^(" + "|".join(p.replace("*", ".*") for p in patterns) + ")$"


VARIABLE_PATTERN = glob(VARIABLES)


def is_reserved_key(key: str) -> bool:
    """Whether a label or annotation is not for templates."""
    return key not in ALLOWED_KEYS and re.match(KEY_PATTERN, key) is not None


def is_reserved_variable(name: str, patterns: Iterable[str] = VARIABLES) -> bool:
    """Whether a variable is meant by one of the patterns, in any case: some servers read it so."""
    return re.match(glob(patterns), name, re.IGNORECASE) is not None

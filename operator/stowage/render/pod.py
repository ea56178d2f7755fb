"""The pod that serves a placement."""

from __future__ import annotations

import math

from stowage.api.inference_deployment import InferenceDeployment
from stowage.api.inference_runtime import InferenceRuntime, Probe, Support
from stowage.api.quantity import format_bytes, parse_duration
from stowage.placement.candidates import Candidate
from stowage.placement.fetching import is_fetched
from stowage.placement.pool_labels import ARCHITECTURE
from stowage.placement.snapshot import Amounts, Placement
from stowage.render.command import fill, placeholder_values, server_arguments
from stowage.render.fetcher import fetcher_volumes, init_containers
from stowage.render.model_source import ModelSource, model_source
from stowage.render.names import OWNER_LABEL, PLACEMENT_LABEL, Object, owner_labels, placement_hash
from stowage.render.pool_nodes import among, node_affinity, tolerations

CONTAINER = "server"
SERVE_PORT = "serve"
"""Name of the port that the Service targets, whatever its number in the runtime."""
PROBE_PERIOD = 10
"""Seconds between two probes."""
MAX_PORT_NAME = 15
DRAIN_SECONDS = 5
"""How long a pod that is told to end goes on serving, at most half of its time to end. The nodes learn only
now that it leaves the Service: a server that stopped at once would refuse what they still send it."""


def pod_template(candidate: Candidate, placement: Placement, fetcher_image: str) -> Object:
    """The pod template of a placement.

    Args:
        fetcher_image: of what fetches models, where the policy names none.
    """
    workload = candidate.demand.workload
    template = workload.spec.template
    labels = {
        **template.labels,
        **owner_labels(workload),
        PLACEMENT_LABEL: placement_hash(placement),
    }
    metadata: Object = {"labels": labels}
    if template.annotations:
        metadata["annotations"] = dict(template.annotations)
    return {"metadata": metadata, "spec": _pod_spec(candidate, placement, fetcher_image)}


def _pod_spec(candidate: Candidate, placement: Placement, fetcher_image: str) -> Object:
    workload, support = candidate.demand.workload, _support(candidate)
    template = workload.spec.template
    runs_on = among(ARCHITECTURE, sorted(support.architectures))
    source = model_source(candidate.variant, fetched=is_fetched(candidate.variant, candidate.runtime))
    spec: Object = {
        "containers": [_container(candidate, source)],
        "volumes": [*_volumes(support, source), *fetcher_volumes(candidate)],
        "affinity": {"nodeAffinity": node_affinity([candidate.pool], [runs_on])},
        "terminationGracePeriodSeconds": template.termination_grace_period_seconds,
        "enableServiceLinks": False,  # a Service named "vllm" would set VLLM_PORT
        "automountServiceAccountToken": template.service_account_name is not None,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
    }
    if fetchers := init_containers(candidate, fetcher_image):
        spec["initContainers"] = fetchers
    if tolerated := tolerations([candidate.pool], candidate.demand.policy):
        spec["tolerations"] = tolerated
    if template.service_account_name is not None:
        spec["serviceAccountName"] = template.service_account_name
    if secrets := _pull_secrets(candidate):
        spec["imagePullSecrets"] = [{"name": name} for name in secrets]
    if template.topology_spread_constraints:
        spec["topologySpreadConstraints"] = _topology_spread(workload, placement)
    return spec


def _pull_secrets(candidate: Candidate) -> list[str]:
    """The template's, and that of the registry which a built variant is in."""
    names = [s.name for s in candidate.demand.workload.spec.template.image_pull_secrets]
    variant, builds = candidate.variant, candidate.demand.policy.spec.builds
    if variant.build is None or builds is None or builds.registry is None:
        return names
    secret = builds.registry.pull_secret_name
    if secret is None or secret in names or not variant.location.startswith(f"{builds.store}@"):
        return names
    return [*names, secret]


def _support(candidate: Candidate) -> Support:
    if candidate.support is None:
        raise ValueError(f"{candidate.placement.id} was never feasible: the runtime doesn't run there")
    return candidate.support


def _container(candidate: Candidate, source: ModelSource) -> Object:
    workload, runtime, support = candidate.demand.workload, candidate.runtime, _support(candidate)
    values = placeholder_values(workload, candidate.variant, source.path, candidate.devices)
    container: Object = {
        "name": CONTAINER,
        "image": support.image,
        "args": server_arguments(workload, candidate.variant, support, values),
        "env": _environment(candidate, source, values),
        "ports": _ports(workload, runtime),
        "resources": _resources(candidate.requests),
        "volumeMounts": _mounts(support, source),
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        **_probes(candidate),
        **_drain(workload.spec.template.termination_grace_period_seconds),
    }
    if support.command:
        container["command"] = list(support.command)  # as it is: braces mean something to shells
    return {name: value for name, value in container.items() if value or name not in ("args", "env")}


def _environment(candidate: Candidate, source: ModelSource, values: dict[str, str | None]) -> list[Object]:
    """The runtime's variables, then the source's, then the user's, who wins."""
    merged: dict[str, Object] = {}
    for variable in _support(candidate).environment:
        for value in fill([variable.value], values):
            merged[variable.name] = _variable(variable.name, value)
    for entry in source.environment:
        merged[entry["name"]] = entry
    for given in candidate.demand.workload.spec.template.env:
        if given.secret is not None:
            reference = {"secretKeyRef": {"name": given.secret.name, "key": given.secret.key}}
            merged[given.name] = {"name": given.name, "valueFrom": reference}
        else:
            merged[given.name] = _variable(given.name, given.value or "")
    return list(merged.values())


def _variable(name: str, value: str) -> Object:
    """An empty value is left out, as the API server does: what we apply and what is there stay the same."""
    return {"name": name, "value": value} if value else {"name": name}


def _ports(workload: InferenceDeployment, runtime: InferenceRuntime) -> list[Object]:
    """One entry a number: a server may speak two protocols on one, and a second entry is refused."""
    wanted = workload.spec.model.wire_protocol
    names: dict[int, str] = {}
    for spoken in runtime.spec.protocols:
        if spoken.name == wanted:
            names[spoken.port] = SERVE_PORT
        else:
            names.setdefault(spoken.port, spoken.name.lower()[:MAX_PORT_NAME])
    return [{"name": name, "containerPort": port, "protocol": "TCP"} for port, name in names.items()]


def _resources(requests: Amounts) -> Object:
    """Requests and limits alike: the accelerator once, and CPU and memory that nobody else takes."""
    rendered = {name: _quantity(name, amount) for name, amount in requests.items()}
    limits = {name: text for name, text in rendered.items() if name != "ephemeral-storage"}
    return {"requests": rendered, "limits": limits}


def _quantity(name: str, amount: int) -> str:
    if name == "cpu":
        return str(amount // 1000) if amount % 1000 == 0 else f"{amount}m"
    return format_bytes(amount) if name in ("memory", "ephemeral-storage") else str(amount)


def _volumes(support: Support, source: ModelSource) -> list[Object]:
    volumes = [source.volume]
    if support.shared_memory is not None:
        memory = {"medium": "Memory", "sizeLimit": support.shared_memory}
        volumes.append({"name": "shared-memory", "emptyDir": memory})
    return volumes


def _mounts(support: Support, source: ModelSource) -> list[Object]:
    mounts = [source.mount]
    if support.shared_memory is not None:
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    return mounts


def _topology_spread(workload: InferenceDeployment, placement: Placement) -> list[Object]:
    """Each placement by itself: in a move, pods of the old one must not keep those of the new one away."""
    ours = {OWNER_LABEL: workload.name, PLACEMENT_LABEL: placement_hash(placement)}
    return [
        {
            "topologyKey": t.topology_key,
            "maxSkew": t.max_skew,
            "whenUnsatisfiable": t.when_unsatisfiable,
            "labelSelector": {"matchLabels": dict(ours)},
        }
        for t in workload.spec.template.topology_spread_constraints
    ]


def _probes(candidate: Candidate) -> Object:
    """Ready and live by HTTP. Liveness waits for the start, which may take as long as the policy says:
    loading 70 billion weights is slow, not broken."""
    probes = candidate.runtime.spec.probes
    name = candidate.demand.workload.spec.model.name
    patience = parse_duration(candidate.demand.policy.spec.fallback.start_timeout)
    ready = _http(probes.ready, name)
    live = _http(probes.live, name) if probes.live is not None else ready
    return {
        "startupProbe": {
            "httpGet": ready,
            "periodSeconds": PROBE_PERIOD,
            "timeoutSeconds": 5,
            "failureThreshold": math.ceil(patience / PROBE_PERIOD) + 1,  # the first comes at once
        },
        "readinessProbe": {"httpGet": ready, "periodSeconds": PROBE_PERIOD, "timeoutSeconds": 5},
        "livenessProbe": {
            "httpGet": live,
            "periodSeconds": PROBE_PERIOD,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
    }


def _drain(grace: int) -> Object:
    """The kubelet waits before it tells the server to end. It needs no shell in the image."""
    seconds = min(DRAIN_SECONDS, grace // 2)
    return {"lifecycle": {"preStop": {"sleep": {"seconds": seconds}}}} if seconds else {}


def _http(probe: Probe, model_name: str) -> Object:
    return {"path": probe.path.replace("{modelName}", model_name), "port": probe.port}

"""The init container that fetches a model into its pod, where the server doesn't fetch it itself."""

from __future__ import annotations

from stowage.api.placement_policy import Fetch, ModelStore, PlacementPolicy
from stowage.api.quantity import format_bytes, parse_duration
from stowage.api.variant import Variant
from stowage.placement.candidates import Candidate
from stowage.placement.fetching import is_fetched, largest_file, store_of
from stowage.placement.snapshot import Amounts
from stowage.render.confined import USER, confined
from stowage.render.model_source import MODEL_ROOT, MODEL_VOLUME
from stowage.render.names import Object

FETCHER = "fetcher"
"""The container's name."""
TRUST_VOLUME = "fetcher-trust"
TRUST_FOLDER = "/etc/stowage/trust"
NO_TOKEN_VOLUME = "no-token"
TOKEN_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
MOST_CPU = 1000
"""Thousandths of a core: enough to hash what a fast network brings."""
MOST_MEMORY = 256 * 1024**2
"""Bytes. It needs about 40 MiB; the rest is for the pages that it writes."""


def init_containers(candidate: Candidate, default_image: str) -> list[Object]:
    """What runs before the server: the fetcher, or nothing.

    Its CPU and memory are no more than the server's, so that the pod needs no more than before and keeps its
    quality of service, and so is the local storage that it requests. That has no limit: a limit would be the
    whole pod's, for as long as it lives. What bounds the model is the size of its volume, and before that the
    fetcher itself, since whoever fills a volume is evicted and would begin again.

    Args:
        default_image: the fetcher's, where the policy names none.
    """
    variant, fetch = candidate.variant, candidate.demand.policy.spec.fetch
    if not is_fetched(variant, candidate.runtime):
        return []
    place = f"{MODEL_ROOT}/{variant.name}"
    container: Object = {
        "name": FETCHER,
        "image": fetch.image or default_image,
        "args": _arguments(variant, candidate.demand.policy, place),
        "resources": _resources(candidate.requests),
        "volumeMounts": [{"name": MODEL_VOLUME, "mountPath": place}, *_mounts(candidate)],
        # Its sentence goes into the status; where it could say none, the end of its log does.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            **confined(),
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    store = store_of(variant, candidate.demand.policy)
    if store is not None and store.secret_name is not None:
        container["env"] = _credentials(store, store.secret_name)
    return [container]


def fetcher_volumes(candidate: Candidate) -> list[Object]:
    """The volumes that the fetcher needs beside the model's."""
    volumes: list[Object] = []
    if not is_fetched(candidate.variant, candidate.runtime):
        return volumes
    trust = candidate.demand.policy.spec.fetch.trust
    if trust is not None:
        items = [{"key": trust.key, "path": "ca.crt"}]
        volumes.append({"name": TRUST_VOLUME, "configMap": {"name": trust.config_map_name, "items": items}})
    if _has_token(candidate):
        volumes.append({"name": NO_TOKEN_VOLUME, "emptyDir": {}})
    return volumes


def fetch_seconds(candidate: Candidate) -> int:
    """For how long the pod may fetch; 0 where it doesn't."""
    if not is_fetched(candidate.variant, candidate.runtime):
        return 0
    return _seconds(candidate.demand.policy.spec.fetch)


def _credentials(store: ModelStore, secret: str) -> list[Object]:
    if not store.uri.startswith("s3://"):
        return [_from_secret("FETCH_TOKEN", secret, store.key)]
    keys = [_from_secret(name, secret, name) for name in KEYS]
    keys[-1]["valueFrom"]["secretKeyRef"]["optional"] = True  # keys of an account have no session
    return keys


def _from_secret(name: str, secret: str, key: str) -> Object:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def _arguments(variant: Variant, policy: PlacementPolicy, place: str) -> list[str]:
    fetch, store = policy.spec.fetch, store_of(variant, policy)
    found = [
        f"--uri={variant.location}",
        f"--output={place}",
        f"--most-bytes={largest_file(variant)}",
        f"--timeout={_seconds(fetch)}",
    ]
    if variant.digest is not None:
        found.append(f"--digest={variant.digest}")
    if store is not None and store.endpoint is not None:
        found.append(f"--endpoint={store.endpoint}")
    if store is not None and store.uri.startswith("s3://"):
        found.append(f"--region={store.region}")
    if fetch.trust is not None:
        found.append(f"--trust={TRUST_FOLDER}/ca.crt")
    return found


def _seconds(fetch: Fetch) -> int:
    return max(1, int(parse_duration(fetch.timeout)))


def _mounts(candidate: Candidate) -> list[Object]:
    mounts: list[Object] = []
    if candidate.demand.policy.spec.fetch.trust is not None:
        mounts.append({"name": TRUST_VOLUME, "mountPath": TRUST_FOLDER, "readOnly": True})
    if _has_token(candidate):
        # Where something is mounted already, the API server mounts no token.
        mounts.append({"name": NO_TOKEN_VOLUME, "mountPath": TOKEN_FOLDER, "readOnly": True})
    return mounts


def _has_token(candidate: Candidate) -> bool:
    return candidate.demand.workload.spec.template.service_account_name is not None


def _resources(requests: Amounts) -> Object:
    cpu, memory = min(requests["cpu"], MOST_CPU), min(requests["memory"], MOST_MEMORY)
    both = {"cpu": f"{cpu}m" if cpu % 1000 else str(cpu // 1000), "memory": format_bytes(memory)}
    return {
        "requests": {**both, "ephemeral-storage": format_bytes(requests["ephemeral-storage"])},
        "limits": dict(both),
    }

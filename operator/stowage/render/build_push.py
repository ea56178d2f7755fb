"""How the result of a build gets into a registry: a container before the builder looks whether it is there,
and one after it pushes. The builder may run a script of whoever wrote the deployment: the credentials, and
the folder that these two work in, are not in its container."""

from __future__ import annotations

from stowage.api.builds import ImageRegistry
from stowage.render.confined import confined
from stowage.render.names import Object

PULL, PUSH = "pull", "push"
"""Names of the containers, and the builder's commands."""
RESULT_VOLUME = "result"
RESULT_FOLDER = "/result"
RESULT = f"{RESULT_FOLDER}/variant"
"""Where the builder leaves what is pushed."""
TRANSFER_VOLUME = "transfer"
CREDENTIALS_VOLUME = "registry-credentials"
CREDENTIALS_FOLDER = "/etc/stowage/registry"
TRUST_VOLUME = "registry-trust"
TRUST_FOLDER = "/etc/stowage/trust"


def result_mount() -> Object:
    """The result's mount, the same in all containers."""
    return {"name": RESULT_VOLUME, "mountPath": RESULT_FOLDER}


def transfer(command: str, reference: str, registry: ImageRegistry, image: str, resources: Object) -> Object:
    """The container that pulls or pushes.

    Args:
        command: ``PULL`` or ``PUSH``.
        reference: repository:tag.
        image: the builder's.
        resources: the builder's too. It runs when that doesn't, so that the pod needs no more.
    """
    arguments = [command, "--image", reference, "--folder", RESULT]
    mounts: list[Object] = [result_mount(), {"name": TRANSFER_VOLUME, "mountPath": "/tmp"}]
    if registry.secret_name is not None:
        arguments += ["--auth-file", f"{CREDENTIALS_FOLDER}/config.json"]
        mounts.append({"name": CREDENTIALS_VOLUME, "mountPath": CREDENTIALS_FOLDER, "readOnly": True})
    if registry.trust is not None:
        arguments += ["--trust", TRUST_FOLDER]
        mounts.append({"name": TRUST_VOLUME, "mountPath": TRUST_FOLDER, "readOnly": True})
    return {
        "name": command,
        "image": image,
        "args": [*arguments, "--report", "/dev/termination-log"],
        "env": [{"name": "HOME", "value": "/tmp"}],
        "resources": {name: dict(amounts) for name, amounts in resources.items()},
        "volumeMounts": mounts,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": confined(),
    }


def transfer_volumes(registry: ImageRegistry) -> list[Object]:
    """The volumes that these containers need.

    Where a Secret or a ConfigMap is missing the pod starts all the same: what pulls says what is missing, and
    a pod that waits for it would say nothing until the deadline.
    """
    volumes: list[Object] = [
        {"name": RESULT_VOLUME, "emptyDir": {}},
        {"name": TRANSFER_VOLUME, "emptyDir": {}},
    ]
    if registry.secret_name is not None:
        items = [{"key": ".dockerconfigjson", "path": "config.json"}]
        secret = {"secretName": registry.secret_name, "items": items, "optional": True}
        volumes.append({"name": CREDENTIALS_VOLUME, "secret": secret})
    if registry.trust is not None:
        items = [{"key": registry.trust.key, "path": "ca.crt"}]
        trusted = {"name": registry.trust.config_map_name, "items": items, "optional": True}
        volumes.append({"name": TRUST_VOLUME, "configMap": trusted})
    return volumes

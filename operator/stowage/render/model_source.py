"""Where the model comes from: volumes, mounts and environment for a variant's uri."""

from __future__ import annotations

from dataclasses import dataclass, field

from stowage.api.quantity import format_bytes
from stowage.api.variant import Variant
from stowage.placement.builds import result_file
from stowage.placement.fetching import file_of, is_folder, volume_size
from stowage.render.names import Object

MODEL_ROOT = "/models"
MODEL_VOLUME = "model"
FILE_FORMATS = (".gguf", ".onnx", ".xml")
"""Endings of models that are a file. Servers tell them by the ending, and some need the files beside it."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """How a pod gets at the variant. ``path`` is what the server is told to load."""

    path: str
    volume: Object
    mount: Object
    environment: list[Object] = field(default_factory=list)


def model_source(variant: Variant, *, fetched: bool = False) -> ModelSource:
    """The source of a variant, mounted at ``/models/<variant>``.

    ``pvc://claim/path`` is a volume, ``oci://reference`` an image volume; with ``hf://`` the server
    fetches by itself into an empty folder there. Of a file of a volume, its folder is mounted. Of an image
    the path is its root, and where a build made it, the model's file there: some servers take no bare folder.

    Args:
        fetched: whether the fetcher brings it into such a folder (see ``fetcher``).

    Raises:
        ValueError: the scheme is none of these; the checks refuse it before anything is rendered.
    """
    scheme, _, rest = variant.location.partition("://")
    place = f"{MODEL_ROOT}/{variant.name}"
    mount: Object = {"name": MODEL_VOLUME, "mountPath": place, "readOnly": True}
    if fetched:
        limit = {"sizeLimit": format_bytes(volume_size(variant))}
        path = place if is_folder(variant) else f"{place}/{file_of(variant)}"
        return ModelSource(path, {"name": MODEL_VOLUME, "emptyDir": limit}, mount)
    if scheme == "pvc":
        claim, _, path = rest.partition("/")
        folder, file = _split(path.strip("/"))
        volume = {"persistentVolumeClaim": {"claimName": claim, "readOnly": True}}
        if folder:
            mount["subPath"] = folder
        return ModelSource(f"{place}/{file}" if file else place, {"name": MODEL_VOLUME, **volume}, mount)
    if scheme == "oci":
        image = {"image": {"reference": rest, "pullPolicy": "IfNotPresent"}}
        path = place if variant.build is None else f"{place}/{result_file(variant)}"
        return ModelSource(path, {"name": MODEL_VOLUME, **image}, mount)
    if scheme == "hf":
        del mount["readOnly"]
        home: list[Object] = [{"name": "HF_HOME", "value": place}, *_token(variant)]
        return ModelSource(rest, {"name": MODEL_VOLUME, "emptyDir": {}}, mount, home)
    raise ValueError(f"variant {variant.name}: nothing can fetch {scheme}://")


def _token(variant: Variant) -> list[Object]:
    """One key, by name: all keys of a Secret could set any variable, those reserved by the runtime too."""
    if variant.credentials is None:
        return []
    reference = {"name": variant.credentials.secret_name, "key": variant.credentials.key}
    return [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": reference}}]


def _split(path: str) -> tuple[str, str]:
    """Folder and file; no file where the path is a folder."""
    if not path.lower().endswith(FILE_FORMATS):
        return path, ""
    folder, _, file = path.rpartition("/")
    return folder, file

"""Reads the embedded catalog from the package's own files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TypeVar

import yaml

from stowage.api.accelerator_class import AcceleratorClass
from stowage.api.inference_runtime import InferenceRuntime
from stowage.api.meta import API_VERSION, Resource

_CLASSES, _RUNTIMES = "classes", "runtimes"
# PyYAML may have been built without the C parser, which is several times as fast.
_YAML_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Entry = TypeVar("Entry", bound=Resource)


@dataclass(frozen=True)
class Catalog:
    """What Stowage knows of devices and model servers before any object overrides it."""

    classes: Mapping[str, AcceleratorClass]
    """Accelerator classes by name."""
    runtimes: Mapping[str, InferenceRuntime]
    """Model servers by name."""


@lru_cache(maxsize=1)
def load_catalog() -> Catalog:
    """The embedded catalog. It is read once and never changes.

    Raises:
        ValueError: an entry isn't valid, which is a mistake in Stowage itself.
    """
    return Catalog(classes=_load(_CLASSES, AcceleratorClass), runtimes=_load(_RUNTIMES, InferenceRuntime))


@lru_cache(maxsize=128)
def source(name: str) -> str:
    """The manifest of one entry as it was written, with its comments: where an override starts from.

    Raises:
        KeyError: there is no entry of this name.
    """
    for folder in (_CLASSES, _RUNTIMES):
        for file in _manifests(folder):
            if file.name == f"{name}.yaml":
                return file.read_text(encoding="utf-8")
    raise KeyError(name)


def _manifests(folder: str) -> Iterator[Traversable]:
    entries = files(__package__).joinpath(folder).iterdir()
    yield from sorted((e for e in entries if e.name.endswith(".yaml")), key=lambda entry: entry.name)


def _load(folder: str, model: type[Entry]) -> Mapping[str, Entry]:
    parsed = (_parse(file, model) for file in _manifests(folder))
    return MappingProxyType({entry.name: entry for entry in parsed})


def _parse(file: Traversable, model: type[Entry]) -> Entry:
    """One manifest; a field that the API doesn't have is an error."""
    document = yaml.load(file.read_text(encoding="utf-8"), Loader=_YAML_LOADER)
    try:
        entry = model.model_validate(document)
    except ValueError as error:
        raise ValueError(f"embedded catalog, {file.name}: {error}") from error
    if entry.api_version != API_VERSION or file.name != f"{entry.name}.yaml":
        raise ValueError(
            f"embedded catalog, {file.name}: has {entry.api_version} and the name {entry.name}; "
            f"write {API_VERSION} and the name of the file"
        )
    return entry

"""Reads manifests from files, folders and standard input, and says where in them something is wrong."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from stowage.api.meta import API_VERSION, Resource
from stowage.api.parse import InvalidObject, parse
from stowage.cli.errors import UsageError

SUFFIXES = (".yaml", ".yml", ".json")
_STEP = re.compile(r"([^.\[\]]+)|\[([^\]]*)\]")


@dataclass(frozen=True, slots=True)
class Manifest:
    """One object of a file."""

    place: str
    """The file, or ``<stdin>``."""
    body: dict[str, Any]
    node: yaml.Node

    def line_of(self, path: str) -> int:
        """The line, counted from 1, of a field such as ``spec.variants[0].size``, or of what it is in."""
        node = self.node
        for name, index in _STEP.findall(path):
            below = _child(node, name or index)
            if below is None:
                break
            node = below
        return int(node.start_mark.line) + 1


def _child(node: yaml.Node, step: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, yaml.SequenceNode) and step.isdigit() and int(step) < len(node.value):
        found: yaml.Node = node.value[int(step)]
        return found
    return None


def read(sources: Iterable[str]) -> list[Manifest]:
    """All objects of the sources; those in a List one by one.

    Args:
        sources: files, folders (their YAML and JSON files, in order of name), or ``-``.

    Raises:
        UsageError: a source can't be read or isn't YAML; the message names file and line.
    """
    return [manifest for source in sources for manifest in _source(source, _objects)]


def read_mapping(source: str) -> Manifest:
    """The one mapping of a file, or of ``-``, that holds no Kubernetes object.

    Raises:
        UsageError: as for ``read``, and where there is no mapping or more than one document.
    """
    found = list(_source(source, _mapping))
    if len(found) != 1:
        raise UsageError(f"{source}: found {len(found)} documents; write one")
    return found[0]


Reader = Callable[[str, yaml.Node | None], Iterator[Manifest]]
"""Makes manifests of one document of a file."""


def _source(source: str, reader: Reader) -> Iterator[Manifest]:
    if source == "-":
        yield from _stream("<stdin>", sys.stdin, reader)
        return
    path = Path(source)
    files = sorted(p for p in path.rglob("*") if p.suffix in SUFFIXES) if path.is_dir() else [path]
    if not files:
        raise UsageError(f"{source}: no file ends in {', '.join(SUFFIXES)}")
    for file in files:
        try:
            with file.open(encoding="utf-8") as stream:
                yield from _stream(str(file), stream, reader)
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UsageError(f"{file}: {reason}") from None


def _stream(place: str, stream: TextIO, reader: Reader) -> Iterator[Manifest]:
    try:
        for node in list(yaml.compose_all(stream, Loader=yaml.SafeLoader)):
            yield from reader(place, node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise UsageError(f"{place}:{line}: not YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{place}: not YAML: {error}") from None


def _objects(place: str, node: yaml.Node | None, of: dict[str, str] | None = None) -> Iterator[Manifest]:
    """The objects of a document.

    Args:
        of: apiVersion and kind that a list gives to items that name none, as the API server's own lists do.
    """
    body = _construct(node) if node is not None else None
    if node is None or body is None:
        return
    if isinstance(body, dict) and of is not None:
        body = {**of, **body}
    if not isinstance(body, dict) or "kind" not in body:
        line = node.start_mark.line + 1
        raise UsageError(f"{place}:{line}: not a Kubernetes object: it has no kind")
    items = _child(node, "items")
    if str(body["kind"]).endswith("List") and isinstance(items, yaml.SequenceNode):
        kind = str(body["kind"]).removesuffix("List")
        typed = {"apiVersion": str(body.get("apiVersion", "")), "kind": kind} if kind else None
        for item in items.value:
            yield from _objects(place, item, typed)
        return
    yield Manifest(place, body, node)


def _mapping(place: str, node: yaml.Node | None) -> Iterator[Manifest]:
    body = _construct(node) if node is not None else None
    if node is None or not isinstance(body, dict):
        line = node.start_mark.line + 1 if node is not None else 1
        raise UsageError(f"{place}:{line}: found no mapping")
    yield Manifest(place, body, node)


class _Loader(yaml.SafeLoader):
    """Leaves timestamps as text, as kubectl does."""


def _text(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> str:
    return str(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:timestamp", _text)


def _construct(node: yaml.Node) -> Any:
    loader = _Loader("")
    try:
        return loader.construct_document(node)
    finally:
        loader.dispose()


def validate(manifest: Manifest) -> Resource | None:
    """One of our objects, checked as strictly as the API server does; None for what isn't ours.

    Raises:
        UsageError: one line that names file, line and field, and says what would be right.
    """
    if manifest.body.get("apiVersion") != API_VERSION:
        return None
    try:
        return parse(manifest.body)
    except InvalidObject as error:
        field = error.problems[0].split(":", 1)[0]
        raise UsageError(f"{manifest.place}:{manifest.line_of(field)}: {error}") from None

"""Whether a live object is what we render: equal means that nothing needs to be written.

Three things would each make the plain comparison wrong, and a wrong answer means writes for ever or a
hand edit that stays: the server rewrites values (Quantities), adds defaults and drops empty ones; other
managers add list items and fields of their own (sidecars, replicas); and what we stop rendering stays
in the object until we apply without it. The last is read from ``metadata.managedFields``, which records
what we applied.

Sources: sigs.k8s.io/structured-merge-diff (keys of lists, atomic values), KEP-555 (fieldsV1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stowage.api.quantity import parse_quantity

_LIST_KEYS: Mapping[str, tuple[str, ...]] = {
    "conditions": ("type",),
    "containers": ("name",),
    "containers.ports": ("containerPort", "protocol"),
    "env": ("name",),
    "imagePullSecrets": ("name",),
    "initContainers": ("name",),
    "initContainers.ports": ("containerPort", "protocol"),
    "ownerReferences": ("uid",),
    "spec.ports": ("port", "protocol"),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "volumeDevices": ("devicePath",),
    "volumeMounts": ("mountPath",),
    "volumes": ("name",),
}
"""The keys of list items, by the list's name, or its parent's name and its own. Other lists are atomic."""

_KEY_DEFAULTS = {"protocol": "TCP"}

_EXACT = frozenset(
    {"labelSelector", "matchExpressions", "matchFields", "nodeSelector", "nodeSelectorTerms"}
    | {"selector", "tolerations"}
)
"""Values that have one owner as a whole and no defaults inside, so anything extra is a difference too."""

_QUANTITIES = frozenset({"limits", "requests"})
"""Maps whose values are Quantities."""

_QUANTITY_FIELDS = frozenset({"sizeLimit", "divisor"})

_FALSE_IS_ABSENT = frozenset(
    {"hostIPC", "hostNetwork", "hostPID", "paused", "publishNotReadyAddresses", "readOnly", "stdin", "tty"}
)
"""Booleans that the server stores only when true. Of others absence is not false but a default."""

_ZERO_IS_ABSENT = frozenset({"hostPort", "initialDelaySeconds", "minReadySeconds", "nodePort"})
"""Integers that the server stores only when they are not zero."""

_EMPTY_MEANS_SOMETHING = frozenset({"emptyDir"})
"""Objects that say something by being there."""

_FREE_MAPS = frozenset({"annotations", "labels", "matchLabels", "nodeSelector", "selector"})
"""Maps with keys of our own choosing, where an empty text is as good as any other."""

_NOT_OURS = frozenset(("metadata", name) for name in ("resourceVersion", "managedFields", "generation"))
"""What a caller adds for the API server, or the API server for itself."""

Names = tuple[str, ...]
"""The names of the fields that lead to a value, without list items."""


def difference(rendered: Mapping[str, Any], live: Mapping[str, Any], manager: str) -> str | None:
    """The first path where the live object isn't what we render, or None when nothing needs to be written.

    That is a leaf that we render and the live object lacks or has with another value, a list whose items
    are in another order than ours, or something that ``manager`` has applied before and doesn't render
    any more. Defaults of the server and what others own are no differences.

    Args:
        rendered: what we would apply.
        live: what the API server has, with ``metadata.managedFields``.
        manager: our field manager.

    Returns:
        A path such as ``spec.template.spec.containers[name=server].resources.limits[nvidia.com/gpu]``.
    """
    for path in _differences(rendered, live, "", (), exact=False):
        return path
    for path in _leftovers(rendered, live, manager):
        return path
    return None


def _differences(wanted: Any, found: Any, path: str, names: Names, *, exact: bool) -> Iterator[str]:
    """Paths where ``found`` isn't ``wanted``. ``exact``: nothing but what is wanted may be there."""
    if isinstance(wanted, str) and wanted == found:
        return  # most of it
    exact = exact or (bool(names) and names[-1] in _EXACT)
    if _is_map(wanted) and _is_map(found):
        yield from _map_differences(wanted, found, path, names, exact=exact)
    elif _is_list(wanted) and _is_list(found):
        if keys := _list_keys(names):
            yield from _keyed_differences(wanted, found, path, names, keys)
        else:
            yield from _atomic_differences(wanted, found, path, names, exact=exact)
    elif not _same_leaf(wanted, found, names):
        yield path


def _map_differences(
    wanted: Mapping[str, Any], found: Mapping[str, Any], path: str, names: Names, *, exact: bool
) -> Iterator[str]:
    for name, value in wanted.items():
        if value is None or (isinstance(value, str) and value == found.get(name)):
            continue
        below = (*names, name)
        if below in _NOT_OURS:
            continue
        if name in found:
            yield from _differences(value, found[name], _join(path, name), below, exact=exact)
        elif not _is_absent(value, below):
            yield _join(path, name)
    if exact:
        yield from (_join(path, name) for name in found if name not in wanted)


def _keyed_differences(
    wanted: Sequence[Any], found: Sequence[Any], path: str, names: Names, keys: tuple[str, ...]
) -> Iterator[str]:
    """Compare items of the same key, and their order: env and initContainers mean something by it."""
    positions: dict[str, int] = {}
    for position, item in enumerate(found):
        key = _key_of(item, keys)
        if key in positions and any(_key_of(each, keys) == key for each in wanted):
            yield f"{path}[{key}]"  # a duplicate, which only a client that doesn't apply can make
        positions[key] = position
    last = -1
    for item in wanted:
        key = _key_of(item, keys)
        if key not in positions:
            yield f"{path}[{key}]"
            continue
        yield from _differences(item, found[positions[key]], f"{path}[{key}]", names, exact=False)
        if positions[key] < last:
            yield path
        last = positions[key]


def _atomic_differences(
    wanted: Sequence[Any], found: Sequence[Any], path: str, names: Names, *, exact: bool
) -> Iterator[str]:
    if len(wanted) != len(found):
        yield path
        return
    for position, (item, other) in enumerate(zip(wanted, found, strict=True)):
        yield from _differences(item, other, f"{path}[{position}]", names, exact=exact)


def _leftovers(rendered: Mapping[str, Any], live: Mapping[str, Any], manager: str) -> Iterator[str]:
    """Paths that the manager has applied before and doesn't render now."""
    for entry in live.get("metadata", {}).get("managedFields") or ():
        ours = entry.get("manager") == manager and entry.get("operation") == "Apply"
        if ours and not entry.get("subresource"):
            yield from _not_rendered(entry.get("fieldsV1") or {}, rendered, "")


def _not_rendered(owned: Mapping[str, Any], rendered: Any, path: str) -> Iterator[str]:
    """Walk a set of fieldsV1: steps ``f:field``, ``k:{keys of a list item}`` and ``v:item of a set``."""
    for step, below in owned.items():
        kind, _, rest = step.partition(":")
        if kind == "f":
            inside = _is_map(rendered) and rest in rendered
            where, value = _join(path, rest), rendered[rest] if inside else None
        elif kind == "k":
            key = json.loads(rest)
            where, value = f"{path}[{_key_of(key, tuple(key))}]", _find(rendered, key)
            inside = value is not None
        elif kind == "v":
            where, value = f"{path}[{rest}]", None
            inside = _is_list(rendered) and json.loads(rest) in rendered
        else:
            continue  # ".", the thing itself: its own step has been looked at above
        if not inside:
            yield where
        elif below and value is not None:
            yield from _not_rendered(below, value, where)


def _find(items: Any, key: Mapping[str, Any]) -> Any:
    """The list item with these keys, or None."""
    names = tuple(key)
    candidates = items if _is_list(items) else ()
    return next((item for item in candidates if _key_of(item, names) == _key_of(key, names)), None)


def _list_keys(names: Names) -> tuple[str, ...]:
    """The keys of the list at the path; none for an atomic list."""
    return _LIST_KEYS.get(".".join(names[-2:])) or _LIST_KEYS.get(names[-1], ())


def _key_of(item: Any, keys: tuple[str, ...]) -> str:
    """As paths show it: ``containerPort=8000,protocol=TCP``."""
    return ",".join(f"{key}={item.get(key, _KEY_DEFAULTS.get(key))}" for key in keys)


def _same_leaf(wanted: Any, found: Any, names: Names) -> bool:
    if _is_quantity(names):
        try:
            return parse_quantity(str(wanted)) == parse_quantity(str(found))
        except ValueError:
            return bool(wanted == found)
    return isinstance(wanted, bool) == isinstance(found, bool) and bool(wanted == found)


def _is_quantity(names: Names) -> bool:
    return names[-1] in _QUANTITY_FIELDS or (len(names) > 1 and names[-2] in _QUANTITIES)


def _is_absent(value: Any, names: Names) -> bool:
    """Whether the server stores the value by leaving the field out."""
    match value:
        case bool():
            return not value and names[-1] in _FALSE_IS_ABSENT
        case int():
            return value == 0 and names[-1] in _ZERO_IS_ABSENT
        case str():
            return not value and _FREE_MAPS.isdisjoint(names[-2:-1])
        case Mapping():
            inside = all(_is_absent(each, (*names, name)) for name, each in value.items())
            return inside and names[-1] not in _EMPTY_MEANS_SOMETHING
        case _:
            return not value


def _is_map(value: Any) -> bool:
    return isinstance(value, dict) or isinstance(value, Mapping)  # noqa: SIM101 - the first is the quick one


def _is_list(value: Any) -> bool:
    return isinstance(value, list) or (isinstance(value, Sequence) and not isinstance(value, str | bytes))


def _join(path: str, name: str) -> str:
    """Field names of our own choosing (labels, resources) have dots, so they stand in brackets."""
    if "." in name or "/" in name:
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else name

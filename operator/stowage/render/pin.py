"""Keeping a Deployment's pods as they were rendered, until the team edits its object.

A new catalog, another policy or an upgrade of Stowage would render other pods; none of them may restart
a model server by itself.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stowage.api.meta import FIELD_MANAGER
from stowage.render.names import RUNTIME_REVISION, SPEC_HASH, TEMPLATE_HASH, Object

_KEPT = (RUNTIME_REVISION, TEMPLATE_HASH)


def pin(rendered: Object, live: Mapping[str, Any], *, automatic: bool) -> Object:
    """What to apply: the rendered Deployment, with its pods as applied last where only we changed.

    Where the pods would be the same, or the spec was edited since, that is the rendered one; what
    others changed by hand is put back. ``automatic``: the team wants upgrades by themselves.
    """
    before: Mapping[str, str] = live["metadata"].get("annotations") or {}
    now: Mapping[str, str] = rendered["metadata"]["annotations"]
    edited = before.get(SPEC_HASH) != now[SPEC_HASH]
    if automatic or edited or before.get(TEMPLATE_HASH) == now[TEMPLATE_HASH]:
        return rendered
    template = applied(live, FIELD_MANAGER).get("spec", {}).get("template")
    if template is None or not _is_whole(template):
        return rendered
    annotations = {k: v for k, v in now.items() if k not in _KEPT}
    annotations |= {k: before[k] for k in _KEPT if k in before}
    return {
        **rendered,
        "metadata": {**rendered["metadata"], "annotations": annotations},
        "spec": {**rendered["spec"], "template": template},
    }


def _is_whole(template: Object) -> bool:
    """Whether the image is still ours. Who changes it by hand takes it over, and what it was is lost."""
    spec = template.get("spec", {})
    containers = spec.get("containers", [])
    return bool(containers) and all("image" in c for c in [*containers, *spec.get("initContainers", ())])


def applied(live: Mapping[str, Any], manager: str) -> Object:
    """The part of a live object that ``manager`` owns by server-side apply: what it applied last.

    The same as ``ExtractInto`` of k8s.io/client-go's apply configurations.
    """
    for entry in live["metadata"].get("managedFields") or ():
        ours = entry.get("manager") == manager and entry.get("operation") == "Apply"
        if ours and not entry.get("subresource"):
            found: Object = _extract(live, entry.get("fieldsV1") or {})
            return found
    return {}


def _extract(value: Any, owned: Mapping[str, Any]) -> Any:
    steps = {step: below for step, below in owned.items() if step != "."}
    if not steps:
        return value
    if isinstance(value, Mapping):
        fields = {step[2:]: below for step, below in steps.items() if step.startswith("f:")}
        return {name: _extract(value[name], below) for name, below in fields.items() if name in value}
    keyed = [(json.loads(step[2:]), below) for step, below in steps.items() if step.startswith("k:")]
    items = []
    for item in value:
        for keys, below in keyed:
            if all(item.get(k) == v for k, v in keys.items()):
                with_keys = {**below, **{f"f:{k}": {} for k in keys}} if below else {}
                items.append({**keys, **_extract(item, with_keys)})
    return items

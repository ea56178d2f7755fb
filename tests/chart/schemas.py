"""JSON schemas for kubeconform, made of the API server's own OpenAPI: nothing is fetched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from devcluster.cluster import LocalCluster

Schema = dict[str, Any]

LOCATION = "{{.ResourceKind}}{{.KindSuffix}}.json"
"""How kubeconform calls the files: kind, first part of the group, version."""
DEFINITIONS = "_definitions.json"
_ELSEWHERE = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": {"type": ["integer", "string"]},
    "io.k8s.apimachinery.pkg.api.resource.Quantity": {"type": ["number", "string"]},
}
"""Types that OpenAPI can't say."""
_COPIED = frozenset(
    {"$ref", "type", "enum", "required", "minimum", "maximum", "minItems", "maxItems", "pattern"}
)
_COPIED |= {"minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties"}
_SCHEMAS = frozenset({"items", "additionalProperties", "allOf", "anyOf", "oneOf", "not"})
"""Keywords that are kept; of the second kind, the values are schemas."""


def write_schemas(cluster: LocalCluster, folder: Path) -> None:
    """Write a schema for each kind that the server knows."""
    folder.mkdir(parents=True, exist_ok=True)
    definitions = json.loads(cluster.kubectl("get", "--raw", "/openapi/v2").stdout)["definitions"]
    strict = {name: _ELSEWHERE.get(name) or _strict(each) for name, each in definitions.items()}
    (folder / DEFINITIONS).write_text(json.dumps({"definitions": strict}).replace('"#/', f'"{DEFINITIONS}#/'))
    for name, each in definitions.items():
        for kind in each.get("x-kubernetes-group-version-kind", ()):
            group = kind["group"].split(".")[0]
            suffix = "-".join(filter(None, (kind["kind"], group, kind["version"]))).lower()
            (folder / f"{suffix}.json").write_text(json.dumps({"$ref": f"{DEFINITIONS}#/definitions/{name}"}))


def _strict(node: Any) -> Any:
    """A schema that refuses fields which are not listed, where fields are."""
    if isinstance(node, list):
        return [_strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string") is True:
        return {"type": ["integer", "string"]}
    found = {key: each for key, each in node.items() if key in _COPIED}
    for key in _SCHEMAS & node.keys():
        found[key] = _strict(node[key])
    if "properties" in node:
        found["properties"] = {name: _strict(each) for name, each in node["properties"].items()}
        if not node.get("x-kubernetes-preserve-unknown-fields"):
            found.setdefault("additionalProperties", False)
    return found

"""Which differences count and which don't, on objects as the API server returns them.

``tests/cluster_client/test_equality_on_server.py`` asks a real API server the same questions.
"""

from __future__ import annotations

import copy
from typing import Any

import pytest

from stowage.render.equality import difference

RENDERED: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {
        "name": "chat-1",
        "namespace": "shop",
        "labels": {"app.kubernetes.io/name": "chat", "empty": ""},
        "ownerReferences": [{"uid": "u1", "name": "chat", "controller": True}],
    },
    "spec": {
        "selector": {"matchLabels": {"app": "chat"}},
        "template": {
            "spec": {
                "nodeSelector": {"pool": "l4"},
                "containers": [
                    {
                        "name": "server",
                        "image": "vllm:1",
                        "args": ["serve", "--port=8000"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}],
                        "ports": [{"name": "http", "containerPort": 8000}],
                        "resources": {
                            "requests": {"cpu": "0.5", "memory": "1024Mi"},
                            "limits": {"nvidia.com/gpu": 1},
                        },
                        "volumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": False}],
                        "securityContext": {"allowPrivilegeEscalation": False},
                    }
                ],
                "volumes": [{"name": "models", "emptyDir": {}}],
                "tolerations": [{"key": "nvidia.com/gpu", "operator": "Exists"}],
            }
        },
    },
}


def stored() -> dict[str, Any]:
    """RENDERED as the server has it: canonical Quantities, defaults, and without empty values."""
    live = copy.deepcopy(RENDERED)
    live["metadata"] |= {"resourceVersion": "7", "uid": "x", "generation": 1}
    live["spec"]["replicas"] = 1
    pod = live["spec"]["template"]["spec"]
    pod["restartPolicy"] = "Always"
    server = pod["containers"][0]
    server["imagePullPolicy"] = "IfNotPresent"
    server["ports"][0]["protocol"] = "TCP"
    server["resources"] = {
        "requests": {"cpu": "500m", "memory": "1Gi"},
        "limits": {"nvidia.com/gpu": "1"},
    }
    del server["env"][1]["value"]
    del server["volumeMounts"][0]["readOnly"]
    return live


def at(live: dict[str, Any], *steps: str | int) -> Any:
    """The value under the steps, to be changed in place."""
    for step in steps:
        live = live[step]  # type: ignore[index]
    return live


POD = ("spec", "template", "spec")
SERVER = (*POD, "containers", 0)
SERVER_PATH = "spec.template.spec.containers[name=server]"

SAME = {
    "as stored": lambda live: live,
    "replicas of an autoscaler": lambda live: at(live, "spec").update(replicas=7),
    "sidecar in front": lambda live: at(live, *POD, "containers").insert(0, {"name": "proxy", "image": "p"}),
    "annotation": lambda live: at(live, "metadata").update(annotations={"a": "b"}),
    "env of another in between": lambda live: at(live, *SERVER, "env").insert(1, {"name": "X", "value": "x"}),
    "label of another": lambda live: at(live, "metadata", "labels").update(theirs="x"),
    "owner of another": lambda live: at(live, "metadata", "ownerReferences").append({"uid": "u2"}),
    "a default inside emptyDir": lambda live: at(live, *POD, "volumes", 0, "emptyDir").update(medium=""),
}

DIFFERENT = {
    "image": (lambda live: at(live, *SERVER).update(image="vllm:2"), f"{SERVER_PATH}.image"),
    "cpu": (
        lambda live: at(live, *SERVER, "resources", "requests").update(cpu="501m"),
        f"{SERVER_PATH}.resources.requests.cpu",
    ),
    "accelerators": (
        lambda live: at(live, *SERVER, "resources", "limits").clear(),
        f"{SERVER_PATH}.resources.limits[nvidia.com/gpu]",
    ),
    "an argument": (
        lambda live: at(live, *SERVER, "args").__setitem__(1, "--port=1"),
        f"{SERVER_PATH}.args[1]",
    ),
    "an argument more": (lambda live: at(live, *SERVER, "args").append("-v"), f"{SERVER_PATH}.args"),
    "env removed": (lambda live: at(live, *SERVER, "env").pop(0), f"{SERVER_PATH}.env[name=A]"),
    "env in another order": (lambda live: at(live, *SERVER, "env").reverse(), f"{SERVER_PATH}.env"),
    "env twice": (
        lambda live: at(live, *SERVER, "env").append({"name": "A", "value": "1"}),
        f"{SERVER_PATH}.env[name=A]",
    ),
    "empty env filled": (
        lambda live: at(live, *SERVER, "env", 1).update(value="x"),
        f"{SERVER_PATH}.env[name=B].value",
    ),
    "empty label removed": (
        lambda live: at(live, "metadata", "labels").pop("empty"),
        "metadata.labels.empty",
    ),
    "label changed": (
        lambda live: at(live, "metadata", "labels").update({"app.kubernetes.io/name": "x"}),
        "metadata.labels[app.kubernetes.io/name]",
    ),
    "UDP for TCP": (
        lambda live: at(live, *SERVER, "ports", 0).update(protocol="UDP"),
        f"{SERVER_PATH}.ports[containerPort=8000,protocol=TCP]",
    ),
    "mount made read-only": (
        lambda live: at(live, *SERVER, "volumeMounts", 0).update(readOnly=True),
        f"{SERVER_PATH}.volumeMounts[mountPath=/models].readOnly",
    ),
    "a guard removed": (
        lambda live: at(live, *SERVER, "securityContext").clear(),
        f"{SERVER_PATH}.securityContext.allowPrivilegeEscalation",
    ),
    "another kind of volume": (
        lambda live: at(live, *POD, "volumes").__setitem__(0, {"name": "models", "hostPath": {"path": "/"}}),
        "spec.template.spec.volumes[name=models].emptyDir",
    ),
    "selector widened": (
        lambda live: at(live, "spec", "selector", "matchLabels").update(more="x"),
        "spec.selector.matchLabels.more",
    ),
    "node selector extended": (
        lambda live: at(live, *POD, "nodeSelector").update(zone="a"),
        "spec.template.spec.nodeSelector.zone",
    ),
    "toleration narrowed": (
        lambda live: at(live, *POD, "tolerations", 0).update(effect="NoSchedule"),
        "spec.template.spec.tolerations[0].effect",
    ),
    "one toleration more": (
        lambda live: at(live, *POD, "tolerations").append({"operator": "Exists"}),
        "spec.template.spec.tolerations",
    ),
    "owner lost": (
        lambda live: at(live, "metadata").pop("ownerReferences"),
        "metadata.ownerReferences",
    ),
    "true is not 1": (
        lambda live: at(live, "metadata", "ownerReferences", 0).update(controller=1),
        "metadata.ownerReferences[uid=u1].controller",
    ),
}


@pytest.mark.parametrize("change", SAME.values(), ids=SAME)
def test_what_others_own_is_no_difference(change: Any) -> None:
    live = stored()
    change(live)
    assert difference(RENDERED, live, "stowage") is None


@pytest.mark.parametrize(("change", "path"), DIFFERENT.values(), ids=DIFFERENT)
def test_what_we_render_must_be_there(change: Any, path: str) -> None:
    live = stored()
    change(live)
    assert difference(RENDERED, live, "stowage") == path


CONTAINER: dict[str, Any] = {
    "f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"server"}': {".": {}}}}}}
}


def owning(fields: dict[str, Any], **entry: str) -> dict[str, Any]:
    """The stored object with one entry of managedFields."""
    live = stored()
    live["metadata"]["managedFields"] = [
        {"manager": "stowage", "operation": "Apply", "fieldsV1": fields} | entry
    ]
    return live


def container_owning(**fields: Any) -> dict[str, Any]:
    """As fieldsV1 has it: the container, and fields of it."""
    owned = copy.deepcopy(CONTAINER)
    at(owned, "f:spec", "f:template", "f:spec", "f:containers", 'k:{"name":"server"}').update(fields)
    return owned


LEFTOVERS = {
    "a field": ({"f:spec": {"f:replicas": {}}}, "spec.replicas"),
    "a label": ({"f:metadata": {"f:labels": {"f:a.b/c": {}}}}, "metadata.labels[a.b/c]"),
    "a list item": (
        container_owning(**{"f:env": {'k:{"name":"OLD"}': {".": {}, "f:name": {}}}}),
        f"{SERVER_PATH}.env[name=OLD]",
    ),
    "an item of two keys": (
        container_owning(**{"f:ports": {'k:{"containerPort":9,"protocol":"TCP"}': {".": {}}}}),
        f"{SERVER_PATH}.ports[containerPort=9,protocol=TCP]",
    ),
    "an atomic list": (container_owning(**{"f:command": {}}), f"{SERVER_PATH}.command"),
    "an item of a set": ({"f:metadata": {"f:finalizers": {'v:"x"': {}}}}, "metadata.finalizers"),
}

OWNED_AND_RENDERED = {
    "atomic": container_owning(**{"f:args": {}}),
    "two keys, one a default": container_owning(
        **{"f:ports": {'k:{"containerPort":8000,"protocol":"TCP"}': {".": {}, "f:name": {}}}}
    ),
    "empty text": container_owning(**{"f:env": {'k:{"name":"B"}': {".": {}, "f:value": {}}}}),
}


@pytest.mark.parametrize(("fields", "path"), LEFTOVERS.values(), ids=LEFTOVERS)
def test_what_we_applied_and_render_no_more_is_a_difference(fields: dict[str, Any], path: str) -> None:
    assert difference(RENDERED, owning(fields), "stowage") == path


@pytest.mark.parametrize("fields", OWNED_AND_RENDERED.values(), ids=OWNED_AND_RENDERED)
def test_what_we_applied_and_still_render_is_none(fields: dict[str, Any]) -> None:
    assert difference(RENDERED, owning(fields), "stowage") is None


@pytest.mark.parametrize(
    "entry", [{"manager": "hpa"}, {"operation": "Update"}, {"subresource": "status"}], ids=str
)
def test_only_our_own_apply_of_the_main_resource_counts(entry: dict[str, str]) -> None:
    assert difference(RENDERED, owning({"f:spec": {"f:replicas": {}}}, **entry), "stowage") is None


@pytest.mark.parametrize(
    ("wanted", "found", "same"),
    [("0.5", "500m", True), (4, "4", True), ("1024Mi", "1Gi", True), ("1G", "1Gi", False), ("?", "?", True)],
)
def test_quantities_are_compared_as_numbers(wanted: Any, found: str, same: bool) -> None:
    rendered, live = ({"resources": {"limits": {"x": each}}} for each in (wanted, found))
    assert difference(rendered, live, "stowage") == (None if same else "resources.limits.x")


def test_text_that_looks_like_a_quantity_is_text() -> None:
    assert difference({"args": ["1024Mi"]}, {"args": ["1Gi"]}, "stowage") == "args[0]"


def test_the_inputs_stay_as_they_are() -> None:
    rendered, live = copy.deepcopy(RENDERED), stored()
    difference(rendered, live, "stowage")
    assert (rendered, live) == (RENDERED, stored())

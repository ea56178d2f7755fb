"""Pods stay as they were rendered until the team edits its object.

``live/`` has what a real API server (Kubernetes 1.36) made of a Deployment: as we rendered it, as it was
stored at once (``fresh``), after another manager applied a sidecar, an annotation and a variable, a person
set a label, and replicas were scaled (``shared``), and after ``kubectl set image`` on top (``edited``).
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from stowage.render.equality import difference
from stowage.render.pin import applied, pin

FILES = Path(__file__).parent / "live"
OTHER = "00000000"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FILES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def annotate(body: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """A copy with other hashes in its annotations."""
    result = copy.deepcopy(body)
    for name, value in annotations.items():
        result["metadata"]["annotations"][f"stowage.dev/{name.replace('_', '-')}"] = value
    return result


def new_catalog() -> dict[str, Any]:
    """What a newer catalog renders for the same object."""
    body = annotate(load("rendered"), template_hash=OTHER, runtime_revision=OTHER)
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "vllm/vllm-openai:v9"
    body["spec"]["strategy"]["rollingUpdate"] = {"maxSurge": 0, "maxUnavailable": 1}
    body["spec"]["replicas"] = 5
    return body


# What we applied last


@pytest.mark.parametrize("name", ["fresh", "shared"])
def test_what_we_applied_is_found_again(name: str) -> None:
    rendered, found = load("rendered"), applied(load(name), "stowage")
    for body in (rendered, found):
        body["spec"].pop("replicas", None)
    assert found == {
        "metadata": {k: v for k, v in rendered["metadata"].items() if k not in ("name", "namespace")},
        "spec": rendered["spec"],
    }


def test_what_others_took_over_isnt_ours() -> None:
    assert "replicas" in applied(load("fresh"), "stowage")["spec"]
    assert "replicas" not in applied(load("shared"), "stowage")["spec"]
    (server,) = applied(load("edited"), "stowage")["spec"]["template"]["spec"]["containers"]
    assert "image" not in server
    assert server["args"]


def test_the_other_managers_part() -> None:
    assert applied(load("shared"), "mesh") == {
        "spec": {
            "template": {
                "metadata": {"annotations": {"mesh": "on"}},
                "spec": {
                    "containers": [
                        {"name": "proxy", "image": "proxy:1", "env": [{"name": "A", "value": "1"}]},
                        {"name": "server", "env": [{"name": "EXTRA", "value": "1"}]},
                    ],
                    "volumes": [{"name": "certs", "emptyDir": {}}],
                },
            }
        }
    }


@pytest.mark.parametrize("manager", ["kubectl-label", "kube-controller-manager", "nobody"])
def test_updates_and_subresources_are_no_applies(manager: str) -> None:
    assert applied(load("shared"), manager) == {}


@pytest.mark.parametrize("managed", [None, []])
def test_without_managed_fields(managed: list[Any] | None) -> None:
    live = load("fresh")
    live["metadata"]["managedFields"] = managed
    assert applied(live, "stowage") == {}
    assert applied({"metadata": {}}, "stowage") == {}


def test_steps_of_every_kind() -> None:
    live = {
        "metadata": {
            "managedFields": [
                {
                    "manager": "stowage",
                    "operation": "Apply",
                    "fieldsV1": {
                        "f:spec": {
                            "f:gone": {},
                            "f:atomic": {},
                            "f:empty": {".": {}},
                            "f:ports": {
                                'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}, "f:name": {}},
                                'k:{"port":99,"protocol":"TCP"}': {".": {}, "f:port": {}},
                            },
                            "f:owners": {'k:{"uid":"u"}': {}},
                        }
                    },
                }
            ]
        },
        "spec": {
            "atomic": [1, {"a": 2}],
            "empty": {},
            "ports": [
                {"port": 79, "protocol": "TCP", "name": "theirs"},
                {"port": 80, "protocol": "TCP", "name": "ours", "extra": "theirs"},
            ],
            "owners": [{"uid": "u", "name": "n"}, {"uid": "v"}],
            "other": 1,
        },
    }
    assert applied(live, "stowage") == {
        "spec": {
            "atomic": [1, {"a": 2}],
            "empty": {},
            "ports": [{"port": 80, "protocol": "TCP", "name": "ours"}],
            "owners": [{"uid": "u", "name": "n"}],
        }
    }


# What is applied next


@pytest.mark.parametrize("name", ["fresh", "shared"])
def test_a_new_catalog_restarts_nothing(name: str) -> None:
    rendered, new = load("rendered"), new_catalog()
    pinned = pin(new, load(name), automatic=False)
    assert pinned == {
        **new,
        "metadata": rendered["metadata"],
        "spec": {**new["spec"], "template": rendered["spec"]["template"]},
    }


def test_pinned_and_unchanged_means_no_write() -> None:
    new = annotate(load("rendered"), template_hash=OTHER, runtime_revision=OTHER)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "vllm/vllm-openai:v9"
    live = load("fresh")
    assert difference(new, live, "stowage") is not None
    assert difference(pin(new, live, automatic=False), live, "stowage") is None


def test_pinning_changes_neither_argument() -> None:
    new, live = new_catalog(), load("fresh")
    before = copy.deepcopy((new, live))
    pin(new, live, automatic=False)
    assert (new, live) == before


@pytest.mark.parametrize(
    ("what", "new", "live", "automatic"),
    [
        ("the team wants upgrades", new_catalog(), load("fresh"), True),
        ("the spec was edited", annotate(new_catalog(), spec_hash=OTHER), load("fresh"), False),
        ("only a hash is new", annotate(load("rendered"), spec_hash=OTHER), load("fresh"), False),
        ("nothing is new", load("rendered"), load("fresh"), False),
        ("the image was changed by hand", new_catalog(), load("edited"), False),
        ("a hand edit under the same catalog", load("rendered"), load("edited"), False),
        ("no annotations", new_catalog(), {"metadata": {}}, False),
        ("no managed fields", new_catalog(), {"metadata": load("rendered")["metadata"]}, False),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_rendered_is_applied_when(
    what: str, new: dict[str, Any], live: dict[str, Any], automatic: bool
) -> None:
    assert pin(new, live, automatic=automatic) == new


def test_annotations_of_the_placement_are_always_the_new_ones() -> None:
    new = annotate(new_catalog(), pool="renamed")
    found = pin(new, load("fresh"), automatic=False)["metadata"]["annotations"]
    before = load("rendered")["metadata"]["annotations"]
    assert found == {**before, "stowage.dev/pool": "renamed"}

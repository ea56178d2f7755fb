"""Objects that can and that can't be understood."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from stowage.api.inference_deployment import InferenceDeployment
from stowage.cluster.ports import Body
from stowage.control.parsed import Parsed, Parser
from stowage.control.reconcile import refused_status

NOW = "2026-01-02T03:04:05Z"
GOOD: Body = {
    "metadata": {"name": "chat", "namespace": "shop", "uid": "u1", "generation": 1, "resourceVersion": "10"},
    "spec": {
        "model": {"name": "m", "task": "text-generation"},
        "variants": [
            {"name": "a", "precision": "fp16", "format": "safetensors", "uri": "hf://a/b", "size": "1Gi"}
        ],
    },
}


def changed(
    body: Body = GOOD, *, spec: dict[str, Any] | None = None, status: Any = None, **metadata: Any
) -> Body:
    made = copy.deepcopy(body)
    made["metadata"].update(metadata)
    made["spec"].update(spec or {})
    if status is not None:
        made["status"] = status
    return made


def parser() -> Parser[InferenceDeployment]:
    return Parser("InferenceDeployment")


BAD = changed(spec={"replicas": "three"}, generation=2, resourceVersion="20", status={"replicas": 7})


def test_items_of_lists_lack_kind_and_version() -> None:
    parsed = parser()(GOOD)
    assert parsed.error == ""
    assert parsed.value is not None
    assert parsed.value.key == ("shop", "chat")
    assert (parsed.uid, parsed.generation, parsed.resource_version) == ("u1", 1, "10")


def test_unknown_fields_are_of_a_later_version() -> None:
    assert parser()(changed(spec={"later": True})).error == ""


def test_a_broken_spec_leaves_the_last_good_one_with_what_is_new_beside_it() -> None:
    parse = parser()
    parse(GOOD)
    parsed = parse(BAD)
    assert "spec.replicas" in parsed.error
    assert parsed.value is not None
    assert parsed.value.spec.replicas == 1
    assert parsed.value.metadata.generation == 2
    assert parsed.value.metadata.resource_version == "20"
    assert parsed.value.status is not None
    assert parsed.value.status.replicas == 7
    assert parse(changed(generation=3)).error == ""


def test_a_broken_object_has_nothing_of_another_that_had_its_name() -> None:
    parse = parser()
    parse(GOOD)
    assert parse(changed(BAD, uid="u2")).value is None
    parse.forget(("shop", "chat"))
    assert parse(BAD).value is None


def test_an_object_that_was_never_good_keeps_its_status_as_it_is() -> None:
    parsed = parser()(BAD)
    assert parsed.value is None
    assert parsed.status == {"replicas": 7}
    assert parser()(GOOD).status == {}


def test_a_broken_status_does_not_take_the_last_good_spec_away() -> None:
    parse = parser()
    parse(GOOD)
    parsed = parse(changed(BAD, status={"replicas": "many"}))
    assert parsed.value is not None
    assert parsed.value.spec.replicas == 1


def test_the_status_of_what_was_never_understood_settles() -> None:
    first: Parsed[InferenceDeployment] = Parsed(None, "spec.x: wrong", generation=2, status={"replicas": 7})
    status = refused_status(first, serving=1, now=NOW)
    found = {c["type"]: (c["status"], c["reason"]) for c in status["conditions"]}
    assert found["Ready"] == ("False", "InvalidSpec")
    assert found["Stalled"] == ("True", "InvalidSpec")
    assert status["replicas"] == 7
    assert status["observedGeneration"] == 2
    assert "1 replica goes on serving" in status["conditions"][0]["message"]
    again: Parsed[InferenceDeployment] = Parsed(None, "spec.x: wrong", generation=2, status=status)
    assert refused_status(again, serving=1, now="2026-02-02T03:04:05Z") == status


def test_a_status_that_cannot_be_understood_is_as_good_as_none() -> None:
    for status in ({"placements": "none"}, {"conditions": [{"type": "Ready"}]}):
        parsed = parser()(changed(status=status))
        assert parsed.error == ""
        assert parsed.value is not None
        assert parsed.value.status is None


def test_what_cannot_be_understood_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    parse = parser()
    for body in (BAD, BAD, GOOD, BAD):
        parse(body)
    assert [record.getMessage().partition(": ")[0] for record in caplog.records] == [
        "InferenceDeployment shop/chat",
        "InferenceDeployment shop/chat",
    ]


def test_a_status_that_changes_reads_and_keeps_the_spec_once() -> None:
    read = parser()
    first = read(changed())
    second = read(changed(status={"observedGeneration": 1}, resourceVersion="11"))
    assert first.value is not None
    assert second.value is not None
    assert second.value.spec is first.value.spec
    assert second.value.status is not None
    edited = read(changed(spec={"paused": True}, generation=2))
    assert edited.value is not None
    assert edited.value.spec.paused


@pytest.mark.parametrize("metadata", [{"uid": "u2"}, {"generation": 2}, {"generation": 0}])
def test_another_generation_or_object_has_a_spec_of_its_own(metadata: dict[str, Any]) -> None:
    read = parser()
    read(changed(**({"generation": 0} if metadata == {"generation": 0} else {})))
    found = read(changed(spec={"paused": True}, **metadata))
    assert found.value is not None
    assert found.value.spec.paused

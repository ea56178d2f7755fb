"""Selectors over labels and accelerators."""

from __future__ import annotations

import pytest

from stowage.api.meta import LabelSelector, LabelSelectorRequirement
from stowage.api.selector import AcceleratorSelector
from stowage.placement.selectors import requirement_holds, selects_labels, selects_pool

from .builders import GKE_POOL, Spec, accelerator, cpu_class, node, snapshot


@pytest.mark.parametrize(
    ("operator", "values", "expected"),
    [
        ("In", ["a", "b"], [True, False, False]),
        ("NotIn", ["a", "b"], [False, True, True]),
        ("Exists", [], [True, True, False]),
        ("DoesNotExist", [], [False, False, True]),
    ],
)
def test_requirements(operator: str, values: list[str], expected: list[bool]) -> None:
    requirement = LabelSelectorRequirement.model_validate(
        {"key": "k", "operator": operator, "values": values}
    )
    assert [requirement_holds(requirement, labels) for labels in ({"k": "a"}, {"k": "c"}, {})] == expected


def test_an_empty_selector_selects_everything_and_an_absent_one_too() -> None:
    assert [selects_labels(s, {"a": "b"}) for s in (None, LabelSelector())] == [True, True]


@pytest.mark.parametrize(
    ("spec", "gpu", "cpu"),
    [
        pytest.param({}, True, False, id="no types mean all but CPU"),
        pytest.param({"types": ["CPU"]}, False, True, id="CPU by type"),
        pytest.param({"classes": ["cpu"]}, False, True, id="CPU by name"),
        pytest.param({"types": ["GPU", "CPU"]}, True, True, id="both"),
        pytest.param({"vendors": ["NVIDIA"]}, True, False, id="vendor"),
        pytest.param({"vendors": ["AMD"]}, False, False, id="another vendor"),
        pytest.param({"types": ["GPU", "CPU"], "excludeClasses": ["gpu"]}, False, True, id="excluded"),
        pytest.param(
            {"types": ["GPU", "CPU"], "minMemory": "8Gi"}, True, False, id="a CPU has no device memory"
        ),
        pytest.param({"minMemory": "17Gi"}, False, False, id="too little memory"),
        pytest.param({"capacityTypes": ["spot"]}, False, False, id="capacity type"),
        pytest.param({"capacityTypes": ["on-demand"]}, True, False, id="this capacity type"),
        pytest.param({"nodeSelector": {GKE_POOL: "g"}}, True, False, id="labels of the pool"),
        pytest.param({"nodeSelector": {GKE_POOL: "h"}}, False, False, id="other labels"),
        pytest.param({"selector": {"matchLabels": {"family": "ada"}}}, True, False, id="labels of the class"),
        pytest.param(
            {"selector": {"matchLabels": {"family": "hopper"}}}, False, False, id="other labels of it"
        ),
    ],
)
def test_accelerators(spec: Spec, gpu: bool, cpu: bool) -> None:
    classes = [accelerator("gpu", {"family": "ada"}), cpu_class("cpu")]
    pools = snapshot([node("g", "gpu", "g"), node("c", None, "c")], classes).pools
    selector = AcceleratorSelector.model_validate(spec)
    assert {p.accelerator_class.name: selects_pool(selector, p) for p in pools} == {"gpu": gpu, "cpu": cpu}
